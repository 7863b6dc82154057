"""The options of object frames: dense embeddings of pixels that are the same for the same point of an object.

Thewlis, "Objects from Motion" (DPhil thesis, Oxford), chapter 5 (NeurIPS 2017), chapter 6 (NeurIPS 2018) and chapter 7;
the later release of chapter 7 is that of Thewlis et al., "Unsupervised Learning of Landmarks by Descriptor Vector
Exchange", ICCV 2019. Nothing here imports torch: Snakemake reads it, too.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline.option import option
from pipeline.sources.worlds.world import WORLDS, WorldOptions
from trainers.data.warps import WarpOptions
from trainers.engine.options import TrainingOptions, TransformOptions

VERSION = 1
"""Raised whenever the same options and shards give other weights."""

STRIDE = 2
"""Of the embedding: image pixels between two of its vectors, whatever the network."""

VIEWS = {"warp": "objects", "truth": "objects_truth", "flow": "objects_flow"}
"""What each kind of pairs is read from."""

MOST_POOLED = 256

NETWORKS = ("simple", "dilations", "small", "hourglass")


@dataclass(frozen=True)
class ModelOptions:
    """The network (chapter 5, section 3.2, "Network details"; small and hourglass are the later release's)."""

    network: str = option("simple", "simple, dilations, small or hourglass")
    dimensions: int = option(3, "of an embedding vector")
    normalise: bool = option(False, "vectors have a length of 20; otherwise it is free, and says how sure a match is")

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"network is {self.network!r}: should be one of {', '.join(NETWORKS)}")
        if not 2 <= self.dimensions <= 1024:
            raise ValueError(f"dimensions is {self.dimensions}: from 2 to 1024")


@dataclass(frozen=True)
class LossOptions:
    """How well matches predict the motion (chapter 5, equations 4 and 5; chapter 6, equations 4 and 6; chapter 7)."""

    kind: str = option("dist", "dist: the expected distance of a match, equation 5; log: its likelihood, equation 4")
    gamma: float = option(0.5, "of dist: the distance's exponent; distances are in image pixels")
    motion: float | None = option(
        0.0, "of pairs of frames: pixels that move at most so far, pixels, are left out; null: none is"
    )
    occlusion: bool = option(
        False, "of pairs with truth: pixels that the next frame does not show are left out, which truth has to know"
    )
    symmetry: str = option(
        "none",
        "bilateral: half of the second images are mirrored, and the first axis of their embedding with them; "
        "rotational: up to turns of the first two axes by whole parts of a circle, whichever fits an image best",
    )
    order: int = option(3, "of rotational symmetry: into how many parts")
    auxiliary: int = option(
        0, "images through whose embeddings a match has to go (embedding volume compression); 0: it goes directly"
    )
    pool: int = option(
        0,
        "of auxiliary images: how many of the last images they are drawn from; 0: they are the next ones of the batch",
    )
    memory: str = option(
        "blocks", "blocks: correlations are held a few rows at a time; whole: all, for the backward pass, too"
    )

    def __post_init__(self) -> None:
        for name, choices in (
            ("kind", ("dist", "log")),
            ("symmetry", ("none", "bilateral", "rotational")),
            ("memory", ("blocks", "whole")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}: should be {', '.join(choices[:-1])} or {choices[-1]}"
                )
        if not 0.1 <= self.gamma <= 4:
            raise ValueError(f"gamma is {self.gamma}: from 0.1 to 4")
        if self.motion is not None and self.motion < 0:
            raise ValueError(f"motion is {self.motion}: from 0 up, or null")
        if not 2 <= self.order <= 12:
            raise ValueError(f"order is {self.order}: from 2 to 12")
        if not 0 <= self.auxiliary <= 64:
            raise ValueError(f"auxiliary is {self.auxiliary}: from 0 to 64")
        if self.pool > MOST_POOLED:
            raise ValueError(f"pool is {self.pool}: at most {MOST_POOLED}, as each step embeds them all")
        if self.pool and not self.auxiliary:
            raise ValueError(f"pool is {self.pool}, and auxiliary is 0: nothing is taken from it; leave it out")
        if self.pool and self.pool < self.auxiliary:
            raise ValueError(f"pool is {self.pool}, and auxiliary is {self.auxiliary}: should be at least that")
        if self.auxiliary and self.symmetry == "rotational":
            raise ValueError(
                f"auxiliary is {self.auxiliary}, and symmetry is rotational: an auxiliary image is turned otherwise, "
                "and its embeddings are no bridge; leave out one of them"
            )


