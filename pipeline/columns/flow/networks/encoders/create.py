"""Encoders by name."""

from collections.abc import Callable

from pipeline.columns.flow.networks.encoders.alexnet import AlexNet
from pipeline.columns.flow.networks.encoders.encoder import Encoder
from pipeline.columns.flow.networks.encoders.plain import PlainAlexNet, PlainVGG
from pipeline.columns.flow.networks.encoders.resnet import ResNet
from pipeline.columns.flow.networks.encoders.vgg import VGG

ENCODERS: dict[str, Callable[[str], Encoder]] = {
    "resnet50": ResNet,
    "resnet34": ResNet,
    "resnet18": ResNet,
    "resnet18_c4": ResNet,
    "vgg16": VGG,
    "alexnet": AlexNet,
    "vgg16_torchvision": PlainVGG,
    "alexnet_torchvision": PlainAlexNet,
}


def create_encoder(name: str) -> Encoder:
    """Creates an encoder with random weights, as PyTorch draws them from its global generator.

    Raises:
        ValueError: there is no such encoder.
    """
    if name not in ENCODERS:
        raise ValueError(f"encoder is {name!r}: should be one of {', '.join(ENCODERS)}")
    return ENCODERS[name](name)
