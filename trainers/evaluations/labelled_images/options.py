"""Which labelled images there are, and which of them validate. Nothing here imports torch: Snakemake reads it, too."""

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pipeline.option import option

ARCHIVES = (".zip", ".tar")
KINDS = ("folder", "table", "imagenet", "voc")
_ONLY = {
    "hold_out": ("folder", "table"),
    "table": ("table",),
    "split": ("table",),
    "validation": ("folder", "voc"),
    "ground_truth": ("imagenet",),
    "classes": ("folder", "table", "imagenet"),
}
"""The kinds that read an option."""


@dataclass(frozen=True)
class LabelledData:
    """Images and their classes, in folders, zips or tars. Paths are the user's own."""

    kind: str = option(
        "folder",
        "a folder of images for each class; a table with a row an image; ImageNet (ILSVRC 2012) or PASCAL VOC as they "
        "are unpacked, or their tars",
        enum=[*KINDS],
    )
    name: str = option("", "what tables call the data set; by default its folder's name")
    path: str = option(
        "",
        "of folder: what has a folder for each class; of table: the images; of imagenet: what has train and val, or "
        "their tars; of voc: VOCdevkit/VOC2007. A zip or a tar, or a folder in one: set.zip/train",
    )
    validation: str | None = option(
        None, "of folder: such a folder of the images that validate; of voc: where those lie, if not in path"
    )
    hold_out: float = option(0.0, "of folder and table: the share of the images that validate")
    table: str = option("", "of table: a CSV (TSV, JSON Lines, Parquet) file with a row for each image")
    file_column: str = option("file", "of table: which column names the image, within path")
    class_column: str = option("class", "of table: which column names its class")
    split: str | None = option(
        None, "of table: which column says by train and val (or valid, validation) on which side an image is"
    )
    ground_truth: str | None = option(
        None,
        "of imagenet, whose val has no folders: ILSVRC2012_devkit_t12, or LOC_val_solution.csv; null: in path",
    )
    train_list: str = option("trainval", "of voc: the lists of ImageSets/Main to train on, CLASS_trainval.txt")
    validation_list: str = option("test", "of voc: the lists of ImageSets/Main that validate; of VOC2012 val")
    classes: tuple[str, ...] | None = option(None, "of folder, table and imagenet: these classes alone; null: all")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}: should be {', '.join(KINDS[:-1])} or {KINDS[-1]}")
        for name in ("path", "table") if self.kind == "table" else ("path",):
            if not getattr(self, name):
                raise ValueError(f"{name} is missing: kind {self.kind} needs it")
        for name, kinds in _ONLY.items():
            if self.kind not in kinds and getattr(self, name):
                raise ValueError(f"{name} is of kind {' and '.join(kinds)}, and this is {self.kind}: leave it out")
        if not 0 <= self.hold_out < 1:
            raise ValueError(f"hold_out is {self.hold_out}: a share of the images, from 0 to less than 1")
        if self.kind in ("folder", "table"):
            other = "validation" if self.kind == "folder" else "split"
            if (self.hold_out > 0) == (getattr(self, other) is not None):
                raise ValueError(f"what validates? give one of hold_out and {other}")
        if self.classes is not None and len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError(f"classes is {list(self.classes)}: at least two, each once, or null")

    @property
    def several(self) -> bool:
        """Whether an image may have several classes, or none."""
        return self.kind == "voc"

    @property
    def title(self) -> str:
        """What tables call the data set."""
        if self.name:
            return self.name
        path = PurePath(self.table if self.kind == "table" else self.path)
        inner = self.kind == "table" or path.name in ("train", "training")
        folder = path.parent if inner else path
        return (folder.stem if folder.suffix.lower() in ARCHIVES else folder.name) or "images"


def archive_of(path: str) -> tuple[str, str]:
    """Returns the folder or archive of a path, and the folder in it: `set.zip/train` is `train` in `set.zip`."""
    whole = PurePath(path)
    for outer in reversed((whole, *whole.parents)):
        if outer.suffix.lower() in ARCHIVES and not os.path.isdir(outer):
            inside = whole.relative_to(outer).as_posix()
            return str(outer), "" if inside == "." else inside
    return path, ""


def paths(options: Any) -> Mapping[str, str]:
    """Returns the folders and files of the user's that `data` names and needs, by the path of their key."""
    names = ("path", "validation", "table", "ground_truth")
    given = {f"data.{name}": getattr(options.data, name) for name in names}
    return {key: archive_of(path)[0] for key, path in given.items() if path}
