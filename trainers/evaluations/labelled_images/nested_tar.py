"""A tar of tars, as ImageNet comes: a tar for each class, read in place and never unpacked. No torch here."""

import io
import os
import tarfile
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError, UserError, check_machine
from common_fate.shards.limits import quoted
from pipeline.sources.archives import DAMAGED, MAX_FILE_BYTES

_BLOCK = 512  # of a tar
_MOST_MEMBERS = 2**22

Members = tuple[NDArray[np.bytes_], NDArray[np.int64], NDArray[np.int64]]
"""Names, sorted, and of each its place in the whole file and its bytes."""


class NestedTar:
    """The files of the tars in a tar, `n01440764/n01440764_10026.JPEG` of `n01440764.tar`, as a tree has them.

    Which tars there are is read at once, what is in each when it is first asked for.

    Raises:
        UserError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._tars = _tars(path, os.stat(path).st_mtime_ns)

    def folders(self, name: str = "") -> list[str]:
        """Returns the names of the tars in it, sorted, without their endings; there are none in those."""
        return [] if name else sorted(self._tars)

    def files(self, name: str) -> list[str]:
        """Returns the names of the files in one of its tars, sorted; none where it is not there.

        Raises:
            UserError: that tar is damaged, or names no plain file.
        """
        return [one.decode() for one in self._members(name)[0].tolist()] if name in self._tars else []

    def read(self, name: str) -> bytes | None:
        """Returns the bytes of a file, or None where it is not there.

        Raises:
            SampleError: it cannot be read, or is larger than any image.
        """
        folder, _, file = name.rpartition("/")
        if folder not in self._tars:
            return None
        names, places, sizes = self._members(folder)
        row = int(np.searchsorted(names, file.encode()))
        if row == len(names) or names[row] != file.encode():
            return None
        if sizes[row] > MAX_FILE_BYTES:
            raise SampleError(f"larger than {MAX_FILE_BYTES} bytes")
        try:
            with open(self.path, "rb") as whole:
                whole.seek(int(places[row]))
                return whole.read(int(sizes[row]))
        except OSError as error:
            check_machine(error, self.path)
            raise SampleError(f"cannot be read: {error.strerror}") from error

    def _members(self, folder: str) -> Members:
        place, size = self._tars[folder]
        return _listed(self.path, folder, place, size)


@lru_cache(maxsize=4)
def _tars(path: str, modified: int) -> dict[str, tuple[int, int]]:
    """Where the tars in a tar lie, and how large they are, by their names without the ending."""
    found: dict[str, tuple[int, int]] = {}
    for name, place, size in _walked(path, "", 0, os.stat(path).st_size):
        if name.endswith(".tar"):
            found[name.removesuffix(".tar")] = place, size
    return found


@lru_cache(maxsize=2**12)
def _listed(path: str, folder: str, start: int, size: int) -> Members:
    found = sorted((name.encode(), place, bytes) for name, place, bytes in _walked(path, folder, start, size))
    names, places, sizes = zip(*found, strict=True) if found else ((), (), ())
    return np.array(names, np.bytes_), np.array(places, np.int64), np.array(sizes, np.int64)


def _walked(path: str, folder: str, start: int, size: int) -> Iterator[tuple[str, int, int]]:
    """The members of a tar that lies within a file: names, places in the file, and bytes."""
    what = f"{path}: {folder}.tar in it" if folder else path
    try:
        with open(path, "rb") as whole, tarfile.open(fileobj=_Part(whole, start, size), mode="r:") as archive:
            for count, info in enumerate(archive):
                archive.members = []  # type: ignore[attr-defined]  # which it would keep for good
                if count == _MOST_MEMBERS:
                    raise UserError(f"{what}: more than {_MOST_MEMBERS} members: unpack it")
                if not info.isreg() or info.issparse():
                    continue
                if info.offset_data + info.size > size:
                    raise EOFError(f"{quoted(info.name)} ends after it")
                name = info.name.removeprefix("./")
                if "/" in name or "\\" in name or not name.isprintable() or name in ("", ".", ".."):
                    raise UserError(f"{what}: holds {quoted(name)}, which is no plain name: not an archive to trust")
                yield name, start + info.offset_data, info.size
            whole.seek(start + archive.offset)
            if whole.read(_BLOCK) != bytes(_BLOCK):  # the library takes a damaged header for the end
                raise EOFError(f"no member and no end at byte {archive.offset}")
    except (*DAMAGED, tarfile.TarError, ValueError, OverflowError) as error:
        raise UserError(f"{what}: cut short, damaged, or no tar ({error}): fetch it again") from error
    except OSError as error:
        raise UserError(f"{what}: cannot be read: {error.strerror}") from error


class _Part(io.RawIOBase):
    """A part of an open file as a file of its own."""

    def __init__(self, whole: io.BufferedReader, start: int, size: int) -> None:
        self._whole, self._start, self._size, self._place = whole, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        self._place = place + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def read(self, count: int = -1) -> bytes:
        left = max(self._size - self._place, 0)
        self._whole.seek(self._start + self._place)
        data = self._whole.read(left if count < 0 else min(count, left))
        self._place += len(data)
        return data
