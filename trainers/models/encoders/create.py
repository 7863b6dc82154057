"""Encoders by name."""

from collections.abc import Callable

from trainers.models.encoders.alexnet import AlexNet
from trainers.models.encoders.encoder import Encoder
from trainers.models.encoders.resnet import ResNet
from trainers.models.encoders.vgg import VGG

ENCODERS: dict[str, Callable[[str], Encoder]] = {
    "resnet50": ResNet,
    "resnet34": ResNet,
    "resnet18": ResNet,
    "vgg16": VGG,
    "alexnet": AlexNet,
}


def create_encoder(name: str) -> Encoder:
    """Creates an encoder with random weights, as PyTorch draws them from its global generator.

    Raises:
        ValueError: there is no such encoder.
    """
    if name not in ENCODERS:
        raise ValueError(f"encoder is {name!r}: should be one of {', '.join(ENCODERS)}")
    return ENCODERS[name](name)
