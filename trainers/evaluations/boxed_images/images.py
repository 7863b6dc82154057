"""Images and what is drawn on them, as readers of all kinds of data give them. Nothing here imports torch."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.holdout import in_share
from common_fate.errors import SampleError
from pipeline.sources.archives import Tree
from pipeline.sources.reading import read_image
from trainers.evaluations.boxed_images.options import BoxedData
from trainers.evaluations.boxed_images.shapes import Shape
from trainers.planning import check_held_out


@dataclass(frozen=True)
class Boxed:
    """An image and the N objects on it, as its annotations have them.

    Args:
        key: its name, which no other image of its side has.
        image: the name of its file in the tree.
        boxes: `(N, 4)`, x0, y0, x1, y1: edges in pixels, or in shares of its sides where it is `relative`.
        labels: `(N,)`, of classes from 0.
        crowd: `(N,)` bool: several objects in one box, which nothing found there is held against.
        difficult: `(N,)` bool: an object that is not counted.
        shapes: N masks; none where the data have boxes alone.
        size: the image's height and width, as the annotations say; None: they do not.
        relative: boxes and polygons are in shares of the image's sides.
    """

    key: str
    image: str
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    shapes: tuple[Shape, ...] = ()
    size: tuple[int, int] | None = None
    relative: bool = False

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which of its objects are single ones that count."""
        return ~(self.crowd | self.difficult)


def boxed(
    key: str,
    image: str,
    boxes: Sequence[Sequence[float]],
    labels: Sequence[int],
    crowd: Sequence[bool] = (),
    difficult: Sequence[bool] = (),
    **more: Any,
) -> Boxed:
    """Makes the record of an image from lists; where none of its objects is a crowd, or difficult, without these."""
    none = [False] * len(labels)
    return Boxed(
        *(key, image, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64)),
        *(np.array(crowd or none, np.bool_), np.array(difficult or none, np.bool_)),
        **more,
    )


@dataclass(frozen=True)
class Images:
    """A data set: the files, the images to train on and those that validate, and the names of the classes."""

    tree: Tree
    train: Sequence[Boxed]
    validation: Sequence[Boxed]
    classes: tuple[str, ...]


def size_of(tree: Tree, one: Boxed) -> tuple[int, int] | str:
    """Returns the height and width of an image, decoded; or why it cannot be used."""
    try:
        height, width = decoded(tree, one).shape[:2]
    except SampleError as error:
        return str(error)
    if one.size is not None and one.size != (height, width):
        return f"it is {width}x{height}, and its annotations are of {one.size[1]}x{one.size[0]}"
    return height, width


def decoded(tree: Tree, one: Boxed) -> NDArray[np.uint8]:
    """Reads an image, `(H, W, 3)` RGB. Raises `SampleError` where it is missing or damaged."""
    data = tree.read(one.image)
    if data is None:
        raise SampleError("there is no such file")
    return read_image(io.BytesIO(data))


def held_out(listed: Sequence[Boxed], data: BoxedData) -> tuple[list[Boxed], list[Boxed]]:
    """Returns images without the share that validates, and that share. Raises `UserError` where either is empty."""
    keys = [one.key for one in listed]
    check_held_out(keys, data.hold_out, "data.hold_out", "images", "add images")
    apart = {key for key in keys if in_share(data.hold_out, key)}
    return [one for one in listed if one.key not in apart], [one for one in listed if one.key in apart]
