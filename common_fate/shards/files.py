"""Atomic files: what stands under a final name is always whole."""

import errno
import fcntl
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from common_fate.errors import ShardError, UserError


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Writes to a temporary name in the same folder, syncs, and moves it over `path` when the block ends well.

    A path has one writer at a time: another waits until this one is done. So temporary files of this very path are of
    killed runs, and are removed first.

    Raises:
        UserError: the disk is full, the folder read-only or not a folder; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        make_folder(path.parent)
        with held(path) as was_held:
            if was_held:
                _remove_stale(path)
            try:
                with temporary.open("xb") as file:
                    yield file
                    sync(file)
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(path.parent)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {advice(error)}") from error


def tidy(path: Path) -> None:
    """Deletes what a run that was killed left of a path whose file stands as it should, so that nobody writes it."""
    if lock_of(path).exists():
        with held(path):
            _remove_stale(path)


def _remove_stale(path: Path) -> None:
    """Of a path that is held. A killed run leaves its lock as well: without one, nobody need list the whole folder."""
    for stale in path.parent.glob(f".{path.name}.*.tmp"):
        stale.unlink(missing_ok=True)


@contextmanager
def held(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds a path for this process, and says whether another held it before, or was killed while it did.

    The kernel lets go of what a killed process held.

    Not by filelock, which leaves its files behind.

    Raises:
        BlockingIOError: another process holds it, and this one is not to wait.
    """
    lock = lock_of(path)
    with ExitStack() as stack:
        descriptor, was_held = _locked(lock, path, wait)
        stack.callback(_release, descriptor)
        # Comes first, while it is held: whoever waits for it sees that it is gone, and makes another.
        stack.callback(lock.unlink, missing_ok=True)
        yield was_held


def _release(descriptor: int) -> None:
    with suppress(OSError):  # a process that was forked meanwhile has it open, too: closing it here is not enough
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def is_held(path: Path) -> bool:
    """Returns whether a process holds a path: what is temporary there is no leftover."""
    try:
        descriptor = os.open(lock_of(path), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False


def lock_of(path: Path) -> Path:
    """Returns the empty file by which a path is held."""
    return path.with_name(f".{path.name}.tmp")


def _locked(lock: Path, path: Path, wait: bool) -> tuple[int, bool]:
    """The lock, held, and whether there was one before."""
    while True:
        was_held = False
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            was_held = True
            descriptor = _opened(lock)
        try:
            _lock(descriptor, path, wait)
            if os.fstat(descriptor).st_nlink:
                return descriptor, was_held
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(lock: Path) -> int:
    """A lock that is there, or was; of one that another user left who lets nobody write, its reading end."""
    try:
        # No link is followed: one that leads elsewhere would have an empty file made there.
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except PermissionError:
        return os.open(lock, os.O_RDONLY)


def _lock(descriptor: int, path: Path, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            raise
        print(f"{path}: another process is writing it: waiting until it is done", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        # Some network file systems have no locks. Their temporary names differ all the same, and the last writer stays.
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise


def sync(file: BinaryIO) -> None:
    """Brings what was written to the disk, so that one that is full says so now."""
    file.flush()
    os.fsync(file.fileno())


def check_writable(folder: Path) -> None:
    """Raises UserError where nothing can be written, before Snakemake tries and ends in a traceback."""
    if folder.exists() and not os.access(folder, os.W_OK):
        raise UserError(
            f"{folder}: cannot be written: no permission, or a read-only file system: choose another folder"
        )


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those in which it lies, so that they outlast a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        sync_folder(folder.parent)


def remove(path: Path) -> None:
    """Deletes a file, if it is there, so that it does not come back after a power cut: before what replaces it."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a small file whole or not at all."""
    with atomic(path) as file:
        file.write(data)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises ShardError where the disk, or its permissions, do not let a shard's file be read."""
    try:
        yield
    except OSError as error:
        raise ShardError(f"{path}: cannot be read: {error.strerror}") from error


def advice(error: OSError) -> str:
    """Returns what kept a file from being written, and what to do about it."""
    known = {
        errno.ENOSPC: "the disk is full: free some space and run again",
        errno.EDQUOT: "your disk quota is used up: free some space and run again",
        errno.EFBIG: "the file is larger than this system allows (see `ulimit -f`)",
        errno.EROFS: "the file system is read-only: choose another folder or remount it",
        errno.EACCES: "no permission to write there: choose another folder or change its mode",
        errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
    }
    return known.get(error.errno or 0, error.strerror or str(error))
