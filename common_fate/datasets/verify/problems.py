"""What is wrong with a file of a dataset, and what to do about it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common_fate.datasets.adopted_record import ADOPTED
from common_fate.datasets.parts import PLAN
from common_fate.errors import printable
from common_fate.shards.record import Record

Records = dict[str, Record]
"""By shard."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file and what to do about it; `harmless` where no reader is led astray by it."""

    path: Path
    fault: str
    remedy: str
    harmless: bool = False

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.fault}: {self.remedy}")


Problems = Iterator[Problem]


def home_of(path: Path) -> Path | None:
    """Returns the dataset's folder that a shard or a folder of shards is of; None where only a view was handed over."""
    return next((parent for parent in real_path(path).parents[:3] if (parent / PLAN).exists()), None)


def real_path(path: Path) -> Path:
    """Returns where links lead; `Path.resolve` raises where they lead round in a circle."""
    return Path(os.path.realpath(path))


def how_to_make(path: Path) -> str:
    """Returns what to do about a file that is missing."""
    home = home_of(path)
    if home is None:
        return "fetch it again from where the view came from"
    if (home / ADOPTED).exists():
        return f"run `python -m pipeline adopt DIR --dataset {home.name}` again"
    # Snakemake makes nothing for a missing file that nothing else waits for, unless it is asked for by name.
    target = Path(home.parent.name) / real_path(path).relative_to(home.parent)
    return f"run `snakemake --cores all {target}` to make it"


def how_to_replace(path: Path) -> str:
    """Returns what to do about a file that is wrong."""
    return how_to_make(path) if home_of(path) is None else f"delete it and {how_to_make(path)} again"


def fault_of(error: Exception, path: Path) -> str:
    """Returns the message of an error without the path, which the problem's line already has."""
    return str(error).removeprefix(f"{path}: ")


def how_to_replace_both(path: Path, name: str) -> str:
    """Returns what to do about two files that disagree, one of which is wrong."""
    listing = path.with_name(name)
    return how_to_make(listing) if home_of(path) is None else f"delete both and {how_to_make(listing)} again"
