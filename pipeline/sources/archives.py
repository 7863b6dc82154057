"""Files by name in folders, zips and tars: read one by one, bounded, and never unpacked.

What an archive calls its members is looked up, and never used as a path.
"""

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from common_fate.errors import SampleError, UserError, check_machine
from common_fate.shards.limits import quoted

MAX_FILE_BYTES = 2**28
_MOST_MEMBERS = 2**23
# A frame is compressed already. Whoever wants more memory from the reader has to send a larger file.
_SPARE_BYTES, _UNPACKED_A_BYTE = 2**20, 100
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1  # of a member's flags
_BLOCK = 512  # of a tar
# What the library raises where an archive is not what it should be; RuntimeError: of a kind that it does not know.
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError)

Root = tuple[str, str]
"""A folder or an archive, and the folder in it that all names start from."""


Size = tuple[int, int]
"""A file's bytes and time stamp, which is its archive's where it lies in one."""


@dataclass(frozen=True)
class Tree:
    """Several roots as one: what an archive was split into lies together again. Of two files of one name, the first
    root's counts. Names are relative, with `/`; the folder that all start from is the empty name.
    """

    roots: tuple[Root, ...]

    def folders(self, name: str) -> list[str]:
        """Returns the names of the folders in a folder, sorted; none where it is not there."""
        return sorted({found for path, inside in self.roots for found in _opened(path).folders(_join(inside, name))})

    def files(self, name: str) -> list[str]:
        """Returns the names of the files in a folder, sorted, without hidden ones; none where it is not there."""
        return sorted({found for path, inside in self.roots for found in _opened(path).files(_join(inside, name))})

    def state(self, name: str) -> Size:
        """Returns a file's size and time stamp; of one that is not there, `(0, 0)`."""
        found = (_opened(path).state(_join(inside, name)) for path, inside in self.roots)
        return next((state for state in found if state is not None), (0, 0))

    def has(self, name: str) -> bool:
        """Returns whether there is such a file."""
        return any(_opened(path).state(_join(inside, name)) is not None for path, inside in self.roots)

    def read(self, name: str) -> bytes | None:
        """Returns the bytes of a file, or None where it is not there.

        Raises:
            SampleError: it cannot be read, or is larger than any frame. The message names no path.
        """
        try:
            with self.open(name) as file:
                data = None if file is None else file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise SampleError(f"cannot be read: {error.strerror}") from error
        except DAMAGED as error:
            raise SampleError("damaged in its archive") from error
        if data is not None and len(data) > MAX_FILE_BYTES:
            raise SampleError(f"larger than {MAX_FILE_BYTES} bytes")
        return data

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO | None]:
        """Opens a file to read as a stream, of any size, or returns None where it is not there.

        Raises:
            OSError: it cannot be read.
            SampleError: it is packed in a way that is not read, or claims far more bytes than it has.
        """
        for path, inside in self.roots:
            place, full = _opened(path), _join(inside, name)
            if place.state(full) is not None:
                with place.open(full) as file:
                    yield file
                return
        yield None


def has_folder(path: str, name: str) -> bool:
    """Returns whether a folder or an archive has a folder of that name with anything in it.

    Raises:
        OSError: it cannot be read.
        UserError: it is no folder and no archive that is read without unpacking, or one not to be trusted.
    """
    place = _opened(path)
    return bool(place.folders(name) or place.files(name))


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


class _Folder:
    def __init__(self, path: str) -> None:
        self._path = path

    def folders(self, name: str) -> list[str]:
        return _scanned(self._at(name))[0]

    def files(self, name: str) -> list[str]:
        return _scanned(self._at(name))[1]

    def state(self, name: str) -> Size | None:
        try:
            status = os.stat(self._at(name))
        except OSError as error:
            check_machine(error, self._at(name))
            return None
        return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

    def open(self, name: str) -> BinaryIO:
        return open(self._at(name), "rb")

    def _at(self, name: str) -> str:
        return os.path.join(self._path, name)


