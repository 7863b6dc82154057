"""Verification: whether a dataset, a column or a view is whole, and what to do about it where it is not.

Quick looks at names, sizes and counts, and at whether records and manifest agree; full reads and decodes every byte.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from common_fate.datasets.adopted_record import read_adopted, shard_names
from common_fate.datasets.catalog import read_catalog, read_plan, shard_digests
from common_fate.datasets.download_records import DOWNLOADED, read_downloaded
from common_fate.datasets.parts import CATALOG, PLAN, VIEWS, is_column
from common_fate.datasets.share.description import SHARE, read_shared
from common_fate.datasets.verify.problems import Problem, Problems, Records, fault_of, how_to_replace
from common_fate.datasets.verify.shards import chain_problems, shards_problems, strangers
from common_fate.datasets.verify.view import view_problems
from common_fate.datasets.verify.without_pixels import shared_columns
from common_fate.errors import UserError
from common_fate.manifest.samples import SAMPLES
from common_fate.manifest.shards import SHARDS


def verify(folder: Path, full: bool) -> list[Problem]:
    """Checks a dataset (`results/NAME`), one of its columns, or a view, which may come from another lab.

    Args:
        full: also compare the sha256 of every file, read every header and decode every member.

    Raises:
        UserError: the folder is none of these, or its plan is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: {'is not a folder' if folder.exists() else 'there is no such folder'}")
    if (folder / PLAN).exists():
        return list(_dataset(folder, full))
    if (shared := read_shared(folder)) and shared.frames:
        return list(shared_columns(folder, shared, full))
    if _is_view(folder):
        return list(view_problems(folder, full, {}))
    if folder.name not in (VIEWS, DOWNLOADED) and (folder.resolve().parent / PLAN).exists():
        return list(_column(folder, full, {}))
    raise UserError(
        f"{folder}: not a dataset (it has no {PLAN}), not a column (no {PLAN} beside it), not a view (no {SHARDS})"
    )


def _is_view(folder: Path) -> bool:
    return folder.resolve().parent.name == VIEWS or any((folder / name).exists() for name in (SAMPLES, SHARDS, SHARE))


def _dataset(folder: Path, full: bool) -> Problems:
    """Every column and view, and the chain: each shard was made from what stands there now."""
    columns = sorted(path for path in folder.iterdir() if is_column(path))
    views = sorted(path for path in (folder / VIEWS).glob("*") if path.is_dir())
    made: dict[Path, Records] = {path: {} for path in (*columns, *views)}
    for column in columns:
        yield from _column(column, full, made[column])
    for view in views:
        yield from view_problems(view, full, made[view])
    digests = {column.name: {shard: record.sha256 for shard, record in made[column].items()} for column in columns}
    try:
        plan = read_plan(folder / PLAN)
        videos = read_catalog(folder / CATALOG, chain.from_iterable(plan))
        digests["source"] = dict(zip(_names(plan), shard_digests(plan, videos), strict=True))
    except UserError as error:
        yield Problem(folder / CATALOG, fault_of(error, folder / CATALOG), "the shards cannot be compared with it")
    yield from _downloads(folder, digests)
    adopted = read_adopted(folder)
    for place, records in made.items():
        if adopted and str(place.relative_to(folder)) in adopted.given:
            continue  # made from what there was elsewhere
        for shard, record in records.items():
            yield from chain_problems(place / f"{shard}.tar", record, digests)


def _downloads(folder: Path, digests: dict[str, dict[str, str]]) -> Problems:
    """The records of what was downloaded, whose digests are added: frames are made from them."""
    digests[DOWNLOADED] = {}
    for path in sorted((folder / DOWNLOADED).glob("[0-9]*.json")):
        try:
            record = read_downloaded(path)
        except UserError as error:
            yield Problem(path, fault_of(error, path), how_to_replace(path))
            continue
        digests[DOWNLOADED][path.stem] = record.digest
        if digests.get("source", {}).get(path.stem, record.source) != record.source:
            yield Problem(path, "made from another choice of videos than there is now", how_to_replace(path))


def _column(folder: Path, full: bool, made: Records) -> Problems:
    """The problems of a column; its sound records are put into `made`."""
    shards = shard_names(folder.resolve().parent)
    yield from shards_problems(folder, shards, full, made)
    yield from strangers(folder, shards, ())


def _names(plan: Sequence[Any]) -> list[str]:
    return [f"{number:06d}" for number in range(len(plan))]
