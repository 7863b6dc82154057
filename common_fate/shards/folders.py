"""Folders that one command at a time writes, and those that are put together beside their place and moved there."""

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from common_fate.errors import UserError
from common_fate.shards.files import advice, held, make_folder, sync_folder

STAGED = re.compile(r"\.(?P<name>[A-Za-z0-9_]+)\.(?P<what>adopt|old)(\.[0-9a-f]{8})?\.tmp")
"""A folder that is put together, or one whose place another takes; former versions had no number in the name."""


@contextmanager
def alone(*folders: Path, wait: bool = False) -> Iterator[None]:
    """Keeps other commands from writing to folders while this one does: from its first look at them to its end.

    The folders need not be there. Jobs that write single shards do not ask: they hold these.

    Args:
        wait: until the other command is done, as a job does whose former run may have outlived its Snakemake.

    Raises:
        UserError: another command is writing one, or nothing can be written there.
    """
    with ExitStack() as stack:
        for folder in folders:
            _hold(folder, wait, stack)
        yield


def _hold(folder: Path, wait: bool, stack: ExitStack) -> None:
    try:
        stack.enter_context(held(_held_by(folder, stack), wait))
    except BlockingIOError:
        raise UserError(f"{folder}: another command is writing it: wait until it is done") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {advice(error)}") from error


def _held_by(folder: Path, stack: ExitStack) -> Path:
    """What is held for a folder, by whatever path it is named: itself, or, where nothing can stand beside it, a name
    in it.
    """
    real = Path(os.path.realpath(folder))
    if real.is_dir() and (real == real.parent or not os.access(real.parent, os.W_OK)):
        return real / "folder"
    missing = [parent for parent in real.parents if not parent.exists()]
    stack.push(lambda kind, *_: _remove(missing) if kind else None)  # a command that refuses leaves nothing
    make_folder(real.parent)
    return real


def _remove(folders: Iterable[Path]) -> None:
    with suppress(OSError):  # one is not empty
        for folder in folders:
            folder.rmdir()


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yields where to put a folder together, beside its place. `put` moves it there; else it is gone in the end.

    The folder is to be held. What runs that were killed left beside it is removed; an older version that one of them
    had moved away comes back.
    """
    for left in sorted(folder.parent.glob(f".{folder.name}.*.tmp")):
        match = STAGED.fullmatch(left.name)
        if match and match["what"] == "old" and not folder.exists():
            left.rename(folder)
            sync_folder(folder.parent)
        elif match:
            shutil.rmtree(left, ignore_errors=True)
    staging = _beside(folder, "adopt")
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def put(staging: Path, folder: Path) -> None:
    """Moves a whole folder to its place, over an older version."""
    old = _beside(folder, "old")
    if folder.exists():
        folder.rename(old)
    try:
        staging.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}.{secrets.token_hex(4)}.tmp")
