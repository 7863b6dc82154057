"""The parts of a dataset's folder: columns, and views under `shards/`. What they are, their records say."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from common_fate.datasets.download_records import DOWNLOADED

PLAN, CATALOG, VIEWS = "plan.json", "catalog.parquet", "shards"
TAKEN = ("report", "experiments", VIEWS)
"""What no dataset is called: folders beside the datasets' own, and the one of a dataset's views."""


def is_column(folder: Path) -> bool:
    """Returns whether a folder beside plan.json is a column: it has shards."""
    return folder.name not in (VIEWS, DOWNLOADED) and folder.is_dir() and any(map(_is_of_a_shard, folder.iterdir()))


def shards_in(folder: Path) -> list[str]:
    """Returns the names of a folder's finished shards: those with a record."""
    return sorted(path.stem for path in folder.glob("*.json") if _is_of_a_shard(path))


def in_made_order(inputs: Mapping[str, Iterable[str]]) -> list[str]:
    """Returns the names of parts, each after those that it was made from, and else by name.

    Args:
        inputs: of each part, the names of what it was made from. They may come from anywhere, and lead round a circle.
    """
    left = {name: set(needs) - {name} for name, needs in sorted(inputs.items())}
    order = []
    while left:
        turn = next((name for name, needs in left.items() if not needs & left.keys()), min(left))
        order.append(turn)
        del left[turn]
    return order


def _is_of_a_shard(path: Path) -> bool:
    return path.stem.isdecimal() and path.suffix in (".tar", ".json")
