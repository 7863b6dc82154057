"""Embeddings of pictures, made once and kept within bounds."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.pictures import Picture
from trainers.page.pictures import Pictures, shrunk

if TYPE_CHECKING:
    from trainers.models.saving import Trained

MOST_BYTES = 2**29  # of all vectors in memory
LEAST_SIDE = 16  # pixels of a picture, of either side
Name = tuple[str, int]
"""A picture's id, and the longest side that the network sees."""


@dataclass(frozen=True)
class Embedded:
    """A picture's embedding.

    Args:
        vectors: `(h, w, C)`, of length 1, the first at the first pixel that the network sees.
        stride: pixels that the network sees between two vectors.
        seen: height and width in pixels that the network sees.
        size: height and width of the picture itself.
        digest: of the picture.
        seconds: that it took.
    """

    vectors: NDArray[np.float32]
    stride: int
    seen: tuple[int, int]
    size: tuple[int, int]
    digest: bytes
    seconds: float

    def cell(self, y: float, x: float) -> tuple[int, int]:
        """Returns row and column of the vector nearest to a pixel of the picture itself."""
        place = []
        for at, size, seen, cells in zip((y, x), self.size, self.seen, self.vectors.shape, strict=False):
            pixel = (at + 0.5) * seen / size - 0.5
            place.append(int(np.clip(np.floor(pixel / self.stride + 0.5), 0, cells - 1)))
        return place[0], place[1]

    def pixel(self, row: int, column: int) -> tuple[float, float]:
        """Returns the pixel of the picture itself, y and x, at which a vector lies."""
        place = [
            min(max((cell * self.stride + 0.5) * size / seen - 0.5, 0), size - 1)
            for cell, size, seen in zip((row, column), self.size, self.seen, strict=True)
        ]
        return place[0], place[1]


class Embeddings:
    """Embeds pictures; those that were asked for last are kept.

    Args:
        pictures: by id.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._kept: OrderedDict[tuple[int, Name], tuple[Trained, Embedded]] = OrderedDict()

    def of(self, trained: Trained, name: Name, look: bool = False) -> Embedded:
        """Returns a picture's embedding by a network that embeds.

        Args:
            look: whether the picture itself has changed meanwhile: a name stands for a place in a folder.

        Raises:
            UserError: the picture is gone, cannot be read, or is too small.
        """
        key = (id(trained), name)
        if key in self._kept and not look:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        picture = self._pictures.read(name[0])
        digest = sha256(picture.tobytes()).digest()
        if key not in self._kept or self._kept[key][1].digest != digest:
            # The network is kept as well: while it is, no other has its id.
            self._kept[key] = trained, _embedded(trained, picture, name[1], digest)
        self._kept.move_to_end(key)
        found = self._kept[key][1]
        while len(self._kept) > 1 and sum(one.vectors.nbytes for _, one in self._kept.values()) > MOST_BYTES:
            self._kept.popitem(last=False)
        return found

    def shown(self, name: Name) -> Picture:
        """Returns a picture as the network sees it, at most so many pixels at its longer side."""
        return shrunk(self._pictures.read(name[0]), name[1])


def _embedded(trained: Trained, picture: Picture, longest: int, digest: bytes) -> Embedded:
    from trainers.evaluations.features import unit_features
    from trainers.evaluations.start import Features

    began = time.monotonic()
    features = Features(trained.net, None).eval()
    seen = shrunk(picture, longest)
    if min(seen.shape[:2]) < LEAST_SIDE:
        sizes = [f"{one.shape[1]} x {one.shape[0]}" for one in (picture, seen)]
        raise UserError(
            f"the picture has {sizes[0]} pixels, which the network sees at {sizes[1]}: at least {LEAST_SIDE} a side"
        )
    vectors = unit_features(features, (seen / np.float32(255)).astype(np.float32))
    if not np.isfinite(vectors).all():
        raise UserError("the network gives vectors that are not finite: its weights are damaged")
    stride = features.grid()[1]
    sides = [(one.shape[0], one.shape[1]) for one in (seen, picture)]
    return Embedded(np.ascontiguousarray(vectors), stride, sides[0], sides[1], digest, time.monotonic() - began)
