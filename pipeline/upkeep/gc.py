"""Leftovers: temporary files and folders of runs that were killed, and shards that no plan names."""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common_fate.datasets.catalog import read_plan
from common_fate.datasets.download_records import DOWNLOADED
from common_fate.errors import UserError
from common_fate.shards.files import held, is_held
from common_fate.shards.folders import STAGED
from pipeline.registry import STAGES, VIEWS

PLAN = "plan.json"
BESIDE = ("experiments", "report")  # folders beside the datasets' own that runs write to
_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")  # as `common_fate.shards.files.atomic` names them
_LOCK = re.compile(r"\.(.+)\.tmp")  # as `common_fate.shards.files.lock_of` names it, and it is empty
_SHARD = re.compile(r"([0-9]{6,})\.(tar|json|parquet)")


@dataclass(frozen=True)
class Leftover:
    """A file or a folder that nothing needs, its size, and what it is."""

    path: Path
    bytes: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}  {self.bytes:,} bytes, {self.what}"


def leftovers(folder: Path, before: float) -> Iterator[Leftover]:
    """Yields what nothing needs of `results`, or of one dataset, and was last written before a time.

    Looked at are the folders that this code writes to, and in them the names that it gives, of plain files and whole
    folders alone: links are not followed, and everything else is the user's. What a run is writing it holds, however
    long ago it last wrote to it.

    Args:
        before: seconds since 1970: on a file system without locks, what a run is writing is younger.

    Raises:
        UserError: there is no dataset, or a plan is damaged.
    """
    datasets = datasets_of(folder)
    staged = [] if datasets == [folder] else _staged(folder, before)
    if not datasets and not staged:
        raise UserError(f"{folder}: neither a dataset (it has no {PLAN}) nor a folder of datasets")
    for dataset in datasets:
        plan = len(read_plan(dataset / PLAN))
        columns = [column for column in _folders(dataset) if column.name in (*STAGES, DOWNLOADED)]
        views = [view for parent in _folders(dataset) if parent.name == "shards" for view in _folders(parent)]
        yield from _temporary(dataset, before)
        for part in columns + views:
            yield from _temporary(part, before)
            if part.name in (*STAGES, *VIEWS, DOWNLOADED):
                yield from _unplanned(part, plan, before)
    if datasets != [folder]:
        yield from staged
        yield from _locks(folder, before)
        for beside in _folders(folder):
            for place, _, _ in os.walk(beside) if beside.name in BESIDE else ():
                yield from _temporary(Path(place), before)


def datasets_of(folder: Path) -> list[Path]:
    """Returns the datasets in `results`, or the one that a folder is."""
    if (folder / PLAN).is_file():
        return [folder]
    found = [path for path in _folders(folder) if (path / PLAN).is_file()]
    return [path for path in found if not STAGED.fullmatch(path.name)]


def delete(leftover: Leftover) -> None:
    """Deletes a leftover. Raises `UserError` where that is not allowed."""
    path = leftover.path
    try:
        if path.is_dir():
            shutil.rmtree(path)
        elif leftover.bytes or _TEMPORARY.fullmatch(path.name) or not (lock := _LOCK.fullmatch(path.name)):
            path.unlink(missing_ok=True)
        else:
            with suppress(BlockingIOError), held(path.with_name(lock[1]), wait=False):
                pass  # with which it is gone, unless somebody took it just now
    except OSError as error:
        raise UserError(f"{leftover.path}: cannot be deleted: {error.strerror}") from error


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder, links to folders left out."""
    with os.scandir(parent) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _files(folder: Path, before: float) -> list[tuple[Path, int]]:
    """Plain files that were last written before a time, and their sizes."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(facts.st_mode) and facts.st_mtime < before:
                found.append((Path(entry.path), facts.st_size))
    return sorted(found)


def _temporary(folder: Path, before: float) -> Iterator[Leftover]:
    for path, size in _files(folder, before):
        name = _TEMPORARY.fullmatch(path.name)
        if name and not is_held(path.with_name(name[1])):
            yield Leftover(path, size, "temporary file of a run that was killed")
    yield from _locks(folder, before)


def _locks(folder: Path, before: float) -> Iterator[Leftover]:
    for path, size in _files(folder, before):
        name = _LOCK.fullmatch(path.name)
        if name and not size and not _TEMPORARY.fullmatch(path.name) and not is_held(path.with_name(name[1])):
            yield Leftover(path, size, "lock of a run that was killed")


def _staged(results: Path, before: float) -> list[Leftover]:
    """What an adoption that was killed left. The older version is none where it is all that there is of a dataset."""
    found = []
    for path in _folders(results):
        name = STAGED.fullmatch(path.name)
        dataset = name and results / name["name"]
        if not name or not dataset or is_held(dataset) or (name["what"] == "old" and not dataset.exists()):
            continue
        facts = [place.lstat() for place in (path, *path.rglob("*"))]
        if max(fact.st_mtime for fact in facts) < before:
            size = sum(fact.st_size for fact in facts if stat.S_ISREG(fact.st_mode))
            found.append(Leftover(path, size, "of an adoption that was killed"))
    return found


def _unplanned(folder: Path, planned: int, before: float) -> Iterator[Leftover]:
    """Records come before their tars: a tar without a record is no shard."""
    for path, size in _files(folder, before):
        name = _SHARD.fullmatch(path.name)
        ours = name and (name[2] != "parquet" or folder.name == DOWNLOADED)
        if name and ours and int(name[1]) >= planned:
            yield Leftover(path, size, f"of a shard that {PLAN} does not name")
