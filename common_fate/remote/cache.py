"""Copies of shards from other machines: each under its sum, so that two datasets share what they have in common."""

import fcntl
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from common_fate.errors import ShardError, UserError
from common_fate.foreign.files import open_file, read_file
from common_fate.remote.fetch_file import Patience, fetch_file
from common_fate.shards.files import advice, write_atomic
from common_fate.shards.record import file_sha256, is_sha256

DAY = 86_400
_log = logging.getLogger(__name__)


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

    def open(self, address: str, sha256: str, size: int, *, check: bool = False) -> BufferedReader:
        """Opens a shard to be read: the copy, which is fetched first if it is not there, or not as it came.

        What is open stays readable, whatever becomes of the copy.

        Args:
            check: compare its sum in any case. Else that is done where the file has been touched since it was.

        Raises:
            ShardError, UserError: it cannot be fetched; see `fetch_file`.
        """
        if type(size) is not int or size < 0 or not is_sha256(sha256):
            raise ShardError(f"{address}: listed with {size!r} bytes and the sha256 {sha256!r}, which is none")
        path = self.folder / "shards" / sha256[:2] / sha256
        while not (file := self._copy(path, size, check)):
            with self.alone(sha256):
                # Another process may have fetched it while this one waited.
                if not path.exists():
                    self._make_room(size)
                    fetch_file(address, path, sha256, size, patience=self.patience)
                    self._note(path, path.stat())
        with suppress(OSError):  # a cache of others may be used read-only
            os.utime(self._used(sha256))
        return file

    def drop_damaged(self, sha256: str) -> bool:
        """Deletes a shard's copy if it is not what it should be, by its sum; returns whether it was damaged."""
        path = self.folder / "shards" / sha256[:2] / sha256
        try:
            if file_sha256(path) == sha256:
                return False
            path.unlink(missing_ok=True)
        except OSError:
            return False
        _log.warning("%s: this copy was damaged: it is removed", path)
        return True

    def _copy(self, path: Path, size: int, check: bool) -> BufferedReader | None:
        """The copy, if there is one; a damaged one is removed."""
        try:
            file = open_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unusable(path, error) from error
        if os.fstat(file.fileno()).st_size == size and self._is_sound(file, path, check):
            return file
        file.close()
        _log.warning("%s: this copy is damaged: it is fetched again", path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(path, error) from error
        return None

    def _is_sound(self, file: BufferedReader, path: Path, check: bool) -> bool:
        """Whether a copy has its sum. Nothing is read where its file is as it was when that was found."""
        facts = os.fstat(file.fileno())
        with suppress(OSError, ValueError):
            if not check and read_file(self._used(path.name), 2**10) == _state(facts):
                return True
        try:
            sound = hashlib.file_digest(file, "sha256").hexdigest() == path.name
            file.seek(0)
        except OSError:  # of the disk: what it has lost, it has lost
            return False
        if sound:
            self._note(path, facts)
        return sound

    def _used(self, sha256: str) -> Path:
        """Where it stands in which state of its file a copy was found sound; its time is that of the last use."""
        return self.folder / "checked" / sha256[:2] / sha256

    def _note(self, path: Path, facts: os.stat_result) -> None:
        with suppress(UserError):
            write_atomic(self._used(path.name), _state(facts))

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
        """Deletes what was used longest ago until `size` bytes more stay within the limit."""
        if self.limit is None:
            return
        files = []
        for path in (self.folder / "shards").glob("*/*"):
            with suppress(FileNotFoundError):
                files.append((self._last_use(path), path.stat().st_size, path))
        total = sum(size for _, size, _ in files)
        for used, held, path in sorted(files):
            if total + size <= self.limit:
                break
            arriving = path.suffix == ".tmp" and used > time.time() - DAY
            if not arriving:
                path.unlink(missing_ok=True)
                self._used(path.name).unlink(missing_ok=True)
                total -= held

    def _last_use(self, path: Path) -> float:
        used = path.stat().st_mtime
        with suppress(FileNotFoundError):
            used = max(used, self._used(path.name).stat().st_mtime)
        return used


def _state(facts: os.stat_result) -> bytes:
    """What changes whenever a file is written to, or replaced."""
    return f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}\n".encode()


def _unusable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: the cache cannot be used: {advice(error)}; COMMON_FATE_CACHE names another folder")
