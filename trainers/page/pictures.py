"""The images that are worked on: those of a folder that was given, and those that were sent from the page.

A picture is known by an id: `folder/NUMBER` with its place in the sorted folder, or `sent/SHA` with its bytes' digest.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np

from common_fate.errors import SampleError, UserError
from common_fate.pictures import Picture
from pipeline.sources.reading import is_image, read_image
from trainers.page.links import stays_inside

MOST_BYTES = 2**25
"""Of a picture that is sent."""
MOST_SENT = 32
"""Pictures that were sent and are kept; the oldest go."""
SMALL = 320
"""Pixels of the longer side of a picture to choose by: twice of what it is shown at, for screens of fine pixels."""


def shrunk(picture: Picture, longest: int) -> Picture:
    """Returns a picture `(H, W, 3)` whose longer side is at most `longest` pixels, averaged down; or itself."""
    factor = longest / max(picture.shape[:2])
    if factor >= 1:
        return picture
    height, width = (max(1, round(factor * side)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def unreadable(name: str, error: Exception) -> UserError:
    """Returns what is said of a picture that cannot be read."""
    return UserError(f"{name} cannot be read: {str(error).removeprefix('cannot be read: ')}")


class Pictures:
    """Reads pictures by id.

    Args:
        folder: of images, flat; None: none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._sent: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def files(self) -> list[Path]:
        """Returns the images of the folder in the order of their names; links that lead out of it are left out.

        Raises:
            UserError: the folder is gone, or cannot be listed.
        """
        if self.folder is None:
            return []
        root = self.folder.resolve()
        try:
            names = sorted(path for path in self.folder.iterdir() if is_image(path.name))
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be listed: {error.strerror}") from error
        return [path for path in names if path.is_file() and stays_inside(path, root)]

    def add(self, data: bytes) -> str:
        """Keeps a picture that was sent; returns its id.

        Raises:
            UserError: it is no picture that is read, or too large.
        """
        if len(data) > MOST_BYTES:
            raise UserError(f"the picture has {len(data):,} bytes: at most {MOST_BYTES:,}")
        try:
            read_image(io.BytesIO(data))
        except SampleError as error:
            raise unreadable("the picture", error) from error
        name = f"sent/{hashlib.sha256(data).hexdigest()[:24]}"
        with self._lock:
            self._sent[name] = data
            self._sent.move_to_end(name)
            while len(self._sent) > MOST_SENT:
                self._sent.popitem(last=False)
        return name

    def small(self, name: str) -> Picture:
        """Returns a picture by id to choose it by, `(h, w, 3)`.

        Raises:
            UserError: as `read`.
        """
        return shrunk(self.read(name), SMALL)

    def read(self, name: str) -> Picture:
        """Returns a picture by id, `(H, W, 3)`.

        Raises:
            UserError: it is gone, or cannot be read.
        """
        kind, _, rest = name.partition("/")
        if kind == "folder" and rest.isdecimal() and len(rest) < 10 and int(rest) < len(files := self.files()):
            path = files[int(rest)]
            try:
                return read_image(str(path))
            except SampleError as error:
                raise unreadable(path.name, error) from error
        with self._lock:
            data = self._sent.get(name)
        if data is None:
            raise UserError(f"the picture {name} is not there (any more): choose it again")
        return read_image(io.BytesIO(data))
