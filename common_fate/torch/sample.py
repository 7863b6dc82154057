"""The sample format, the same however a shard is read.

A sample is a dict: `key`, `epoch`, and one entry a member, named by its extension without the coding: `image`
`(3, H, W)` float32 in [0, 1], RGB; `flow` `(2, H, W)` float32, pixels; `guidance` `(N, 3)` float32 rows of y, x,
distance; `valid` and `occlusion` `(H, W)` bool; any other PNG labels, `(H, W)` int64; `json` a dict. Members of another
frame keep its prefix: `next.image`. `common_fate.shards.members` says which member is what.

A transform that draws random numbers seeds its own generator from its seed, `sample["epoch"]` and `sample["key"]`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from common_fate.shards.codecs import decode
from common_fate.shards.members import entry_name, member

Sample = dict[str, Any]
Transform = Callable[[Sample], Any]


def to_sample(key: str, members: Mapping[str, bytes], epoch: int) -> Sample:
    """Returns a sample from its encoded members, by extension.

    Raises:
        ValueError: a member is damaged; the message names it.
    """
    sample: Sample = {"key": key, "epoch": epoch}
    for extension, data in members.items():
        try:
            sample[entry_name(extension)] = _presented(extension, decode(extension, data))
        # Whatever a decoder makes of damaged bytes, the reader has to learn which sample it was.
        except Exception as error:
            raise ValueError(f"its {extension} cannot be decoded ({type(error).__name__}: {error})") from error
    return sample


def _presented(extension: str, value: Any) -> Any:
    """A member's value in the trainers' geometry."""
    geometry = member(extension).geometry
    if geometry == "image":
        return torch.from_numpy(_planes_of()(value))
    if geometry == "mask":
        return torch.from_numpy(value != 0)
    if geometry == "labels":
        return torch.from_numpy(value.astype(np.int64))
    return value if geometry == "facts" else torch.from_numpy(value)


@cache
def _planes_of() -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """What turns `(H, W, 3)` uint8 into `(3, H, W)` float32 in [0, 1], found at the first one: Numba takes a while."""
    try:
        from common_fate.torch.image_kernels import planes_of
    except ImportError:  # not installed, or it does not go with this NumPy: it is faster, and nothing else
        return _divided
    return planes_of


def _divided(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    planes = np.empty((3, *image.shape[:2]), np.uint8)
    # Splitting first moves single bytes: three times as fast as a strided division.
    cv2.split(image, list(planes))
    return np.divide(planes, np.float32(255), dtype=np.float32)
