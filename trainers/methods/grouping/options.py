"""The options of learning from hierarchical grouping, with the paper's values as defaults.

Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020, sections 3
and 4.2. Nothing here imports torch: Snakemake reads it, too.
"""

from dataclasses import dataclass, field

from pipeline.option import option
from trainers.engine.options import TrainingOptions, TransformOptions

VERSION = 1
"""Raised whenever the same options and shards give other weights."""

STRIDE = 4
"""Of the embedding: image pixels between two of its vectors."""

_ENCODERS = ("resnet50", "resnet34", "resnet18")


@dataclass(frozen=True)
class ModelOptions:
    """The network (section 4.2, "Network Design")."""

    encoder: str = option("resnet50", "resnet50, resnet34 or resnet18, from random weights, its strides unchanged")
    strides: tuple[int, ...] = option(
        (8, 16),
        "of the encoder's groups that are read: 4, 8, 16 and 32 are conv2_x to conv5_x; deeper ones are not trained",
    )

    def __post_init__(self) -> None:
        if self.encoder not in _ENCODERS:
            raise ValueError(f"encoder is {self.encoder!r}: should be one of {', '.join(_ENCODERS)}")
        if not self.strides or list(self.strides) != sorted(set(self.strides) & {4, 8, 16, 32}):
            raise ValueError(f"strides are {list(self.strides)}: should be some of 4, 8, 16, 32, in this order")


@dataclass(frozen=True)
class SamplingOptions:
    """Which pixels are compared (section 3, equations 2 and 3; section 4.2, "Training")."""

    anchors: int = option(7, "of an image, each in another region while there are any")
    positives: int = option(10, "of an anchor")
    negatives: int = option(5, "of an anchor, in its image")
    distances: str = option(
        "tree",
        "tree: d_T, how high two regions merge; flat: positives are of the anchor's own region alone, negatives evenly "
        "of all others, as in SegSort",
    )
    distance_scale: float = option(
        15.0,
        "by which heights in [0, 1] become the paper's d_T, whose temperature is 0.8: at 15 an anchor's own region has "
        "half of its positives",
    )
    weighting: str = option(
        "region",
        "region: equations 2 and 3 are probabilities of regions, whose pixels are alike; pixel: of pixels, so that a "
        "region counts by its area, too",
    )
    anchor_weighting: str = option("even", "even: any region is as likely an anchor's; area: by its pixels")
    cross_image_negatives: int = option(5, "of an anchor, further ones, anywhere in other images; 0: none")
    queue: int | None = option(
        None, "pixels of former batches to take those from; null: they are from the other images of the batch"
    )
    second_view: bool = option(True, "positives and negatives are also found in another crop of the image")

    def __post_init__(self) -> None:
        for name in ("anchors", "positives", "negatives"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: from 1 up")
        for name, choices in (
            ("distances", ("tree", "flat")),
            ("weighting", ("region", "pixel")),
            ("anchor_weighting", ("even", "area")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}: should be {' or '.join(choices)}")
        if not 0 < self.distance_scale <= 1000:
            raise ValueError(f"distance_scale is {self.distance_scale}: above 0 and at most 1000")
        if self.cross_image_negatives < 0:
            raise ValueError(f"cross_image_negatives is {self.cross_image_negatives}: from 0 up")
        if self.queue is not None and not self.cross_image_negatives:
            raise ValueError(
                f"queue is {self.queue}, and cross_image_negatives is 0: nothing is taken from it; leave it out"
            )


@dataclass(frozen=True)
class LossOptions:
    """How they are compared (section 3, equation 1)."""

    form: str = option(
        "log", "log: minus the logarithm of equation 1's terms; sum: the terms themselves, as the paper prints it"
    )
    temperature: float = option(0.1, "similarities are divided by; the paper has none, which is 1")

    def __post_init__(self) -> None:
        if self.form not in ("log", "sum"):
            raise ValueError(f"form is {self.form!r}: should be log or sum")
        if not 0.01 <= self.temperature <= 100:
            raise ValueError(f"temperature is {self.temperature}: from 0.01 to 100")


@dataclass(frozen=True)
class GroupingOptions:
    """All options of an experiment."""

    model: ModelOptions = field(default_factory=ModelOptions)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    # The paper says which transforms, and not how much: area and jitter are those of the methods that it compares with.
    transforms: TransformOptions = field(
        default_factory=lambda: TransformOptions(shorter_side=256, crop=224, flip=True, jitter=0.4, area=(0.2, 1.0))
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=106_700,
            batch_size=70,
            optimizer="adam",
            learning_rate=1e-2,
            weight_decay=0.0,
            milestones=(25 / 80, 45 / 80, 60 / 80),
        )
    )

    def __post_init__(self) -> None:
        sampling, images = self.sampling, self.training.batch_size // self.training.accumulation
        if self.transforms.crop % STRIDE:
            raise ValueError(
                f"transforms.crop is {self.transforms.crop}: should be a multiple of {STRIDE}, the embedding's stride"
            )
        if sampling.queue is None and sampling.cross_image_negatives and images < 2:
            raise ValueError(
                f"sampling.cross_image_negatives is {sampling.cross_image_negatives}, and a pass has one image, and no "
                "others to take them from: give it more, or sampling.queue"
            )
        if sampling.queue is not None and sampling.queue < images * sampling.anchors:
            raise ValueError(
                f"sampling.queue is {sampling.queue}: a pass has {images * sampling.anchors} anchors, which it should "
                "have room for"
            )