@dataclass(frozen=True)
class PhotometricOptions:
    """How the colours of the two images of a pair are varied, each by a draw of its own."""

    jitter: float = option(0.0, "brightness, contrast, saturation by up to this share")
    jpeg: tuple[int, int] | None = option(None, "compressed as JPEG with a quality from this range; null: not")

    def __post_init__(self) -> None:
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter is {self.jitter}: a share, from 0 to less than 1")
        if self.jpeg is not None and not 1 <= self.jpeg[0] <= self.jpeg[1] <= 100:
            raise ValueError(f"jpeg is {list(self.jpeg)}: should be a lower and a higher quality, from 1 to 100")


@dataclass(frozen=True)
class ObjectsOptions:
    """All options of an experiment."""

    pairs: str = option(
        "truth",
        "warp: an image and its warp (view objects); truth: frames and the exact motion between them (view "
        "objects_truth); flow: frames and estimated motion (view objects_flow)",
    )
    model: ModelOptions = field(default_factory=ModelOptions)
    warp: WarpOptions = field(default_factory=WarpOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    transforms: TransformOptions = field(default_factory=lambda: TransformOptions(shorter_side=None, crop=90))
    photometric: PhotometricOptions = field(default_factory=PhotometricOptions)
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=30_000,
            batch_size=16,
            optimizer="adam",
            learning_rate=1e-3,
            weight_decay=0.0,
            milestones=(0.7, 0.9),
        )
    )

    @property
    def side(self) -> int:
        """Of the images that the network sees in training, pixels."""
        return self.transforms.crop - 2 * (self.warp.margin if self.pairs == "warp" else 0)

    def __post_init__(self) -> None:
        if self.pairs not in VIEWS:
            raise ValueError(f"pairs is {self.pairs!r}: should be one of {', '.join(VIEWS)}")
        if self.side < 16:
            raise ValueError(
                f"warp.margin is {self.warp.margin}, and transforms.crop {self.transforms.crop}: {self.side} pixels "
                "are left, and should be at least 16"
            )
        if self.loss.occlusion and self.pairs != "truth":
            raise ValueError(f"loss.occlusion is true, and pairs is {self.pairs}: only truth knows occlusions")
        _check_auxiliary(self.loss, self.training.batch_size // self.training.accumulation)


def check_source(options: ObjectsOptions, source: Any) -> None:
    """Raises `ValueError` where the options of a source are of a world without the symmetry to learn with.

    Of other sources nothing is known.
    """
    if not isinstance(source, WorldOptions):
        return
    world, loss = WORLDS[source.world], options.loss
    if loss.symmetry == "bilateral" and not world.bilateral:
        able = [name for name, other in WORLDS.items() if other.bilateral]
        raise ValueError(f"loss.symmetry is bilateral, which the world {world.name} is not: {' and '.join(able)} are")
    if loss.symmetry == "rotational" and world.turns == 1:
        raise ValueError(f"loss.symmetry is rotational, and the world {world.name} has no such symmetry: leave it out")
    if loss.symmetry == "rotational" and world.turns % loss.order:
        raise ValueError(
            f"loss.order is {loss.order}, and the world {world.name} has a symmetry of order {world.turns}: should be "
            "that"
        )


def _check_auxiliary(loss: LossOptions, images: int) -> None:
    if loss.auxiliary and not loss.pool and loss.auxiliary >= images:
        raise ValueError(
            f"loss.auxiliary is {loss.auxiliary}, and a pass has {images} image{'s' if images > 1 else ''}, of which "
            "one is the pair's own: give it more, or loss.pool"
        )
