"""The options of fine-tuning for semantic segmentation, and the paper's recipes by encoder.

Nothing here imports torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainers.engine.options import TrainingOptions, TransformOptions, build, merged

VERSION = 1
"""Raised when the same options, weights and images give other numbers."""

IGNORED = 255  # the label of pixels that do not count
VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor"),
)


@dataclass(frozen=True)
class SegmentationData:
    """Images, their masks, and which of them validate. Paths are the user's own."""

    kind: str = "voc"  # the layout of PASCAL VOC 2012, or folder: any images with masks of the same names

    # of voc; validation is ImageSets/Segmentation/val.txt with SegmentationClass
    path: str = ""  # VOCdevkit/VOC2012
    train_list: str = "train"  # of ImageSets/Segmentation
    train_masks: str = "SegmentationClass"  # or SegmentationClassAug, with its own train_list
    sbd: str | None = None  # also train on SBD (with img and cls), without what validates
    sbd_list: str | None = None  # a list of names in the folder of SBD; null: all of cls

    # of folder
    images: str = ""
    masks: str = ""  # PNG, a label a pixel
    classes: tuple[str, ...] = ()  # names of the labels from 0
    ignore: tuple[int, ...] = (IGNORED,)  # labels that do not count
    hold_out: float = 0.0  # the share of images that validate; or which do, by one of the next two
    validation_list: str | None = None  # a file with the names of images, one a line
    validation_images: str | None = None  # a folder of its own
    validation_masks: str | None = None  # its masks

    def __post_init__(self) -> None:
        if self.kind not in ("voc", "folder"):
            raise ValueError(f"kind is {self.kind!r}: should be voc or folder")
        if self.kind == "voc":
            if not self.path:
                raise ValueError("path is missing: where VOCdevkit/VOC2012 lies")
            return
        for name in ("images", "masks", "classes"):
            if not getattr(self, name):
                raise ValueError(f"{name} is missing: kind folder needs images, masks and classes")
        if not 2 <= len(self.classes) <= IGNORED:
            raise ValueError(f"classes has {len(self.classes)} names: from 2 to {IGNORED}")
        if any(label < 0 for label in self.ignore):
            raise ValueError(f"ignore is {list(self.ignore)}: labels, from 0 up")
        if (self.validation_images is None) != (self.validation_masks is None):
            raise ValueError("validation_images and validation_masks go together: give both or neither")
        if not 0 <= self.hold_out < 1:
            raise ValueError(f"hold_out is {self.hold_out}: a share of the images, from 0 to less than 1")
        ways = (self.hold_out > 0, self.validation_list is not None, self.validation_images is not None)
        if sum(ways) != 1:
            raise ValueError("what validates? give one of hold_out, validation_list and validation_images")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, by label."""
        return VOC_CLASSES if self.kind == "voc" else self.classes

    @property
    def ignored(self) -> tuple[int, ...]:
        """The labels that do not count."""
        return (IGNORED,) if self.kind == "voc" else self.ignore


@dataclass(frozen=True)
class SegmentationOptions:
    """All of one fine-tuning, with ResNet-50's recipe as defaults."""

    data: SegmentationData
    transforms: TransformOptions = field(
        default_factory=lambda: TransformOptions(shorter_side=None, scale=(0.5, 2.0), crop=321, flip=True)
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=33_000, batch_size=16, learning_rate=0.01, schedule="polynomial", power=0.9
        )
    )


# Appendix B has the iterations and the learning rates. It does not state what follows here: scale, crop, flip, and
# batches of 16 with a weight decay of 1e-4 are customary for dilated ResNets (Chen et al., "DeepLab", TPAMI 2018; Zhao
# et al., PSPNet, CVPR 2017); batches of 20 with 5e-4 are FCN's (Long et al., CVPR 2015, section 4.3).
_TRANSFORMS = {"shorter_side": None, "scale": [0.5, 2.0], "crop": 321, "flip": True, "jitter": 0.0}
_RESNET50: dict[str, Any] = {
    "transforms": _TRANSFORMS,
    "training": {
        "iterations": 33_000,
        "batch_size": 16,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": "polynomial",
        "power": 0.9,
    },
}
_ALEXNET: dict[str, Any] = {
    "transforms": _TRANSFORMS,
    "training": {
        "iterations": 66_000,
        "batch_size": 20,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "steps",
        "drops": [30 / 66, 48 / 66, 60 / 66],
    },
}
RECIPES: dict[str, dict[str, Any]] = {
    "alexnet": _ALEXNET,
    "resnet50": _RESNET50,
    "resnet18": _RESNET50,
    "vgg16": _RESNET50,
}


def segmentation_options(encoder: str, values: Mapping[str, Any]) -> SegmentationOptions:
    """An encoder's recipe with `values`, plain JSON, in its place.

    Raises:
        ValueError: there is no such encoder, a key is unknown, or a value is refused; the message names the key.
    """
    if encoder not in RECIPES:
        raise ValueError(f"encoder is {encoder!r}: should be one of {', '.join(RECIPES)}")
    if "data" not in values:
        raise ValueError("data is missing: which images and masks?")
    return build(SegmentationOptions, merged(RECIPES[encoder], values))
