"""The options of semantic segmentation, and the papers' recipes: by encoder, and for frozen features.

Nothing here imports torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from trainers.engine.options import TrainingOptions, TransformOptions

IGNORED = 255  # the label of pixels that do not count
VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor"),
)


@dataclass(frozen=True)
class SegmentationData:
    """Images, their masks, and which of them validate. Paths are the user's own."""

    kind: str = field(
        default="voc",
        metadata={"help": "voc, the layout of PASCAL VOC 2012, or folder, any images with masks of the same names"},
    )
    name: str = field(default="", metadata={"help": "what tables call the data set; by default its folder's name"})
    path: str = field(default="", metadata={"help": "of voc: the folder VOCdevkit/VOC2012"})
    train_list: str = field(
        default="train", metadata={"help": "of voc: the list of ImageSets/Segmentation to train on; val validates"}
    )
    train_masks: str = field(
        default="SegmentationClass",
        metadata={
            "help": "of voc: the folder of the masks to train on, such as SegmentationClassAug with its own list"
        },
    )
    sbd: str | None = field(
        default=None,
        metadata={"help": "of voc: a folder with SBD's img and cls to train on as well, without what validates"},
    )
    sbd_list: str | None = field(
        default=None, metadata={"help": "of voc: a list of names in the folder of SBD; null: all of cls"}
    )
    images: str = field(default="", metadata={"help": "of folder: the folder of the images"})
    masks: str = field(default="", metadata={"help": "of folder: the folder of the masks, PNG, a label a pixel"})
    classes: tuple[str, ...] = field(default=(), metadata={"help": "of folder: the names of the labels from 0"})
    ignore: tuple[int, ...] = field(
        default=(IGNORED,), metadata={"help": "of folder: the labels of pixels that do not count"}
    )
    hold_out: float = field(
        default=0.0,
        metadata={"help": "of folder: the share of images that validate; or one of the next two says which do"},
    )
    validation_list: str | None = field(
        default=None, metadata={"help": "of folder: a file with the names of the images that validate, one a line"}
    )
    validation_images: str | None = field(
        default=None, metadata={"help": "of folder: a folder of its own of images that validate"}
    )
    validation_masks: str | None = field(default=None, metadata={"help": "of folder: the masks of validation_images"})

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
    def title(self) -> str:
        """What tables call the data set."""
        folder = PurePath(self.path) if self.kind == "voc" else PurePath(self.images).parent
        return self.name or folder.name or "images"

    @property
    def ignored(self) -> tuple[int, ...]:
        """The labels that do not count."""
        return (IGNORED,) if self.kind == "voc" else self.ignore


@dataclass(frozen=True)
class SegmentationOptions:
    """All options of one fine-tuning, with ResNet-50's recipe as defaults; `recipe` has others."""

    data: SegmentationData = field(
        metadata={"help": "the images and their masks, and which of them validate"},
    )
    transforms: TransformOptions = field(
        default_factory=lambda: TransformOptions(shorter_side=None, scale=(0.5, 2.0), crop=321, flip=True),
        metadata={"help": "how the images to train on are resized, cropped and varied"},
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(
            iterations=33_000, batch_size=16, learning_rate=0.01, schedule="polynomial", power=0.9
        ),
        metadata={"help": "how long, in which steps, and with which optimiser the network is fine-tuned"},
    )
    frozen: bool = field(
        default=False,
        metadata={
            "help": "whether the features stay as they are and DeepLabv3's head (ASPP) learns on them; else all layers "
            "are fine-tuned under a linear classifier"
        },
    )
    stride: int | None = field(
        default=None,
        metadata={"help": "of an image encoder's frozen features; null: the embedding, or else the deepest"},
    )
    pictured: int = field(default=4, metadata={"help": "images in the picture, spread evenly over those that validate"})

    def __post_init__(self) -> None:
        if self.pictured < 0:
            raise ValueError(f"pictured is {self.pictured}: images, from 0 up")
        if not self.frozen and self.stride is not None:
            raise ValueError(f"stride is {self.stride}: has a meaning with frozen: true alone")
        if self.frozen and self.training.batch_size == self.training.accumulation:
            raise ValueError(
                f"training.batch_size is {self.training.batch_size}: the head of frozen features is normalised over a "
                f"batch, and {self.training.accumulation} passes leave each a single image"
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
        "schedule": "multistep",
        "milestones": [30 / 66, 48 / 66, 60 / 66],
    },
}
# Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020, section
# 4.2. "Randomly crop and resize" is not stated in numbers: scale and flip are those above.
FROZEN: dict[str, Any] = {
    "transforms": _TRANSFORMS | {"crop": 384},
    "training": {
        "iterations": 20_000,
        "batch_size": 20,
        "learning_rate": 0.03,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "multistep",
        "milestones": [0.5, 0.75],
    },
}
RECIPES: dict[str, dict[str, Any]] = {
    "alexnet": _ALEXNET,
    "resnet50": _RESNET50,
    "resnet34": _RESNET50,
    "resnet18": _RESNET50,
    "vgg16": _RESNET50,
}


def recipe(encoder: str | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the papers' recipe for an encoder, or for features that stay as they are.

    Args:
        values: config.yaml's own options.

    Raises:
        ValueError: there is no such encoder.
    """
    if values.get("frozen") is True:
        return FROZEN
    if encoder is None:
        return {}
    if encoder not in RECIPES:
        raise ValueError(f"encoder is {encoder!r}: should be one of {', '.join(RECIPES)}")
    return RECIPES[encoder]


def paths(options: Any) -> Mapping[str, str]:
    """Returns the folders and files of the user's that `data` names and needs, by the path of their key."""
    names = ("path", "sbd", "images", "masks", "validation_images", "validation_masks", "validation_list")
    given = {f"data.{name}": getattr(options.data, name) for name in names}
    return {key: path for key, path in given.items() if path}
