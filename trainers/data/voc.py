"""PASCAL VOC's layout: where its files lie, its classes, and its lists of images. Nothing here imports torch.

Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError, UserError
from common_fate.shards.limits import quoted
from pipeline.sources.archives import Tree
from pipeline.sources.listing import text_of
from pipeline.sources.trees import tree_of

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""As its lists and annotations spell them."""
DIFFICULT = -1
"""In place of a label: whether the class is there is hard to say, and does not count."""
_LABELS = {"1": 1, "0": DIFFICULT, "-1": 0}
_YEARS = tuple(f"VOC{year}" for year in range(2007, 2013))


def voc_tree(path: str | list[str], where: str) -> Tree:
    """Returns a year of VOC as one tree: the folder VOC2007, one around it, or the tars.

    Raises:
        UserError: a path has no lists.
    """
    tops = ("", *_YEARS, *(f"VOCdevkit/{year}" for year in _YEARS))
    return tree_of(path, where, "PASCAL VOC", tops, ["ImageSets/Main"])


def listed_labels(tree: Tree, name: str, where: str) -> tuple[list[str], NDArray[np.int8]]:
    """Returns the images of a set, sorted, and their labels, `(N, 20)`: 1, 0, or `DIFFICULT`.

    Args:
        name: of the set, such as `trainval`; each class has a list of its own, `ImageSets/Main/CLASS_trainval.txt`.

    Raises:
        UserError: a list is missing or damaged, or lists other images than that of another class.
    """
    columns = [_labels(tree, f"ImageSets/Main/{one}_{name}.txt", where) for one in CLASSES]
    images = sorted(columns[0])
    for one, column in zip(CLASSES, columns, strict=True):
        if sorted(column) != images:
            raise UserError(
                f"{where}: {one}_{name}.txt lists other images than {CLASSES[0]}_{name}.txt: unpack both again"
            )
    if not images:
        raise UserError(f"{where}: ImageSets/Main/{CLASSES[0]}_{name}.txt lists no image")
    return images, np.array([[column[image] for column in columns] for image in images], np.int8)


def image_files(tree: Tree, images: Sequence[str], where: str) -> list[str]:
    """Returns the names of the files of images by their ids, within the tree.

    Raises:
        UserError: one is not there. So no id in a list ever becomes a path.
    """
    there = set(tree.files("JPEGImages"))
    missing = [image for image in images if f"{image}.jpg" not in there]
    if missing:
        more = f", and {len(missing) - 1} more are not" if missing[1:] else ""
        raise UserError(f"{where}: {quoted(missing[0])} is listed and not in JPEGImages{more}: is the data set whole?")
    return [f"JPEGImages/{image}.jpg" for image in images]


def _labels(tree: Tree, name: str, where: str) -> dict[str, int]:
    try:
        data = tree.read(name)
        if data is None:
            raise UserError(f"{where}: there is no {name}: is this the set, and the data set whole?")
        lines = [line.split() for line in text_of(data).splitlines() if line.strip()]
    except (SampleError, ValueError) as error:
        raise UserError(f"{where}: {name} cannot be read: {error}") from error
    labels: dict[str, int] = {}
    for words in lines:
        if len(words) != 2 or words[1] not in _LABELS:
            raise UserError(f"{where}: {name}: {quoted(' '.join(words))} is no image and -1, 0 or 1: fetch it again")
        if words[0] in labels:
            raise UserError(f"{where}: {name} lists {quoted(words[0])} twice: fetch it again")
        labels[words[0]] = _LABELS[words[1]]
    return labels
