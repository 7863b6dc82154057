"""The options of cross-pixel flow similarity, with the paper's values as defaults.

Mahendran, Thewlis and Vedaldi, "Cross Pixel Optical-Flow Similarity for Self-Supervised Learning", ACCV 2018: chapter 8
of Thewlis, "Objects from Motion". Nothing here imports torch: Snakemake reads it, too.
"""

from dataclasses import dataclass, field

from pipeline.option import option
from trainers.engine.options import TrainingOptions, TransformOptions
from trainers.models.layer_names import LAYERS, check_layers

VERSION = 1
"""Raised whenever the same options and shards give other weights."""

LEAST_VARIANCE, MOST_VARIANCE = 1e-6, 10.0
"""Of the kernel of flow in [-1, 1]: with less only equal flow is alike, with more all flow is."""

_PUBLISHED = {
    LAYERS["alexnet"]: ("conv1", "pool1", "conv3", "pool5", "fc7"),
    LAYERS["vgg16"]: ("pool1", "pool2", "pool3", "pool4", "pool5"),
    LAYERS["vgg16_torchvision"]: ("pool1", "pool2", "pool3", "pool4", "pool5", "fc7"),
    LAYERS["resnet18"]: LAYERS["resnet18"],
}


@dataclass(frozen=True)
class ModelOptions:
    """The network (section 3.3; section 4.1; footnote 2)."""

    encoder: str = option(
        "alexnet_torchvision",
        "alexnet_torchvision or vgg16_torchvision, plain networks; resnet50, resnet34 or resnet18, their strides "
        "unchanged; vgg16 or alexnet, with normalisations",
    )
    layers: tuple[str, ...] = option(
        (),
        "of the encoder, side by side in a hypercolumn; none: those of the paper, and of a ResNet the first "
        "convolution and all groups",
    )
    hidden: int = option(256, "channels of the hidden layer between hypercolumn and embedding; the paper has no number")
    dimensions: int = option(16, "of the embedding")

    def __post_init__(self) -> None:
        if self.encoder not in LAYERS:
            raise ValueError(f"encoder is {self.encoder!r}: should be one of {', '.join(LAYERS)}")
        check_layers(self.encoder, self.layers)
        if len(set(self.layers)) < len(self.layers):
            raise ValueError(f"layers are {list(self.layers)}: each once")
        for name, most in (("hidden", 4096), ("dimensions", 1024)):
            if not 2 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}: from 2 to {most}")

    @property
    def read(self) -> tuple[str, ...]:
        """The layers of the hypercolumn."""
        return self.layers or _PUBLISHED[LAYERS[self.encoder]]


@dataclass(frozen=True)
class LossOptions:
    """What the embedding is compared with (section 3.2; section 4.2, equation 7; section 4.5, "Baseline")."""

    kind: str = option(
        "ce",
        "kta: alignment of the two kernels, equation 3; ce: cross-entropy, equation 4; ce_rev: the same reversed, "
        "equation 6; direct: flow itself, in classes, the paper's baseline",
    )
    pixels: int = option(512, "of an image, drawn evenly from those whose flow is known")
    variance: float = option(0.0036, "sigma squared of the kernel of flow in [-1, 1]; learnt, its first value")
    learn_variance: bool = option(False, "sigma squared is learnt with the weights")
    limit: float = option(56.0, "M of equation 7: flow of so many pixels, or more, is 1")
    bins: int = option(16, "of direct, for each axis")

    def __post_init__(self) -> None:
        if self.kind not in ("kta", "ce", "ce_rev", "direct"):
            raise ValueError(f"kind is {self.kind!r}: should be kta, ce, ce_rev or direct")
        if not 2 <= self.pixels <= 8192:
            raise ValueError(f"pixels is {self.pixels}: of an image, from 2 to 8192")
        if not LEAST_VARIANCE <= self.variance <= MOST_VARIANCE:
            raise ValueError(f"variance is {self.variance}: from {LEAST_VARIANCE} to {MOST_VARIANCE:g}")
        if self.learn_variance and self.kind == "direct":
            raise ValueError("learn_variance is true, and kind is direct, which has no kernel of flow: leave it out")
        if not 0.1 <= self.limit <= 1e4:
            raise ValueError(f"limit is {self.limit}: pixels, from 0.1 to 10000")
        if not 2 <= self.bins <= 999:
            raise ValueError(f"bins is {self.bins}: from 2 to 999")


@dataclass(frozen=True)
class ColourOptions:
    """How the colours of an image in [0, 1] are varied in training (section 4.3)."""

    brightness: float = option(0.12, "up to so much is added or taken away")
    contrast: tuple[float, float] = option(
        (0.2, 1.8), "what differs from a channel's mean, times a factor from this range"
    )
    hue: float = option(0.1, "turned by up to this share of the circle of colours")

    def __post_init__(self) -> None:
        if not 0 <= self.brightness < 1:
            raise ValueError(f"brightness is {self.brightness}: from 0 to less than 1")
        if not 0 <= self.contrast[0] <= self.contrast[1] <= 10:
            raise ValueError(
                f"contrast is {list(self.contrast)}: should be a smaller and a larger factor, from 0 to 10"
            )
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue is {self.hue}: a share, from 0 to 0.5")


@dataclass(frozen=True)
class SimilarityOptions:
    """All options of an experiment."""

    view: str = option("motion", "motion, or another view with frames and flow: cmp")
    model: ModelOptions = field(default_factory=ModelOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    colours: ColourOptions = field(default_factory=ColourOptions)
    # "Scale, horizontal flip and crop augmentation": the range of scales is not said.
    transforms: TransformOptions = field(
        default_factory=lambda: TransformOptions(shorter_side=256, scale=(1.0, 1.5), crop=224, flip=True)
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=200_000,
            batch_size=96,
            optimizer="adam",
            learning_rate=1e-4,
            weight_decay=0.0,
            schedule="constant",
            keep="best",
        )
    )

    def __post_init__(self) -> None:
        if self.view not in ("motion", "cmp"):
            raise ValueError(f"view is {self.view!r}: should be motion or cmp")
        if self.loss.pixels > self.transforms.crop**2:
            raise ValueError(
                f"loss.pixels is {self.loss.pixels}, and transforms.crop {self.transforms.crop}: a crop has "
                f"{self.transforms.crop**2} pixels"
            )
