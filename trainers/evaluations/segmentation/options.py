"""The options of semantic segmentation.

Nothing here imports torch: Snakemake reads it, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pipeline.option import option
from trainers.engine.options import TrainingOptions, TransformOptions

IGNORED = 255  # the label of pixels that do not count
VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor"),
)
_MIRRORED = (("left arm", "right arm"), ("left leg", "right leg"), ("left shoe", "right shoe"))
LIP_CLASSES = (
    *("background", "hat", "hair", "glove", "sunglasses", "upper clothes", "dress", "coat", "socks", "pants"),
    *("jumpsuits", "scarf", "skirt", "face", *(name for pair in _MIRRORED for name in pair)),
)
CIHP_CLASSES = tuple("torso skin" if name == "jumpsuits" else name for name in LIP_CLASSES)
KNOWN_CLASSES = {"voc": VOC_CLASSES, "lip": LIP_CLASSES, "cihp": CIHP_CLASSES}


@dataclass(frozen=True)
class SegmentationData:
    """Images, their masks, and which of them validate. Paths are the user's own."""

    kind: str = field(
        default="voc",
        metadata={
            "help": "voc, the layout of PASCAL VOC 2012; lip and cihp, people and their parts (Look into Person, one "
            "person or several); or folder, any images with masks of the same names"
        },
    )
    name: str = field(default="", metadata={"help": "what tables call the data set; by default its folder's name"})
    path: str = field(
        default="",
        metadata={
            "help": "of voc: the folder VOCdevkit/VOC2012; of lip: the folder with TrainVal_images and "
            "TrainVal_parsing_annotations, or their zips; of cihp: instance-level_human_parsing"
        },
    )
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
        if self.kind not in (*KNOWN_CLASSES, "folder"):
            raise ValueError(f"kind is {self.kind!r}: should be {', '.join(KNOWN_CLASSES)} or folder")
        if self.kind != "folder":
            if not self.path:
                lies = {"voc": "VOCdevkit/VOC2012", "lip": "TrainVal_images", "cihp": "instance-level_human_parsing"}
                raise ValueError(f"path is missing: where {lies[self.kind]} lies")
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
        return KNOWN_CLASSES.get(self.kind, self.classes)

    @property
    def mirrored(self) -> tuple[tuple[str, str], ...]:
        """The classes of its own that change places in a mirror image: the left and the right one of the same thing."""
        return _MIRRORED if self.kind in ("lip", "cihp") else ()

    @property
    def title(self) -> str:
        """What tables call the data set."""
        folder = PurePath(self.images).parent if self.kind == "folder" else PurePath(self.path)
        return self.name or folder.name or "images"

    @property
    def ignored(self) -> tuple[int, ...]:
        """The labels that do not count."""
        return self.ignore if self.kind == "folder" else (IGNORED,)


