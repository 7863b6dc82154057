"""Fetching a file from another machine: taken up where it stopped, tried again, and kept only if its sum is right."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from common_fate.errors import ShardError, UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.remote.transport import Arriving, TemporaryFault, Version, arriving, total_bytes
from common_fate.shards.files import advice, make_folder, sync_folder
from common_fate.shards.record import file_sha256

T = TypeVar("T")
Opening = Callable[[int, Version | None], AbstractContextManager[Arriving]]
"""Opens what is to be fetched from a byte on, given which file the bytes before are of; `arriving` is one."""
MAX_BYTES = 2**34
"""Of a file whose size nothing says beforehand."""
CHUNK = 2**20
BLOCK = 2**12  # what a file system writes at once
PROGRESS = 2**20  # bytes that make an attempt worth while, however it ended
SLOWEST = 1000  # bytes a second, over an attempt
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a download goes on trying."""

    attempts: int = 6  # in a row that bring less than `PROGRESS`
    pause: float = 1.0  # seconds before the second attempt; doubled each time, and up to a second more at random
    longest: float = 60.0  # seconds between attempts, also where the server asks for more
    silence: float = 30.0  # seconds without a byte, or with hardly one, after which an attempt is given up


class Wrong(Exception):
    """What arrives is not the file that was asked for."""


class TooLarge(Wrong):
    """It has more bytes than are allowed."""


def fetch_file(
    address: str,
    to: Path,
    sha256: str | None,
    size: int | None = None,
    *,
    limit: int = MAX_BYTES,
    patience: Patience,
) -> None:
    """Fetches a file under a temporary name and moves it to `to` when it is whole. One at a time for each `to`.

    What arrived before an interruption, or before the process was killed, is not fetched again.

    Args:
        sha256, size: what is expected; `None` where nothing says so. Never more than `size` bytes are read.
        limit: the most bytes of a file of unknown size.

    Raises:
        ShardError: there is no such file, or another one than expected, on a second try too; nothing is kept.
        UserError: no access; the server stays away or out of order; the disk is full.
    """
    partial = partial_path(to)
    try:
        make_folder(to.parent)
        with _explained(address, patience):
            fetch_into(
                partial,
                lambda at, known: arriving(address, at, patience.silence, known=known),
                address,
                sha256,
                size,
                limit,
                patience,
            )
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, to)
        sync_folder(to.parent)
    except OSError as error:
        raise UserError(f"{to}: cannot be written: {advice(error)}") from error


def partial_path(to: Path) -> Path:
    """Returns where a file is while it arrives."""
    return to.with_name(f".{to.name}.part.tmp")


def version_path(partial: Path) -> Path:
    """Returns where it is noted, while a file arrives, of which version of it the bytes are that have come."""
    return partial.with_name(f".{partial.name.removeprefix('.')}.version.tmp")


def remote_size(address: str, patience: Patience) -> int | None:
    """Returns the bytes of a file as its server says, if it does. Raises as `fetch_file` does."""
    with _explained(address, patience):
        return _patiently(address, lambda: total_bytes(address, patience.silence), patience)


@contextmanager
def _explained(address: str, patience: Patience) -> Iterator[None]:
    """What keeps a file from being fetched, as a line for the user."""
    try:
        yield
    except Wrong as fault:
        raise ShardError(f"{address}: {fault}: ask whoever shares it") from None
    except TemporaryFault as fault:
        raise UserError(
            f"{address}: {fault}, {patience.attempts} times in a row: check the address and the connection, and run "
            "again: what has arrived is kept"
        ) from fault


def fetch_into(
    partial: Path, opening: Opening, name: str, sha256: str | None, size: int | None, limit: int, patience: Patience
) -> None:
    """Fetches into a file, from the end of what it holds on, until it is whole; `name` is what messages call it.

    Raises:
        TemporaryFault: patience is at its end; what has arrived stays.
        Wrong: another file than expected, on a second try too; nothing stays.
        ShardError: there is no such file; nothing stays.
    """
    if sha256 is None and partial.exists():
        os.truncate(partial, sound_bytes(partial))
    for last in (False, True):
        partial.touch()
        try:
            while not _patiently(name, lambda: _fetch_more(opening, partial, sha256, size, limit, patience), patience):
                pass
            found = file_sha256(partial)
            if sha256 not in (None, found):
                raise Wrong(f"what arrives has the sha256 {found}, and should have {sha256}")
            version_path(partial).unlink(missing_ok=True)
            return
        except Wrong as fault:
            # A proxy's answer or a bit on the way may have spoilt it, or an older file what there was of it.
            discard(partial)
            if last or isinstance(fault, TooLarge):
                raise
        except ShardError:
            discard(partial)
            raise