def _scanned(folder: str) -> tuple[list[str], list[str]]:
    """The folders and the files in a folder, none where it is not there. Raises OSError where it cannot be read."""
    try:
        return _scanned_once(folder, os.stat(folder).st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return [], []


@lru_cache(maxsize=4)
def _scanned_once(folder: str, modified: int) -> tuple[list[str], list[str]]:
    """Kept, since the scenes of KITTI lie in one folder, and each asks for its own frames."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                entry.name.encode()
            except UnicodeEncodeError:
                raise UserError(f"the name of {entry.path!r} is not UTF-8; rename it") from None
            (folders if entry.is_dir() else files).append(entry.name)
    return folders, files


@dataclass(frozen=True)
class _Part:
    """The bytes of a member of a tar."""

    offset: int
    size: int


_Named = tuple[str, zipfile.ZipInfo | _Part]
"""A member's name, and what it takes to read it."""


class _Archive:
    """The members of a zip or a tar by folder, listed once.

    Raises:
        UserError: a member's name leads out of it, or two have the same name.
    """

    def __init__(self, path: str, modified: int, members: Iterator[_Named]) -> None:
        self._path, self._modified = path, modified
        self._files: dict[str, dict[str, zipfile.ZipInfo | _Part]] = {}
        self._folders: dict[str, set[str]] = {}
        self._zip: tuple[int, zipfile.ZipFile] | None = None
        for count, (name, member) in enumerate(members, 1):
            if count > _MOST_MEMBERS:
                raise UserError(f"{path}: more than {_MOST_MEMBERS} members: unpack it")
            folder, _, file = self._checked(name).rpartition("/")
            if folder not in self._files:
                self._add_folder(folder)
            if self._files[folder].setdefault(file, member) is not member:
                raise UserError(f"{path}: holds {quoted(name)} twice: fetch it again, or unpack it")

    def _checked(self, name: str) -> str:
        name = name.removeprefix("./")
        if "\\" in name or not name.isprintable() or not all(name.split("/")) or {".", ".."} & set(name.split("/")):
            raise UserError(f"{self._path}: holds {quoted(name)}, which is no plain name: not an archive to trust")
        return name

    def _add_folder(self, folder: str) -> None:
        self._files[folder] = {}
        while folder:
            parent, _, name = folder.rpartition("/")
            self._folders.setdefault(parent, set()).add(name)
            folder = parent

    def folders(self, name: str) -> list[str]:
        return list(self._folders.get(name, ()))

    def files(self, name: str) -> list[str]:
        return [file for file in self._files.get(name, ()) if not file.startswith(".")]

    def state(self, name: str) -> Size | None:
        member = self._member(name)
        if member is None:
            return None
        return member.size if isinstance(member, _Part) else member.file_size, self._modified

    def open(self, name: str) -> BinaryIO:
        member = self._member(name)
        if member is None:
            raise SampleError("not in its archive")
        if isinstance(member, _Part):
            with open(self._path, "rb") as file:
                file.seek(member.offset)
                return io.BytesIO(file.read(min(member.size, MAX_FILE_BYTES + 1)))
        if member.compress_type not in _METHODS:
            raise SampleError(f"packed by method {member.compress_type} of zip; only plain and deflated are read")
        if member.file_size > _SPARE_BYTES + _UNPACKED_A_BYTE * member.compress_size:
            raise SampleError("claims to unpack to far more bytes than a frame has")
        # A process that was forked shares the place in the file of the one before it, and opens the archive itself.
        if self._zip is None or self._zip[0] != os.getpid():
            self._zip = os.getpid(), zipfile.ZipFile(self._path)
        return self._zip[1].open(member)  # type: ignore[return-value]

    def _member(self, name: str) -> zipfile.ZipInfo | _Part | None:
        folder, _, file = name.rpartition("/")
        return self._files.get(folder, {}).get(file)


def _opened(path: str) -> _Folder | _Archive:
    """Raises OSError where it is not there, and UserError as `has_folder`."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        return _Folder(path)
    return _archive(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _archive(path: str, size: int, modified: int) -> _Archive:
    ending = os.path.splitext(path)[1].lower()
    listing: Callable[[str, int], Iterator[_Named]] | None = {".zip": _zip_members, ".tar": _tar_members}.get(ending)
    if listing is None or not stat.S_ISREG(os.stat(path).st_mode):
        raise UserError(f"{path}: no folder, .zip or plain .tar: unpack it, and name the folder")
    try:
        return _Archive(path, modified, listing(path, size))
    except (*DAMAGED, tarfile.TarError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: cut short, damaged, or no {ending} ({error}): fetch it again") from error


def _zip_members(path: str, size: int) -> Iterator[_Named]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.flag_bits & _ENCRYPTED:
                raise UserError(f"{path}: {quoted(info.filename)} is encrypted: unpack it")
            if not info.is_dir():
                yield info.filename, info


def _tar_members(path: str, size: int) -> Iterator[_Named]:
    with open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # which it would keep for good
            if info.isreg() and not info.issparse():
                if info.offset_data + info.size > size:
                    raise EOFError(f"{info.name} ends after it")
                yield info.name, _Part(info.offset_data, info.size)
        file.seek(archive.offset)
        if file.read(_BLOCK) != bytes(_BLOCK):  # the library takes a damaged header for the end
            raise EOFError(f"no member and no end at byte {archive.offset}")
