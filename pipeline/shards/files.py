"""Atomic files: what stands under a final name is always whole."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import UserError


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Writes to a temporary name in the same folder, syncs, and moves it over `path` when the block ends well.

    Temporary files that a killed run left for this very path are removed first: a path has one writer at a time.

    Raises:
        UserError: the disk is full, the folder read-only or not a folder; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f".{path.name}.*.tmp"):
            stale.unlink(missing_ok=True)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {advice(error)}") from error


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a small file whole or not at all."""
    with atomic(path) as file:
        file.write(data)


def advice(error: OSError) -> str:
    """What kept a file from being written, and what to do about it."""
    known = {
        errno.ENOSPC: "the disk is full: free some space and run again",
        errno.EDQUOT: "your disk quota is used up: free some space and run again",
        errno.EFBIG: "the file is larger than this system allows (see `ulimit -f`)",
        errno.EROFS: "the file system is read-only: choose another folder or remount it",
        errno.EACCES: "no permission to write there: choose another folder or change its mode",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
    }
    return known.get(error.errno or 0, str(error))
