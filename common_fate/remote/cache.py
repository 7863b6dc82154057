"""Copies of shards from other machines: each under its sum, so that two datasets share what they have in common."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from common_fate.errors import ShardError, UserError
from common_fate.remote.fetch_file import Patience, fetch_file
from common_fate.shards.files import advice
from common_fate.shards.record import is_sha256

DAY = 86_400


def default_folder() -> Path:
    """Returns `COMMON_FATE_CACHE`, or `common-fate` in the user's folder for caches."""
    if named := os.environ.get("COMMON_FATE_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "common-fate"


@dataclass(frozen=True)
class Cache:
    """A folder of copies that any number of processes use at once. It may be deleted at any time.

    Args:
        limit: bytes of shards. Before one is fetched, those used longest ago go. Without it, all stay.
        patience: with machines that are slow or away.
    """

    folder: Path = field(default_factory=default_folder)
    limit: int | None = None
    patience: Patience = field(default_factory=Patience)

    def open(self, address: str, sha256: str, size: int) -> BufferedReader:
        """Opens a shard to be read: the copy, which is fetched and checked first if it is not there.

        What is open stays readable, whatever becomes of the copy.

        Raises:
            ShardError, UserError: it cannot be fetched; see `fetch_file`.
        """
        if type(size) is not int or size < 0 or not is_sha256(sha256):
            raise ShardError(f"{address}: listed with {size!r} bytes and the sha256 {sha256!r}, which is none")
        path = self.folder / "shards" / sha256[:2] / sha256
        while not (file := _opened(path, size)):
            with self.alone(sha256):
                # Another process may have fetched it while this one waited.
                if not path.exists():
                    self._make_room(size)
                    fetch_file(address, path, sha256, size, patience=self.patience)
        with suppress(OSError):  # a cache of others may be used read-only
            os.utime(file.fileno())
        return file

    def text(self, address: str, limit: int) -> str:
        """Returns a small file, fetched anew: its text. Raises `UserError` as `fetch_file` does, or where it is no
        text.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "text"
            fetch_file(address, file, None, limit=limit, patience=self.patience)
            try:
                return file.read_text("utf-8")
            except ValueError as error:
                raise ShardError(f"{address}: not a text: {error}") from error

    @contextmanager
    def alone(self, digest: str) -> Iterator[None]:
        """Lets one process at a time fetch what has this digest."""
        path = self.folder / "locks" / digest[:2]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("ab")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise _unusable(path, error) from error
        with lock:
            try:
                yield
            finally:
                # A process that was forked meanwhile has the lock's file open too: closing it would not be enough.
                fcntl.flock(lock, fcntl.LOCK_UN)

    def _make_room(self, size: int) -> None:
        """Removes what was used longest ago until `size` bytes more stay within the limit."""
        if self.limit is None:
            return
        files = []
        for path in (self.folder / "shards").glob("*/*"):
            with suppress(FileNotFoundError):
                files.append((path.stat().st_mtime, path.stat().st_size, path))
        total = sum(size for _, size, _ in files)
        for used, held, path in sorted(files):
            if total + size <= self.limit:
                break
            arriving = path.suffix == ".tmp" and used > time.time() - DAY
            if not arriving:
                path.unlink(missing_ok=True)
                total -= held


def _opened(path: Path, size: int) -> BufferedReader | None:
    """The copy, if there is one; a damaged one is removed."""
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(path, error) from error
    if os.fstat(file.fileno()).st_size == size:
        return file
    file.close()
    path.unlink(missing_ok=True)
    return None


def _unusable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: the cache cannot be used: {advice(error)}; COMMON_FATE_CACHE names another folder")
