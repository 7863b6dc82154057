"""What an evaluation starts from: the network of an experiment, its image encoder or its features; or random ones."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common_fate.errors import UserError
from trainers.evaluations.job import Job
from trainers.models.encoders import Encoder, create_encoder, load_encoder
from trainers.models.saving import create_network, load_model
from trainers.models.weights_file import read_about
from trainers.registry import METHODS


def encoder_name(job: Job) -> str:
    """Returns the name of the image encoder of the job's experiment.

    Raises:
        UserError: its method has none.
    """
    encoder = METHODS[job.method].encoder_for(job.method_options)
    if encoder is None:
        raise UserError(f"{job.experiment}: {job.method} has no image encoder, which this evaluation needs")
    return encoder


def load_start_encoder(job: Job, seed: int) -> Encoder:
    """Returns the image encoder with the job's weights; without any, with random ones, as its architecture draws them.

    Args:
        seed: of the random ones: what fine-tunes gives its own, so that they are the same whatever the method.

    Raises:
        UserError: see `load_encoder`.
    """
    name = encoder_name(job)
    if job.weights is not None:
        return load_encoder(job.weights, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return create_encoder(name)


def load_start_model(job: Job) -> tuple[nn.Module, Any]:
    """Returns the network in evaluation mode and the options of its method; without weights, drawn by its own seed.

    Raises:
        UserError: the weights cannot be read, or are of a method that is not the job's.
    """
    if job.weights is not None:
        trained = load_model(job.weights)
        if trained.method.name != job.method:
            raise UserError(f"{job.weights}: a network of {trained.method.name}, not of {job.method}")
        return trained.net, trained.options
    return create_network(METHODS[job.method], job.method_options).eval(), job.method_options


PROBE = 64  # pixels: a multiple of every stride


class Features(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1], RGB, to features `(B, C, h, w)`.

    They are a network's embedding of pixels, or what an image encoder gives at one of its strides.

    Args:
        net: has `embed`, where `stride` is None; else it is an encoder.
    """

    def __init__(self, net: nn.Module, stride: int | None) -> None:
        super().__init__()
        self.net, self.stride = net, stride

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.net.embed(images) if self.stride is None else self.net(images)[self.stride]  # type: ignore[operator]
        return features

    @torch.no_grad()
    def grid(self) -> tuple[int, int]:
        """Returns how many channels features have, and how many pixels they lie apart, as an image shows."""
        weights = next(self.parameters())
        channels, height = self(torch.zeros(1, 3, PROBE, PROBE, device=weights.device)).shape[1:3]
        return channels, PROBE // height


def load_start_features(job: Job, seed: int, stride: int | None = None) -> Features:
    """Returns in evaluation mode what gives features of images, from the job's weights.

    Args:
        seed: of random weights.
        stride: of an image encoder's features; None: an embedding of pixels where there is one, else the deepest.

    Raises:
        UserError: the weights cannot be read, or the encoder has no features at that stride.
    """
    net, embeds = _network(job)
    if net is not None and embeds and stride is None:
        return Features(net, None).eval()
    encoder = load_start_encoder(job, seed) if net is None else getattr(net, "encoder", None)
    if encoder is None:
        raise UserError(f"{job.experiment}: its network has no image encoder, and so no features by their stride")
    stride = encoder.stride if stride is None else stride
    if stride not in encoder.channels:
        there = ", ".join(map(str, encoder.channels))
        raise UserError(
            f"{job.experiment}: {encoder.name} has no features at stride {stride}: should be one of {there}"
        )
    return Features(encoder, stride).eval()


def _network(job: Job) -> tuple[nn.Module | None, bool]:
    """The network in the job's weights, or a random one that embeds, and whether it does; None: an encoder alone."""
    if job.weights is None:
        embeds = METHODS[job.method].embeds
        return (create_network(METHODS[job.method], job.method_options).eval() if embeds else None), embeds
    if not _is_model(job.weights):
        return None, False
    trained = load_model(job.weights)
    return trained.net, trained.method.embeds


def _is_model(path: Path) -> bool:
    """Whether a file is a whole network that was trained here, and not an encoder, or a checkpoint from elsewhere."""
    try:
        return "method" in read_about(path)
    except UserError:
        return False
