"""Leftovers: temporary files of runs that were killed, and shards that no plan names."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common_fate.datasets.catalog import read_plan
from common_fate.datasets.download_records import DOWNLOADED
from common_fate.errors import UserError
from pipeline.registry import STAGES, VIEWS

PLAN = "plan.json"
BESIDE = ("experiments", "report")  # folders beside the datasets' own that runs write to
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")  # as `common_fate.shards.files.atomic` names them
_SHARD = re.compile(r"([0-9]{6,})\.(tar|json|parquet)")


@dataclass(frozen=True)
class Leftover:
    """A file that nothing needs, its size, and what it is."""

    path: Path
    bytes: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}  {self.bytes:,} bytes, {self.what}"


def leftovers(folder: Path, before: float) -> Iterator[Leftover]:
    """Yields the files of `results`, or of one dataset, that nothing needs and that were last written before a time.

    Looked at are the folders that this code writes to, and in them the names that it gives, of plain files alone: links
    are not followed, and everything else is the user's.

    Args:
        before: seconds since 1970. A file that a run is writing, on this machine or another, is younger.

    Raises:
        UserError: there is no dataset, or a plan is damaged.
    """
    datasets = [folder] if (folder / PLAN).is_file() else [path for path in _folders(folder) if (path / PLAN).is_file()]
    if not datasets:
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
        for beside in _folders(folder):
            for place, _, _ in os.walk(beside) if beside.name in BESIDE else ():
                yield from _temporary(Path(place), before)


def delete(leftover: Leftover) -> None:
    """Deletes a file. Raises `UserError` where that is not allowed."""
    try:
        leftover.path.unlink(missing_ok=True)
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
        if _TEMPORARY.fullmatch(path.name):
            yield Leftover(path, size, "temporary file of a run that was killed")


def _unplanned(folder: Path, planned: int, before: float) -> Iterator[Leftover]:
    """Records come before their tars: a tar without a record is no shard."""
    for path, size in _files(folder, before):
        name = _SHARD.fullmatch(path.name)
        ours = name and (name[2] != "parquet" or folder.name == DOWNLOADED)
        if name and ours and int(name[1]) >= planned:
            yield Leftover(path, size, f"of a shard that {PLAN} does not name")
