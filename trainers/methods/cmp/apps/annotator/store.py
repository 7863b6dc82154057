"""The images of a folder, and what was drawn on them: a JSON file an image, written whole at every change."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from common_fate.errors import SampleError, UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.pictures import Picture
from common_fate.shards.files import write_atomic
from pipeline.sources.reading import read_image
from trainers.methods.cmp.apps.annotator.document import Document, document_json, document_of
from trainers.methods.cmp.apps.annotator.masks import Mask, reduced
from trainers.page.links import stays_inside
from trainers.page.pictures import Pictures, unreadable

MOST_OPENED = 4
MOST_DOCUMENT = 2**26
"""Bytes of a file."""
MOST_VALUES = 2**18
"""Of a file, several times what all objects with all their points have."""
MOST_IMAGE = 2**29
"""Bytes of an image: 16 bits of each colour of the largest that is decoded."""
_LONGEST_NAME = 180  # bytes, so that temporary names beside it fit what file systems take


class StaleError(UserError):
    """What is saved was changed by somebody else since it was read."""


@dataclass(frozen=True)
class Opened:
    """An image that is worked on.

    Args:
        data: its file's bytes; `sha256` is theirs.
        size: its height and width.
        picture: at the size that is worked at, `(h, w, 3)`.
    """

    name: str
    data: bytes
    sha256: str
    size: tuple[int, int]
    picture: Picture


class Store:
    """Reads images, and reads and writes their annotations.

    Args:
        pictures: the images.
        folder: of the annotations, one file an image, named by it.
        root: what no link may lead out of; by default that folder.
    """

    def __init__(self, pictures: Pictures, folder: Path, root: Path | None = None) -> None:
        self.folder, self._root = folder, root or folder
        self._pictures = pictures
        self._opened: OrderedDict[tuple[Path, int, int], Opened] = OrderedDict()
        self._lock = threading.Lock()

    def images(self) -> dict[str, Path]:
        """Returns the images by name, in order, without hidden ones and those whose names are not UTF-8."""
        found = {path.name: path for path in self._pictures.files() if not path.name.startswith(".")}
        return {name: path for name, path in found.items() if name.isascii() or _is_utf8(name)}

    def open(self, name: str) -> Opened:
        """Returns an image by name; those of late are kept.

        Raises:
            UserError: it is not in the folder, or cannot be read.
        """
        path = self.images().get(name)
        if path is None:
            raise UserError(f"there is no image {name} in the folder (any more)")
        try:
            state = path.stat()
            key = (path, state.st_mtime_ns, state.st_size)
            with self._lock:
                found = self._opened.pop(key, None) or _read(path)
                self._opened[key] = found
                while len(self._opened) > MOST_OPENED:
                    self._opened.popitem(last=False)
        except (OSError, SampleError) as error:
            raise unreadable(name, error) from error
        return found

    def read(self, name: str) -> Document | None:
        """Returns the annotation of an image, which may be of another image that had this name.

        Args:
            name: one of `images`, and no other.

        Raises:
            UserError: its file is damaged.
        """
        path = self._path(name)
        try:
            return document_of(parse_json(read_file(self.inside(path), MOST_DOCUMENT), MOST_VALUES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, UserError) as error:
            raise UserError(f"{path}: {error}: correct it, or move it away to start anew") from error

    def save(self, document: Document, started_anew: bool = False) -> Document:
        """Writes an annotation that follows the revision it names; returns it with its own.

        Args:
            document: of an image that was opened.
            started_anew: that of another image of this name is kept under a name of its own.

        Raises:
            StaleError: somebody else saved meanwhile.
            UserError: it is of another image than what is saved, or cannot be written.
        """
        stored = self.read(document.image)
        if stored and stored.sha256 != document.sha256:
            if not started_anew:
                raise UserError(another_image(document.image))
            path = self._path(document.image)
            try:
                path.replace(path.with_name(f"{path.stem}.{stored.sha256[:12]}.json"))
            except OSError as error:
                raise UserError(f"{path}: cannot be moved away: {error.strerror}") from error
            stored = None
        revision = stored.revision if stored else 0
        # A page whose answer got lost may send the same again.
        if stored and revision != document.revision and stored.tab != document.tab:
            raise StaleError(f"{document.image} was changed elsewhere: reload to see it; nothing of this was saved")
        saved = replace(document, revision=revision + 1)
        self._write(saved)
        return saved

    def complete(self, document: Document, bases: Mapping[int, Mask]) -> None:
        """Writes the masks of clicks into an annotation that was saved without, where nobody saved since.

        Args:
            bases: by the place of their objects.
        """
        stored = self.read(document.image)
        if stored and (stored.revision, stored.sha256) == (document.revision, document.sha256):
            objects = [replace(one, base=bases.get(place, one.base)) for place, one in enumerate(document.objects)]
            self._write(replace(document, objects=tuple(objects)))

    def _write(self, document: Document) -> None:
        write_atomic(self.inside(self._path(document.image)), json.dumps(document_json(document)).encode())

    def inside(self, path: Path) -> Path:
        """Returns a path under the folder, whether it is there or not.

        Raises:
            UserError: a link leads out of the folder, or out of the results where it is one of them.
        """
        if not stays_inside(path, self._root.resolve()):
            raise UserError(f"{path}: is a link that leads out of {self._root}")
        return path

    def _path(self, name: str) -> Path:
        """Of an image that `images` lists, so that its name is a file's and no path."""
        coded = name.encode()
        if len(coded) > _LONGEST_NAME:
            name = f"{coded[: _LONGEST_NAME - 20].decode(errors='ignore')}.{hashlib.sha256(coded).hexdigest()[:16]}"
        return self.folder / f"{name}.json"


def another_image(name: str) -> str:
    """Says that an annotation is of another image of its name."""
    return f"what is saved for {name} was drawn on another image that had this name"


def _read(path: Path) -> Opened:
    try:
        data = read_file(path, MOST_IMAGE)
    except ValueError as error:
        raise SampleError(str(error)) from error
    whole = read_image(io.BytesIO(data))
    size = whole.shape[0], whole.shape[1]
    return Opened(path.name, data, hashlib.sha256(data).hexdigest(), size, reduced(whole))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
