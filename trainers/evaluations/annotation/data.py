"""The objects on an image: their pixels, and those that count. Nothing here imports torch."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from common_fate.errors import SampleError, UserError
from common_fate.pictures import Picture
from pipeline.sources.archives import Tree
from pipeline.sources.reading import VOID, check_beside, read_image, read_labels
from trainers.evaluations.annotation.clicks import Mask
from trainers.evaluations.annotation.options import AnnotationData
from trainers.evaluations.boxed_images.images import Boxed
from trainers.evaluations.boxed_images.shapes import drawn, in_pixels


@dataclass(frozen=True)
class Labelled:
    """An image and its mask, by their names in the tree."""

    key: str
    image: str
    mask: str


Annotated = Labelled | Boxed


@dataclass(frozen=True)
class Objects:
    """What is on an image.

    Args:
        picture: `(H, W, 3)`.
        masks: of each object, `(H, W)`.
        known: the pixels that count, `(H, W)`.
    """

    picture: Picture
    masks: Sequence[Mask]
    known: Mask


def large(objects: Objects, smallest: float) -> list[int]:
    """Returns the places of the objects that have known pixels, a share of their image of `smallest` or more."""
    shares = [np.mean(mask & objects.known) for mask in objects.masks]
    return [place for place, share in enumerate(shares) if share > 0 and share >= smallest]


def read(tree: Tree, one: Annotated, data: AnnotationData) -> Objects:
    """Reads an image and the objects on it.

    Raises:
        UserError: a file is missing or damaged, or does not lie as the image does.
    """
    try:
        picture = read_image(_file(tree, one.image))
        if isinstance(one, Boxed):
            return _drawn(picture, one)
        labels = read_labels(_file(tree, one.mask), recognised=True)
        check_beside(_file(tree, one.image), labels.shape, f"the mask {one.mask}")
    except (SampleError, ValueError) as error:
        raise UserError(f"data: {one.image}: {error}") from error
    masks = [np.asarray(labels == label) for label in np.unique(labels) if label not in (0, VOID)]
    if data.objects == "piece":
        masks = [piece for mask in masks for piece in pieces(mask)]
    return Objects(picture, masks, labels != VOID)


def pieces(mask: Mask) -> list[Mask]:
    """Returns the connected pieces of a mask `(H, W)`, whose pixels touch at sides or corners."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return [np.asarray(labels == label) for label in range(1, count)]


def _drawn(picture: Picture, one: Boxed) -> Objects:
    """Of a crowd no mask is of one object, so that it is left out."""
    height, width = size = (picture.shape[0], picture.shape[1])
    if one.size is not None and one.size != size:
        raise ValueError(f"it is {width}x{height}, and its annotations are of {one.size[1]}x{one.size[0]}")
    shapes = [shape for shape, counts in zip(one.shapes, one.counted, strict=True) if counts]
    masks = [drawn(in_pixels(shape, size) if one.relative else shape, size) for shape in shapes]
    return Objects(picture, masks, np.ones(size, np.bool_))


def _file(tree: Tree, name: str) -> io.BytesIO:
    data = tree.read(name)
    if data is None:
        raise SampleError("there is no such file")
    return io.BytesIO(data)