@dataclass(frozen=True)
class HypercolumnOptions:
    """The head on hypercolumns."""

    layers: tuple[str, ...] = option(
        (), "of the encoder; none: of AlexNet conv1 to conv5, fc6 and fc7, the thesis' own, of others all"
    )
    hidden: int = option(256, "channels of its hidden layer; the thesis has no number")
    pixels: int = option(512, "of a crop that it learns from, drawn evenly from those that count")
    strided: bool = option(
        False,
        "a ResNet's last two groups are at strides 16 and 32, as published, which takes a fraction of the time; false: "
        "at stride 8, dilated, as CMP's",
    )

    def __post_init__(self) -> None:
        if len(set(self.layers)) < len(self.layers):
            raise ValueError(f"layers are {list(self.layers)}: each once")
        for name, most in (("hidden", 4096), ("pixels", 2**16)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}: from 1 to {most}")


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
            "are fine-tuned"
        },
    )
    head: str = option(
        "linear",
        "what all layers are fine-tuned under: linear, a classifier of the deepest features; or hypercolumn, a head of "
        "two layers on the activations of many, which learns from some pixels of each crop",
        enum=["linear", "hypercolumn"],
    )
    hypercolumn: HypercolumnOptions = field(
        default_factory=HypercolumnOptions, metadata={"help": "the head, where it is of that kind"}
    )
    head_first: float = option(
        0.0, "a first stage in which the head alone learns: its iterations, as a share of those that follow"
    )
    stride: int | None = field(
        default=None,
        metadata={"help": "of an image encoder's frozen features; null: the embedding, or else the deepest"},
    )
    epochs: float | None = field(
        default=None,
        metadata={"help": "passes over the images to train on, in place of training.iterations; null: those"},
    )
    swaps: tuple[tuple[str, str], ...] | None = field(
        default=None,
        metadata={
            "help": "pairs of classes that change places in a mirror image: the left and the right one of the same "
            "thing, such as [[left arm, right arm]]; null: of lip and cihp arms, legs and shoes, of others none"
        },
    )
    ensemble_with: str | None = field(
        default=None,
        metadata={
            "help": "a checkpoint: it is trained in the same way, and the mean of the probabilities of both networks "
            "is measured as well; null: none"
        },
    )
    pictured: int = field(default=4, metadata={"help": "images in the picture, spread evenly over those that validate"})

    def __post_init__(self) -> None:
        if self.pictured < 0:
            raise ValueError(f"pictured is {self.pictured}: images, from 0 up")
        if not self.frozen and self.stride is not None:
            raise ValueError(f"stride is {self.stride}: has a meaning with frozen: true alone")
        if self.head not in ("linear", "hypercolumn"):
            raise ValueError(f"head is {self.head!r}: should be linear or hypercolumn")
        if self.head != "hypercolumn" and self.hypercolumn != HypercolumnOptions():
            raise ValueError("hypercolumn has options, and head is linear: set head: hypercolumn, or leave them out")
        if not 0 <= self.head_first <= 10:
            raise ValueError(f"head_first is {self.head_first}: a share of the iterations, from 0 to 10")
        if self.frozen and (self.head != "linear" or self.head_first):
            name = "head" if self.head != "linear" else "head_first"
            raise ValueError(f"{name} is {getattr(self, name)}: has a meaning with frozen: false alone")
        if self.epochs is not None and self.epochs <= 0:
            raise ValueError(f"epochs is {self.epochs}: above 0, or null")
        self._check_swaps()
        if self.frozen and self.training.batch_size == self.training.accumulation:
            raise ValueError(
                f"training.batch_size is {self.training.batch_size}: the head of frozen features is normalised over a "
                f"batch, and {self.training.accumulation} passes leave each a single image"
            )

    def _check_swaps(self) -> None:
        seen: set[str] = set()
        for number, pair in enumerate(self.swaps or ()):
            for name in pair:
                if name not in self.data.names:
                    right = ", ".join(self.data.names)
                    raise ValueError(f"swaps[{number}]: there is no class {name!r}: should be one of {right}")
                if name in seen:
                    raise ValueError(f"swaps[{number}]: {name!r} changes places twice: name each class once")
                seen.add(name)

    @property
    def swapped(self) -> tuple[tuple[int, int], ...]:
        """The labels that change places in a mirror image."""
        pairs = self.data.mirrored if self.swaps is None else self.swaps
        return tuple((self.data.names.index(left), self.data.names.index(right)) for left, right in pairs)

    def iterations(self, images: int) -> int:
        """Returns how many steps there are with so many images to train on."""
        if self.epochs is None:
            return self.training.iterations
        return max(round(self.epochs * images / self.training.batch_size), 1)


def paths(options: Any) -> Mapping[str, str]:
    """Returns the folders and files of the user's that `data` names and needs, by the path of their key."""
    names = ("path", "sbd", "images", "masks", "validation_images", "validation_masks", "validation_list")
    given = {f"data.{name}": getattr(options.data, name) for name in names}
    given["ensemble_with"] = getattr(options, "ensemble_with", None)
    return {key: path for key, path in given.items() if path}
