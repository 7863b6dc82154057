"""The sample format, the same however a shard is read.

A sample is a dict: `key`, `epoch`, and one entry a member, named by its extension without the coding: `image`
`(3, H, W)` float32 in [0, 1], RGB; `flow` `(2, H, W)` float32, pixels; `guidance` `(N, 3)` float32 rows of y, x,
distance; `valid` and `occlusion` `(H, W)` bool; any other PNG labels, `(H, W)` int64; `json` a dict. Members of another
frame keep its prefix: `next.image`. `common_fate.shards.members` says which member is what.

A transform that draws random numbers seeds its own generator from its seed, `sample["epoch"]` and `sample["key"]`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common_fate.shards.codecs import decode
from common_fate.shards.members import entry_name, member

Sample = dict[str, Any]
Transform = Callable[[Sample], Any]


def to_sample(key: str, members: Mapping[str, bytes], epoch: int) -> Sample:
    """A sample from its encoded members, by extension.

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
        return _to_image(value)
    if geometry == "mask":
        return torch.from_numpy(value != 0)
    if geometry == "labels":
        return torch.from_numpy(value.astype(np.int64))
    return value if geometry == "facts" else torch.from_numpy(value)


def _to_image(image: NDArray[np.uint8]) -> Tensor:
    """`(H, W, 3)` uint8 to `(3, H, W)` float32 in [0, 1]."""
    planes = np.empty((3, *image.shape[:2]), np.uint8)
    # Splitting first moves single bytes: three times as fast as a strided division.
    cv2.split(image, list(planes))
    return torch.from_numpy(np.divide(planes, np.float32(255), dtype=np.float32))
