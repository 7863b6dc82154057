"""Verification of columns that were shared without pixels: each of them, and what is beside them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from common_fate.datasets.share.description import CATALOG, SHARE, Shared
from common_fate.datasets.share.recipe import RECIPE, read_recipe
from common_fate.datasets.verify.problems import Problem
from common_fate.datasets.verify.view import view_problems
from common_fate.errors import ShardError
from common_fate.manifest.sums import SUMS, read_sums
from common_fate.shards.record import Record, file_sha256

AGAIN = "fetch it again from where the folder came from"


def shared_columns(folder: Path, shared: Shared, full: bool) -> Iterator[Problem]:
    """Yields the problems of a folder of columns without pixels, with its recipe."""
    made: dict[str, dict[str, Record]] = {part: {} for part in shared.parts}
    for part, records in made.items():
        if not (folder / part).is_dir():
            yield Problem(folder / part, "missing", AGAIN)
        else:
            yield from view_problems(folder / part, full, records, folder / CATALOG)
    for name in (SHARE, RECIPE, CATALOG, "README.md", "croissant.json", SUMS):
        if not (folder / name).exists():
            yield Problem(folder / name, "missing", AGAIN)
    yield from _recipe(folder, made)
    if (folder / SUMS).exists():
        yield from _sums(folder, shared.parts, full)


def _recipe(folder: Path, made: dict[str, dict[str, Record]]) -> Iterator[Problem]:
    """Whether the recipe has the frame of every sample."""
    if not (folder / RECIPE).exists():
        return
    try:
        rows = read_recipe(folder, {shard for records in made.values() for shard in records})
    except ShardError as error:
        yield Problem(folder / RECIPE, str(error).removeprefix(f"{folder / RECIPE}: "), AGAIN)
        return
    for part, records in made.items():
        for shard, record in records.items():
            if strange := [key for key in record.keys if key not in rows[shard]]:
                yield Problem(folder / RECIPE, f"lacks {strange[0]}, which {part}/{shard}.tar has", AGAIN)


def _sums(folder: Path, parts: Sequence[str], full: bool) -> Iterator[Problem]:
    """SHA256SUMS against the files beside the columns, whose own sums are in their folders."""
    path = folder / SUMS
    try:
        sums = read_sums(path)
    except (OSError, ValueError):
        yield Problem(path, "not what `sha256sum -c` reads", AGAIN)
        return
    beside = {file.name for file in folder.iterdir() if file.is_file() and file.suffix != ".tmp"} - {SUMS}
    for name in sorted(beside - set(sums)):
        yield Problem(folder / name, "does not belong here", "delete it, or move it elsewhere", True)
    for name in sorted(name for name in sums if "/" not in name and name not in beside):
        yield Problem(folder / name, f"missing, though {SUMS} lists it", AGAIN)
    for name in sorted(beside & set(sums)) if full else []:
        if file_sha256(folder / name) != sums[name]:
            yield Problem(folder / name, f"changed since it was written (its sha256 is not the one in {SUMS})", AGAIN)
    for name in sorted(name for name in sums if name.endswith(f"/{SUMS}") and name.count("/") == 1):
        # The sums of a column's folder stand for all its files, which are compared with them.
        listed = folder / name
        if name.split("/")[0] in parts and listed.is_file() and file_sha256(listed) != sums[name]:
            yield Problem(listed, f"changed since it was written (its sha256 is not the one in {SUMS})", AGAIN)
