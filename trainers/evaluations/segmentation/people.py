"""LIP and CIHP on disk: people and the labels of their parts, as folders or in the archives that they come in.

Gong et al., "Look into Person", CVPR 2017, and "Instance-level Human Parsing via Part Grouping Network", ECCV 2018.
Nothing here imports torch.
"""

import glob
import os.path
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.sources.archives import Tree, has_folder
from pipeline.sources.reading import is_image
from pipeline.sources.trees import check_there, first_words
from trainers.evaluations.segmentation.files import File, Member
from trainers.evaluations.segmentation.options import SegmentationData


@dataclass(frozen=True)
class Half:
    """What trains, or what validates: folders of images and of masks, and the lists that may choose of them."""

    images: str
    masks: str
    lists: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    Args:
        tops: folders that may be around its own, where archives were unpacked.
        archives: those that may lie in the folder in place of what is in them.
    """

    what: str
    tops: tuple[str, ...]
    archives: tuple[str, ...]
    train: Half
    validate: Half


def _twice(name: str) -> tuple[str, str]:
    """An archive's one folder, where it was unpacked into a folder of its own name, and where it was not."""
    return f"{name}/{name}", name


LAYOUTS = {
    "lip": Layout(
        "LIP",
        (*_twice("TrainVal_images"), *_twice("TrainVal_parsing_annotations"), ""),
        ("TrainVal_images.*", "TrainVal_parsing_annotations.*"),
        Half("train_images", "train_segmentations", ("train_id.txt",)),
        Half("val_images", "val_segmentations", ("val_id.txt",)),
    ),
    "cihp": Layout(
        "CIHP",
        (*_twice("instance-level_human_parsing"), ""),
        ("instance-level_human_parsing.*",),
        Half("Training/Images", "Training/Category_ids", ("Training/train_id.txt", "train_id.txt")),
        Half("Validation/Images", "Validation/Category_ids", ("Validation/val_id.txt", "val_id.txt")),
    ),
}

Found = tuple[str, File, File]
"""A key, its image, and its mask."""


def people(data: SegmentationData) -> tuple[list[Found], list[Found]]:
    """Lists what there is to train on and to validate on, by key.

    Where there is a list of a half's images, it says which count; else all in its folder do.

    Raises:
        UserError: a folder is missing, a list names what is not there, or an image has no mask.
    """
    layout = LAYOUTS[data.kind]
    try:
        tree = _tree(data.path, layout)
        return _half(tree, layout.train), _half(tree, layout.validate)
    except OSError as error:
        raise UserError(f"data.path: cannot read {error.filename!r}: {error.strerror}") from error


def _tree(path: str, layout: Layout) -> Tree:
    root = os.path.normpath(path)
    archives = [found for name in layout.archives for found in sorted(glob.glob(os.path.join(glob.escape(root), name)))]
    folders = [folder for half in (layout.train, layout.validate) for folder in (half.images, half.masks)]
    readable = [root, *(one for one in archives if one.endswith((".zip", ".tar")))]
    roots = [
        (one, top)
        for one in readable
        for top in layout.tops
        if any(_has(one, f"{top}/{folder}".strip("/")) for folder in folders)
    ]
    tree = Tree(tuple(roots))
    for folder in folders:
        if not (roots and tree.files(folder)):
            packed = [one for one in archives if one not in readable]
            advice = f"unpack {packed[0]}" if packed else f"is this {layout.what} as unpacked, or the zips it comes in?"
            raise UserError(f"data.path: there is no file in {folder} of {path!r}: {advice}")
    return tree


def _has(root: str, folder: str) -> bool:
    try:
        return has_folder(root, folder)
    except UserError as error:
        raise UserError(f"data.path: {error}") from error


def _half(tree: Tree, half: Half) -> list[Found]:
    images = {PurePosixPath(name).stem: name for name in filter(is_image, tree.files(half.images))}
    masks = {PurePosixPath(name).stem: name for name in tree.files(half.masks) if name.endswith(".png")}
    keys = sorted(images)
    if listed := next((name for name in half.lists if tree.has(name)), None):
        # A name of a list is looked up, and never a path.
        keys = sorted({PurePosixPath(word).stem for word in first_words(tree, listed, "data")})
        check_there(keys, images, half.images, listed, "data.path")
    if without := [key for key in keys if key not in masks]:
        more = f", and {len(without) - 1} more have none" if without[1:] else ""
        raise UserError(
            f"data.path: {half.images}/{images[without[0]]} has no mask {half.masks}/{without[0]}.png{more}: is the "
            "data set whole?"
        )
    if not keys:
        raise UserError(f"data.path: {quoted(listed or half.images)} has no image")
    return [(key, _file(tree, half.images, images[key]), _file(tree, half.masks, masks[key])) for key in keys]


def _file(tree: Tree, folder: str, name: str) -> File:
    """A path, where it lies in a folder: what the errors name can be opened."""
    inside = f"{folder}/{name}"
    for root, top in tree.roots:
        if os.path.isdir(root) and (path := Path(root, top, inside)).is_file():
            return path
    return Member(tree, inside)
