"""The options of conditional motion propagation, with the paper's values for ResNet-50 as defaults.

Nothing here imports torch: Snakemake reads it, too.
"""

from dataclasses import dataclass, field

from pipeline.option import option
from trainers.engine.options import TrainingOptions, TransformOptions

VERSION = 1
"""Raised whenever the same options and shards give other weights."""

MOST_BINS = 999  # 384x384 pixels have 0.6 GB of logits with these


@dataclass(frozen=True)
class ModelOptions:
    """The network (section 3.1)."""

    encoder: str = option(
        "resnet50",
        "resnet50, resnet34, resnet18, resnet18_c4 (it without its last group) and vgg16 at stride 8, alexnet at 32",
    )
    decoder: str = option("plain", "plain: at the encoder's stride; skip: with skip connections to stride 2")
    strides: tuple[int, ...] = option((1, 2, 4), "of the plain decoder's propagation nets")
    width: int = option(128, "channels of a propagation net")

    def __post_init__(self) -> None:
        encoders = ("resnet50", "resnet34", "resnet18", "resnet18_c4", "vgg16", "alexnet")
        if self.encoder not in encoders:
            raise ValueError(f"encoder is {self.encoder!r}: should be one of {', '.join(encoders)}")
        if self.decoder not in ("plain", "skip"):
            raise ValueError(f"decoder is {self.decoder!r}: should be plain or skip")
        if not 8 <= self.width <= 1024:
            raise ValueError(f"width is {self.width}: channels, from 8 to 1024")
        if self.decoder == "skip" and self.encoder == "alexnet":
            raise ValueError("decoder is 'skip', which needs features at strides 2 and 4: alexnet has none, use plain")
        if not self.strides or list(self.strides) != sorted(set(self.strides) & {1, 2, 4, 8}):
            raise ValueError(f"strides are {list(self.strides)}: should be some of 1, 2, 4, 8, in this order")


@dataclass(frozen=True)
class LossOptions:
    """What the prediction is measured by (section 3.1, equation 1)."""

    kind: str = option("classification", "into bins, or regression, which the paper argues against")
    bins: int = option(99, "per axis; odd, so that no motion is the centre of a bin")
    limit: float = option(50.0, "flow is clipped to plus and minus this, pixels")

    def __post_init__(self) -> None:
        if self.kind not in ("classification", "regression"):
            raise ValueError(f"kind is {self.kind!r}: should be classification or regression")
        if not 3 <= self.bins <= MOST_BINS or self.bins % 2 == 0:
            raise ValueError(
                f"bins is {self.bins}: odd, from 3 to {MOST_BINS}, so that no motion is the centre of a bin"
            )
        if self.limit <= 0:
            raise ValueError(f"limit is {self.limit}: pixels, above 0")


@dataclass(frozen=True)
class CropGuidanceOptions:
    """The points whose motion the network is told (section 3.2)."""

    points: str = option(
        "watershed", "of the crop; column: as the shards have them; random; none (with the grid, if any)"
    )
    kernel_size: int = option(81, "K of watershed, pixels of the crop")
    edge_threshold: float = option(0.1, "of watershed")
    number: int = option(10, "of random points")
    grid_stride: int | None = option(200, "G, pixels of the crop; null: no grid")
    max_points: int | None = option(None, "keep so many at most, drawn at random")
    camera: float = option(
        0.0, "in training, the most that a made-up motion of the camera adds to the flow of a crop, pixels"
    )

    def __post_init__(self) -> None:
        if self.points not in ("watershed", "column", "random", "none"):
            raise ValueError(f"points is {self.points!r}: should be watershed, column, random or none")
        if self.kernel_size < 3 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size}: odd, from 3 up")
        if not 0 < self.edge_threshold < 1:
            raise ValueError(f"edge_threshold is {self.edge_threshold}: a share, above 0 and below 1")
        if self.number < 0:
            raise ValueError(f"number is {self.number}: of points, from 0 up")
        if self.max_points is not None and self.max_points < 0:
            raise ValueError(f"max_points is {self.max_points}: from 0 up, or null for all")
        if self.grid_stride is not None and self.grid_stride < 1:
            raise ValueError(f"grid_stride is {self.grid_stride}: pixels, from 1 up, or null for no grid")


@dataclass(frozen=True)
class CMPOptions:
    """All options of an experiment."""

    model: ModelOptions = field(default_factory=ModelOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    guidance: CropGuidanceOptions = field(default_factory=CropGuidanceOptions)
    transforms: TransformOptions = field(default_factory=TransformOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)

    def __post_init__(self) -> None:
        if not 0 <= self.guidance.camera <= self.loss.limit:
            raise ValueError(
                f"guidance.camera is {self.guidance.camera}: pixels, from 0 to loss.limit, {self.loss.limit}"
            )