def discard(partial: Path) -> None:
    """Deletes what has arrived of a file."""
    partial.unlink(missing_ok=True)
    version_path(partial).unlink(missing_ok=True)


def sound_bytes(partial: Path) -> int:
    """Returns how many bytes of a file that was arriving are to be trusted: those before the first block of zeros.

    As such comes back, after a power cut, what was written and had not reached the disk. A file that has them by right
    is fetched anew from there.
    """
    position = 0
    with partial.open("rb") as file:
        while chunk := file.read(CHUNK):
            lost = chunk.find(bytes(BLOCK))
            if lost < 0 and not chunk[len(chunk) - len(chunk) % BLOCK :].strip(b"\0"):
                lost = len(chunk) - len(chunk) % BLOCK
            if 0 <= lost < len(chunk):
                return position + lost
            position += len(chunk)
    return position


def _fetch_more(
    opening: Opening, partial: Path, sha256: str | None, size: int | None, limit: int, patience: Patience
) -> bool:
    """One attempt; whether the file is complete. False: not yet, but the attempt was worth while.

    Raises:
        TemporaryFault: it brought little or nothing.
        Wrong: this is another file.
    """
    before = partial.stat().st_size
    if before == size:
        return True
    known = noted_version(version_path(partial))
    # Of what nothing is known, only a sum can tell whether what follows belongs to it.
    goes_on = (known or sha256) and (size is None or before < size)
    try:
        with _opened(opening, before if goes_on else 0, known) as source:
            total = source.version.total
            if size is not None and total not in (None, size):
                page = ", and is a web page" if source.web_page else ""
                raise Wrong(f"has {total} bytes{page}, and should have {size}")
            if size is None and (total or 0) > limit:
                raise TooLarge(f"is larger than {limit} bytes")
            with partial.open("ab") as file:
                file.truncate(source.start)
                if not source.start:
                    note_version(version_path(partial), source.version)
                end = limit + 1 if size is None else size
                position = _copy(source.read, file.write, source.start, end, patience)
        if size is None and position > limit:
            raise TooLarge(f"is larger than {limit} bytes")
        if position < (whole := size or total or 0):
            raise TemporaryFault(f"cut off after {position} of {whole} bytes")
    except TemporaryFault:
        if partial.stat().st_size >= before + PROGRESS:
            return False
        raise
    return True


@contextmanager
def _opened(opening: Opening, at: int, known: Version | None) -> Iterator[Arriving]:
    """What is to be fetched, from byte `at` on; from its first where it is another file by now."""
    if at:
        with opening(at, known) as source:
            if not (source.start and known and known.differs(source.version)):
                yield source
                return
    with opening(0, None) as source:
        yield source


def note_version(path: Path, version: Version) -> None:
    """Notes in a file which version it is that comes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it may be another user's, who lets nobody write it
    path.write_text(json.dumps(asdict(version)))


def noted_version(path: Path) -> Version | None:
    """Returns which version it was that came before; None where nothing says so."""
    try:
        return Version(**parse_json(read_file(path, 2**16)))
    except (OSError, ValueError, TypeError):
        return None


def _copy(
    read: Callable[[int], bytes], write: Callable[[bytes], int], position: int, end: int, patience: Patience
) -> int:
    """Copies up to byte `end`, and never asks for more; returns where it stopped."""
    start, began = position, time.monotonic()
    while position < end and (data := read(min(CHUNK, end - position))):
        write(data)
        position += len(data)
        seconds = time.monotonic() - began
        if seconds > patience.silence and position - start < SLOWEST * seconds:
            raise TemporaryFault(f"only {position - start} bytes came in {seconds:.0f} s")
    return position


def _patiently(name: str, attempt: Callable[[], T], patience: Patience) -> T:
    """Tries until an attempt has no temporary fault, or patience is at its end: then that fault is raised."""
    backoff = wait_exponential_jitter(multiplier=patience.pause, max=patience.longest, jitter=patience.pause)

    def pause(state: RetryCallState) -> float:
        asked = _fault(state).seconds
        return backoff(state) if asked is None else min(asked, patience.longest)

    def say(state: RetryCallState) -> None:
        _log.warning("%s: %s: trying again in %.0f s", name, _fault(state), state.upcoming_sleep)

    retrying = Retrying(
        retry=retry_if_exception_type(TemporaryFault),
        stop=stop_after_attempt(patience.attempts),
        wait=pause,
        before_sleep=say,
        reraise=True,
    )
    return retrying(attempt)


def _fault(state: RetryCallState) -> TemporaryFault:
    """What the attempt failed by."""
    fault = state.outcome and state.outcome.exception()
    assert isinstance(fault, TemporaryFault)  # nothing else is tried again
    return fault
