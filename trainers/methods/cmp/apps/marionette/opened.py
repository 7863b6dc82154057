"""The images that are worked on, as large as they are worked on."""

from __future__ import annotations

from collections import OrderedDict

from common_fate.pictures import Picture
from trainers.methods.cmp.apps.marionette.asked import MOST_SIDE
from trainers.page.pictures import Pictures, shrunk

MOST_KEPT = 8


class Opened:
    """Keeps the images that were used last in memory, so that an arrow that is pulled waits for no decoding."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._kept: OrderedDict[str, Picture] = OrderedDict()

    def open(self, name: str) -> tuple[Picture, tuple[int, int]]:
        """Reads an image anew; returns it as `get` does, and its own height and width.

        Raises:
            UserError: it is gone, or cannot be read.
        """
        picture = self._pictures.read(name)
        self._kept[name] = shrunk(picture, MOST_SIDE)
        self._kept.move_to_end(name)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[name], (picture.shape[0], picture.shape[1])

    def get(self, name: str) -> Picture:
        """Returns an image as it was opened, `(H, W, 3)`, its longer side at most `MOST_SIDE`.

        Raises:
            UserError: as `open`.
        """
        if name not in self._kept:
            self.open(name)
        self._kept.move_to_end(name)
        return self._kept[name]
