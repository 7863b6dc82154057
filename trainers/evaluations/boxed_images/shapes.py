"""Masks of single objects as annotations have them, polygons or runs of pixels, and as pixels. No torch here."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

MAX_SIDE = 2**15  # pixels, of an image that runs are said to be of


@dataclass(frozen=True)
class Runs:
    """A mask as the lengths of its runs, of 0 and 1 in turn, column by column; `size` is height and width."""

    size: tuple[int, int]
    counts: NDArray[np.int64]


Polygons = tuple[NDArray[np.float32], ...]
"""Each `(P, 2)`: corners x, y, in pixels, or in shares of the image's sides."""

Shape = Polygons | Runs


def parse_shape(value: Any) -> Shape:
    """Parses `segmentation` of an annotation of COCO: a list of polygons, or runs, packed or not.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        if not (isinstance(size, list) and len(size) == 2 and all(type(s) is int and 0 < s < MAX_SIDE for s in size)):
            raise ValueError("its runs have no size, height and width")
        lengths = unpacked(counts) if isinstance(counts, str) else counts
        if not isinstance(lengths, list) or not all(type(one) is int and one >= 0 for one in lengths):
            raise ValueError("its runs are not whole numbers")
        if sum(lengths) != size[0] * size[1]:
            raise ValueError("its runs do not fill the image")
        return Runs((size[0], size[1]), np.array(lengths, np.int64))
    if not isinstance(value, list) or not value:
        raise ValueError("it has no polygon and no runs")
    return tuple(map(_polygon, value))


def _polygon(corners: Any) -> NDArray[np.float32]:
    if not isinstance(corners, list) or len(corners) < 6 or len(corners) % 2:
        raise ValueError("a polygon has fewer than three corners, or one without y")
    if not all(type(one) in (int, float) for one in corners):
        raise ValueError("a polygon has a corner that is no number")
    return np.array(corners, np.float32).reshape(-1, 2)


def unpacked(text: str) -> list[int]:
    """Returns the lengths of runs from COCO's packed form: 5 bits a character, each from the fourth on less the one two
    before it.

    Raises:
        ValueError: it is cut short, or has characters that are none of that form.
    """
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            code = ord(text[place]) - 48 if place < len(text) else -1
            if not 0 <= code < 64 or shift > 30:
                raise ValueError("its packed runs are damaged")
            value |= (code & 31) << shift
            more, shift, place = bool(code & 32), shift + 5, place + 1
            if not more and code & 16:
                value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def drawn(shape: Shape, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns the pixels of a shape on an image of `size`, `(H, W)`: polygons as COCO fills them.

    Corners beyond the image are moved to its border, so that no size in a file decides how much memory this takes.

    Raises:
        ValueError: runs are of an image of another size.
    """
    height, width = size
    if isinstance(shape, Runs):
        if shape.size != size:
            raise ValueError(f"runs of an image of {shape.size[1]}x{shape.size[0]}, and it is {width}x{height}")
        ones = np.arange(len(shape.counts)) % 2 == 1
        return np.repeat(ones, shape.counts).reshape(width, height).T
    within = [np.clip(polygon, 0, (width, height)).astype(np.float64).ravel().tolist() for polygon in shape]
    return np.asarray(coco.decode(coco.merge(coco.frPyObjects(within, height, width))), bool)


def in_pixels(shape: Shape, size: tuple[int, int]) -> Shape:
    """Converts polygons in shares of the sides of an image of `size`, `(H, W)`, to its pixels; runs are in pixels."""
    if isinstance(shape, Runs):
        return shape
    scaled: Polygons = tuple(polygon * np.array(size[::-1], np.float32) for polygon in shape)
    return scaled


def packed(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Returns a mask `(H, W)` as pycocotools' packed runs."""
    runs: dict[str, Any] = coco.encode(np.asfortranarray(mask, np.uint8))
    return runs
