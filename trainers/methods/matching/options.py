"""The options of deep matching, with the thesis' values as defaults.

Thewlis et al., "Fully-Trainable Deep Matching", BMVC 2016 (chapter 3 of the thesis). Nothing here imports torch:
Snakemake reads it, too.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.columns.flow.networks.matching.grid import MatchingGrid
from pipeline.option import option
from trainers.data.warps import WarpOptions
from trainers.engine.options import TrainingOptions, TransformOptions
from trainers.models.layer_names import LAYERS

VERSION = 1
"""Raised whenever the same options and shards give other weights."""

VIEWS = {"truth": "flow", "flow": "objects_flow", "warp": "objects"}
"""What each kind of pairs is read from."""

LEAST_SIDE = 16  # pixels, of an image to train on
LEAST_SIGMA = 0.01  # matches: less is no other margin, and its square nothing

_DESCRIPTORS = ("convolutions", "gradients", "encoder")


@dataclass(frozen=True)
class DescriptorOptions:
    """What describes patches."""

    name: str = option(
        "convolutions",
        "convolutions, VGG's first four at every pixel; encoder, a layer of an image encoder, whose weights start may "
        "bring; or gradients, by hand and without weights",
    )
    widths: tuple[int, int] = option((64, 128), "of convolutions: the channels of their two groups; the published ones")
    encoder: str = option("resnet18", f"of encoder: {', '.join(LAYERS)}")
    layer: str | None = option(
        None,
        "of encoder: whose activations describe, interpolated to every pixel; null: layer1 of a ResNet, else conv2",
    )

    def __post_init__(self) -> None:
        if self.name not in _DESCRIPTORS:
            raise ValueError(f"name is {self.name!r}: should be one of {', '.join(_DESCRIPTORS)}")
        if not all(1 <= width <= 1024 for width in self.widths):
            raise ValueError(f"widths are {list(self.widths)}: channels, from 1 to 1024")
        if self.encoder not in LAYERS:
            raise ValueError(f"encoder is {self.encoder!r}: should be one of {', '.join(LAYERS)}")
        if self.layer not in (None, *LAYERS[self.encoder]):
            raise ValueError(f"layer is {self.layer!r}: {self.encoder} has {', '.join(LAYERS[self.encoder])}")

    @property
    def created(self) -> Mapping[str, Any]:
        """What creates it, as `pipeline.columns.flow.networks.matching.descriptors` takes it."""
        more: dict[str, Any] = {}
        if self.name == "convolutions":
            more = {"widths": list(self.widths)}
        elif self.name == "encoder":
            usual = "layer1" if "layer1" in LAYERS[self.encoder] else "conv2"  # the thesis has VGG's conv2
            more = {"encoder": self.encoder, "layer": self.layer or usual}
        return {"descriptor": self.name, **more}


@dataclass(frozen=True)
class LossOptions:
    """What is learnt, and from which scores (section 2.2)."""

    exponents: bool = option(True, "learn the exponent of each level")
    features: bool = option(True, "learn the weights of the descriptor, where it has any")
    decoded: tuple[int, ...] = option((0,), "levels whose decoded scores Q the loss is of; the finest matters most")
    scores: tuple[int, ...] = option((), "levels whose scores S, before decoding, it is of as well")
    sigma: float = option(
        2.0, "of the margin 1 - g, which is small where a match is nearly right: matches of a level; not in the thesis"
    )

    def __post_init__(self) -> None:
        if not self.decoded and not self.scores:
            raise ValueError("decoded and scores are empty: the loss is of one level at least")
        if any(level < 0 for level in (*self.decoded, *self.scores)):
            raise ValueError("decoded and scores are levels, from 0 up")
        if self.sigma < LEAST_SIGMA:
            raise ValueError(f"sigma is {self.sigma}: from {LEAST_SIGMA} up")


@dataclass(frozen=True)
class MatchingOptions:
    """All options of an experiment."""

    pairs: str = option(
        "truth",
        "truth: frames and the exact motion between them (view flow); flow: frames and estimated motion (view "
        "objects_flow); warp: an image and its warp (view objects)",
    )
    warp: WarpOptions = field(default_factory=WarpOptions)
    pyramid: MatchingGrid = field(default_factory=MatchingGrid)
    descriptor: DescriptorOptions = field(default_factory=DescriptorOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    transforms: TransformOptions = field(
        default_factory=lambda: TransformOptions(shorter_side=None, crop=256, flip=True, flip_vertical=True)
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(iterations=10_000, batch_size=1, learning_rate=1e-4, clip_norm=100.0)
    )

    @property
    def side(self) -> int:
        """Of the images that the network sees in training, pixels."""
        return self.transforms.crop - 2 * (self.warp.margin if self.pairs == "warp" else 0)

    def __post_init__(self) -> None:
        if self.pairs not in VIEWS:
            raise ValueError(f"pairs is {self.pairs!r}: should be one of {', '.join(VIEWS)}")
        if self.side < LEAST_SIDE:
            raise ValueError(
                f"warp.margin is {self.warp.margin}, and transforms.crop {self.transforms.crop}: {self.side} pixels "
                f"are left, and should be at least {LEAST_SIDE}"
            )
        if not self.loss.exponents and (not self.loss.features or self.descriptor.name == "gradients"):
            raise ValueError(
                "loss.exponents is false: nothing is learnt then: set it, or loss.features of a descriptor with weights"
            )
        side, pyramid = self.side, self.pyramid
        if pyramid.radius > side:
            raise ValueError(f"pyramid.radius is {pyramid.radius}: should be at most transforms.crop, {side} pixels")
        if not pyramid.points(side):
            raise ValueError(f"pyramid.beta is {pyramid.beta}: the first point is not in a crop of {side} pixels")
        depth, deepest = pyramid.depth(side, side), max((*self.loss.decoded, *self.loss.scores))
        if deepest > depth:
            raise ValueError(f"loss is of level {deepest}: crops of {side} pixels have {depth} above the first")

    @property
    def created(self) -> Mapping[str, Any]:
        """What creates the network, as `pipeline.columns.flow.networks` takes it."""
        return {"name": "matching", "options": {**asdict(self.pyramid), **self.descriptor.created}, "frames": 2}
