"""The options of learning landmarks, with the paper's values as defaults.

Thewlis et al., "Unsupervised learning of object landmarks by factorized spatial embeddings", ICCV 2017, sections 3 and
4.1. Nothing here imports torch: Snakemake reads it, too.
"""

from dataclasses import dataclass, field

from pipeline.option import option
from trainers.data.warps import WarpOptions
from trainers.engine.options import TrainingOptions, TransformOptions

VERSION = 1
"""Raised whenever the same options and shards give other weights."""

STRIDE = 2
"""Of the maps: image pixels between two of their cells."""


@dataclass(frozen=True)
class ModelOptions:
    """The network (section 4.1)."""

    landmarks: int = option(30, "K, which are learnt, each with a map")
    rectified: bool = option(
        True, "whether the last convolution, too, is followed by batch normalisation and ReLU, as the paper has it"
    )

    def __post_init__(self) -> None:
        if not 1 <= self.landmarks <= 1024:
            raise ValueError(f"landmarks is {self.landmarks}: from 1 to 1024")


@dataclass(frozen=True)
class LossOptions:
    """What landmarks have to be (section 3.3, equation 9)."""

    diversity: float = option(500.0, "gamma: the weight of each image's diversity beside alignment, in squared pixels")
    pooling: int = option(4, "m: maps are summed over squares of m cells first, so that landmarks keep a distance")

    def __post_init__(self) -> None:
        if self.diversity < 0:
            raise ValueError(f"diversity is {self.diversity}: a weight, from 0 up")
        if self.pooling < 1:
            raise ValueError(f"pooling is {self.pooling}: cells, from 1 up")


@dataclass(frozen=True)
class LandmarksOptions:
    """All options of an experiment."""

    model: ModelOptions = field(default_factory=ModelOptions)
    warp: WarpOptions = field(default_factory=WarpOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    transforms: TransformOptions = field(default_factory=lambda: TransformOptions(shorter_side=100, crop=100))
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=100_000,
            batch_size=32,
            optimizer="adam",
            learning_rate=1e-4,
            weight_decay=5e-4,
            milestones=(0.8,),
        )
    )

    @property
    def side(self) -> int:
        """Of the images that the network sees in training, pixels."""
        return self.transforms.crop - 2 * self.warp.margin

    def __post_init__(self) -> None:
        if self.side < 16:
            raise ValueError(
                f"warp.margin is {self.warp.margin}, and transforms.crop {self.transforms.crop}: {self.side} pixels "
                "are left, and should be at least 16"
            )
