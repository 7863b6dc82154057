"""Verification of columns that were shared without pixels: each of them, and what is beside them."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from common_fate.datasets.share.description import CATALOG, SHARE, Shared
from common_fate.datasets.share.recipe import RECIPE, recipe_tables
from common_fate.datasets.verify.problems import Problem, fault_of
from common_fate.datasets.verify.view import view_problems
from common_fate.errors import ShardError
from common_fate.manifest.sums import SUMS, read_sums
from common_fate.shards.limits import quoted
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
    path = folder / RECIPE
    try:
        for shard, rows in recipe_tables(folder, {shard for records in made.values() for shard in records}):
            known = set(rows["key"].to_pylist())
            for part in (part for part, records in made.items() if shard in records):
                if strange := [key for key in Record.read(folder / part / f"{shard}.json").keys if key not in known]:
                    yield Problem(path, f"lacks {strange[0]}, which {part}/{shard}.tar has", AGAIN)
    except ShardError as error:
        yield Problem(path, fault_of(error, path), AGAIN)


def _sums(folder: Path, parts: Sequence[str], full: bool) -> Iterator[Problem]:
    """SHA256SUMS against the files beside the columns, whose own sums are in their folders."""
    path = folder / SUMS
    try:
        sums = read_sums(path)
    except (OSError, ValueError) as error:
        yield Problem(path, f"not what `sha256sum -c` reads: {error}", AGAIN)
        return
    beside = {file.name for file in folder.iterdir() if file.is_file() and file.suffix != ".tmp"} - {SUMS}
    for name in sorted(beside - set(sums)):
        yield Problem(folder / name, "does not belong here", "delete it, or move it elsewhere", True)
    for name in sorted(name for name in sums if "/" not in name and name not in beside):
        yield Problem(folder / name, f"missing, though {SUMS} lists it", AGAIN)
    for name in sorted(beside & set(sums)) if full else []:
        if file_sha256(folder / name) != sums[name]:
            yield Problem(folder / name, f"changed since it was written (its sha256 is not the one in {SUMS})", AGAIN)
    # The sums of a column's folder stand for all its files, which are compared with them.
    inside = dict(chain.from_iterable(_part_sums(folder, part).items() for part in parts))
    listed = {name: digest for name, digest in sums.items() if "/" in name}
    for name in sorted(inside.keys() | listed.keys()):
        if name in inside and name in listed and inside[name] != listed[name] and name.endswith(f"/{SUMS}"):
            yield Problem(folder / name, f"changed since it was written (its sha256 is not the one in {SUMS})", AGAIN)
        elif inside.get(name) != listed.get(name):
            yield Problem(path, f"says other of {quoted(name)} than the column's own {SUMS}", AGAIN)
            return


def _part_sums(folder: Path, part: str) -> dict[str, str]:
    """The sums of a column's files, and of its sums, by their paths; none where they cannot be read, as is told."""
    path = folder / part / SUMS
    try:
        return {f"{part}/{name}": digest for name, digest in read_sums(path).items()} | {
            f"{part}/{SUMS}": file_sha256(path)
        }
    except (OSError, ValueError):
        return {}
