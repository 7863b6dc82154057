"""Masks at the size that is worked at and at the image's own, and run lengths that come from outside."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.pictures import Picture
from trainers.page.pictures import shrunk

Mask = NDArray[np.bool_]
LONGEST = 1024
"""Of an image's sides where it is worked at, pixels."""
_MOST_DIGITS = 6  # of a run length: 30 bits, more than any image that is read has pixels


def work_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns the height and width at which an image of `size` is worked at."""
    factor = min(1.0, LONGEST / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def reduced(picture: Picture) -> Picture:
    """Returns a picture at the size that is worked at."""
    return shrunk(picture, LONGEST)


def enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    """Returns a mask at another size `(H, W)`, its edges smooth."""
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) > 0.5)


def decode(coded: Any, size: tuple[int, int], name: str) -> Mask:
    """Returns the mask `(H, W)` of COCO's compressed run lengths, which may say anything: pycocotools trusts them.

    Raises:
        UserError: they are none, or not of a mask of this size.
    """
    wrong = UserError(f"{name} is no mask of {size[1]}x{size[0]} pixels in COCO's run lengths")
    if not isinstance(coded, dict) or coded.get("size") != list(size) or not isinstance(coded.get("counts"), str):
        raise wrong
    runs = _runs(coded["counts"])
    if runs is None or (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise wrong
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(size[::-1]).T


def _runs(text: str) -> NDArray[np.int64] | None:
    """The lengths of runs, zeros first: five bits a character from the lowest, the sixth says that more follow.

    From the fourth on each is told by how much it differs from the one before the last.
    """
    digits = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64) - 48
    if not len(digits) or digits.min() < 0 or digits.max() > 63 or digits[-1] & 32:
        return None
    last = digits & 32 == 0
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    lengths = np.diff([*starts, len(digits)])
    if lengths.max() > _MOST_DIGITS:
        return None
    places = np.arange(len(digits)) - np.repeat(starts, lengths)
    told = np.add.reduceat((digits & 31) << (5 * places), starts)
    told -= np.where(digits[last] & 16, np.int64(1) << (5 * lengths), 0)
    told[1::2] = np.cumsum(told[1::2])
    told[2::2] = np.cumsum(told[2::2])
    return told
