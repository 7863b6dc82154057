"""The options of detectors, and of the images with boxes that they learn from.

Nothing here imports torch: Snakemake reads it, too.
"""

import glob
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pipeline.option import option
from pipeline.sources.listing import expanded
from trainers.engine.options import LARGEST, TrainingOptions

KINDS = ("voc", "coco", "yolo", "table")
_SIDES = {"voc": ("trainval", "test"), "coco": ("train2017", "val2017")}


@dataclass(frozen=True)
class BoxedData:
    """Images, the boxes or masks of the objects on them, and which of them validate. Paths are the user's own."""

    kind: str = option(
        "voc",
        "voc, the layout of PASCAL VOC 2007; coco, that of COCO; yolo, a text file beside each image with boxes or "
        "polygons; or table, a CSV file with columns file, class, x0, y0, x1, y1",
    )
    name: str = option("", "what tables call the data set; by default its folder's name")
    path: str = option("", "the folder, .zip or .tar; where it came as several of these, a glob: /data/coco/*.zip")
    train: str | None = option(
        None,
        "what is trained on: a list of ImageSets/Main (voc, by default trainval); a folder of images with its "
        "annotations/instances_NAME.json (coco, train2017); a folder in images (yolo)",
    )
    validation: str | None = option(None, "what validates, in the same way: by default test (voc), val2017 (coco)")
    hold_out: float = option(0.0, "of yolo and table: the share of images that validate, where no folder says which do")
    images: str = option("images", "of yolo and table: the folder of the images in path")
    labels: str = option(
        "labels",
        "of yolo: the folder of the text files in path, whose lines are a class and cx cy w h, or the corners of a "
        "polygon x y x y ..., in shares of the image",
    )
    classes: tuple[str, ...] = option((), "of yolo: the names of the classes from 0; or the next says where they are")
    names: str = option("", "of yolo: a YAML file in path that has them, as names or classes, a list or by number")
    background: bool = option(
        True, "of yolo: whether an image without a text file has no object, as YOLO has it; else it is left out"
    )
    table: str = option("labels.csv", "of table: the file in path; a row of a file without a class has no object")
    negatives: bool = option(False, "whether images without an object are trained on, too; they validate in any case")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}: should be one of {', '.join(KINDS)}")
        if not self.path:
            raise ValueError(f"path is missing: where the data of kind {self.kind} lie")
        if not 0 <= self.hold_out < 1:
            raise ValueError(f"hold_out is {self.hold_out}: a share of the images, from 0 to less than 1")
        if self.kind in _SIDES:
            if self.hold_out:
                raise ValueError(f"hold_out is {self.hold_out}: kind {self.kind} says itself what validates")
            return
        if self.kind == "table" and (self.train is not None or self.validation is not None):
            raise ValueError("train and validation: kind table has no lists of its own: give hold_out instead")
        if (self.train is None) != (self.validation is None):
            raise ValueError("train and validation go together: give both or neither")
        if (self.validation is None) != bool(self.hold_out):
            raise ValueError("what validates? give one of hold_out and validation")
        if self.kind == "yolo" and bool(self.classes) == bool(self.names):
            raise ValueError("classes are numbers in the files: give one of classes and names")

    @property
    def sides(self) -> tuple[str | None, str | None]:
        """What trains and what validates; None: it is held out."""
        train, validation = _SIDES.get(self.kind, (None, None))
        return self.train or train, self.validation or validation

    @property
    def title(self) -> str:
        """What tables call the data set."""
        return self.name or PurePath(self.path).stem.strip("*?[]") or "images"


@dataclass(frozen=True)
class DetectorOptions:
    """All options of one fine-tuned detector; `recipe` of the evaluations has the papers' by encoder."""

    data: BoxedData = field(metadata={"help": "the images, their boxes or masks, and which of them validate"})
    size: int = option(800, "pixels, of an image's shorter side when it is measured")
    sizes: tuple[int, ...] = option((800,), "of the shorter side in training: one is drawn for each image of a step")
    longest: int = option(1333, "pixels, that the longer side has at most")
    flip: bool = option(True, "horizontally, half of the time, in training")
    proposals: int = option(1000, "of an image at most that are classified")
    rois: int = option(512, "proposals of an image that a step of training classifies, a quarter of them objects")
    anchors: tuple[int, ...] = option(
        (32, 64, 128, 256, 512), "of a ResNet: the sides of anchors at strides 4, 8, 16, 32 and 64, pixels"
    )
    channels: int = option(256, "of a ResNet: of its feature pyramid, and of the head of masks")
    width: int = option(1024, "of the two hidden layers that classify a box; AlexNet's fc6 and fc7 have their own")
    frozen_norm: bool | None = option(
        None, "whether the encoder's normalisations stay as they are; null: but from scratch, as torchvision has it"
    )
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(batch_size=16, learning_rate=0.02),
        metadata={"help": "how long, in which steps, and with which optimiser the network is fine-tuned"},
    )
    pictured: int = option(4, "images in the picture, spread evenly over those that validate")

    def __post_init__(self) -> None:
        sides = {"size": self.size, "longest": self.longest} | {f"sizes[{i}]": s for i, s in enumerate(self.sizes)}
        for name, value in sides.items():
            if not 32 <= value <= LARGEST:
                raise ValueError(f"{name} is {value}: pixels, from 32 to {LARGEST}")
        if not self.sizes:
            raise ValueError("sizes is empty: the shorter sides of images in training")
        for name, most in (("proposals", 10**5), ("rois", 10**5), ("channels", 4096), ("width", 2**14)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}: from 1 to {most}")
        if len(self.anchors) != 5 or min(self.anchors) < 1:
            raise ValueError(f"anchors is {list(self.anchors)}: should be 5 sides in pixels, one for each stride")
        if self.pictured < 0:
            raise ValueError(f"pictured is {self.pictured}: images, from 0 up")


def paths(options: Any) -> Mapping[str, str]:
    """Returns the folder or archive that `data` names, by the path of its key; what a glob finds is checked later."""
    return {} if glob.has_magic(options.data.path) else {"data.path": expanded(options.data.path)}


def known(encoder: str | None, recipes: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Returns the recipe of an encoder; of none, nothing.

    Raises:
        ValueError: there is none for it.
    """
    if encoder is None:
        return {}
    if encoder not in recipes:
        raise ValueError(f"encoder is {encoder!r}: should be one of {', '.join(recipes)}")
    return recipes[encoder]
