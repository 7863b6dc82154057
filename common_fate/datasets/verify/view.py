"""The problems of a view, which may come from another lab: its shards, its manifest, and links out of it."""

import os
from pathlib import Path
from typing import Any

from common_fate.datasets.adopted_record import shard_names
from common_fate.datasets.parts import PLAN
from common_fate.datasets.share.description import BESIDE, CATALOG, SHARE, SHEET
from common_fate.datasets.verify.manifest import MANIFEST, listed_problems, manifest_problems
from common_fate.datasets.verify.problems import (
    Problem,
    Problems,
    Records,
    fault_of,
    home_of,
    how_to_make,
    how_to_replace,
    real_path,
)
from common_fate.datasets.verify.shards import shards_problems, strangers
from common_fate.errors import ShardError
from common_fate.manifest.shards import SHARDS, read_shards
from common_fate.manifest.videos import VIDEOS
from common_fate.shards.limits import quoted


def view_problems(folder: Path, full: bool, made: Records, catalog: Path | None = None) -> Problems:
    """Yields the problems of a view and its manifest; its sound records are put into `made`.

    Args:
        catalog: of the videos, where that is neither its dataset's nor beside the view.
    """
    beside = BESIDE if (folder / SHARE).exists() else ()
    for name in (*MANIFEST, *(name for name in beside if name != SHEET)):
        if not (folder / name).exists():
            yield Problem(folder / name, "missing", how_to_make(folder / name))
    rows: dict[str, dict[str, Any]] = {}
    if (folder / SHARDS).exists():
        try:
            rows = {row["shard"]: row for row in read_shards(folder).to_pylist()}
        except ShardError as error:
            yield Problem(folder / SHARDS, fault_of(error, folder / SHARDS), how_to_replace(folder / SHARDS))
    home = home_of(folder)
    shards = list(rows) if home is None else shard_names(home)
    if rows and list(rows) != shards:
        yield Problem(folder / SHARDS, f"lists other shards than {PLAN} has", how_to_replace(folder / SHARDS))
    yield from shards_problems(folder, shards, full, made)
    yield from strangers(folder, shards, (*MANIFEST, VIDEOS, *beside))
    if home is None:
        yield from _links(folder)
    for shard in made:
        yield from listed_problems(folder / f"{shard}.json", made[shard], rows.get(shard))
    known = [place for place in ((home or folder) / CATALOG, catalog) if place and place.exists()]
    yield from manifest_problems(folder, shards, made, beside, full, known[0] if known else None)


def _links(folder: Path) -> Problems:
    """Links out of a folder from elsewhere. What they lead to is read only where it is just what the records say."""
    inside = real_path(folder)
    for path in sorted(path for path in folder.iterdir() if path.is_symlink()):
        if inside not in real_path(path).parents:
            yield Problem(
                path, f"a link out of the folder, to {quoted(os.readlink(path))}", "copy the file itself", True
            )
