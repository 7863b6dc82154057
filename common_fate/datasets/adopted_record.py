"""Adopted datasets: those whose shards were made elsewhere. `adopted.json` says so, and which shards have come."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from common_fate.datasets.catalog import read_plan
from common_fate.errors import UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.shards.files import write_atomic
from common_fate.shards.folders import alone
from common_fate.shards.limits import MAX_LISTING_BYTES, MAX_SHARDS

ADOPTED = "adopted.json"


@dataclass(frozen=True)
class Adopted:
    """What came from elsewhere.

    `shards` are the numbers of the shards that have come, which they keep, and `given` the columns and views that came
    with them (`flow`, `shards/cmp`): all others were made here.
    """

    shards: tuple[str, ...]
    given: tuple[str, ...]


def read_adopted(dataset: Path) -> Adopted | None:
    """Reads what came from elsewhere; None for a dataset that was built here.

    Raises:
        UserError: the file is damaged.
    """
    path = dataset / ADOPTED
    if not path.exists():
        return None
    try:
        values = parse_json(read_file(path, MAX_LISTING_BYTES), 4 * MAX_SHARDS)
        shards, given = tuple(values["shards"]), tuple(values["given"])
        if not all(isinstance(text, str) for text in (*shards, *given)):
            raise TypeError("shards and given must be text")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: damaged ({error}): adopt the dataset again") from error
    return Adopted(shards, given)


def write_adopted(dataset: Path, adopted: Adopted) -> None:
    """Writes adopted.json."""
    write_atomic(dataset / ADOPTED, (json.dumps(asdict(adopted), indent=1) + "\n").encode())


@contextmanager
def listing(dataset: Path) -> Iterator[None]:
    """Keeps other commands out of a dataset while its catalog and plan are written; waits for one that is at work.

    Raises:
        UserError: it was adopted, perhaps since whoever asks looked.
    """
    with alone(dataset, wait=True):
        if read_adopted(dataset):
            raise UserError(f"{dataset}: was adopted, so no source is listed into it: give this dataset another name")
        yield


def shard_names(dataset: Path) -> list[str]:
    """Returns the shards that a dataset ought to have: those of its plan, or of an adopted one those that have come."""
    adopted = read_adopted(dataset)
    if adopted:
        return list(adopted.shards)
    return [f"{number:06d}" for number in range(len(read_plan(dataset / "plan.json")))]
