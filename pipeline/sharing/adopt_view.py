"""Adopting: shards from elsewhere become a dataset here, which nothing builds again."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from common_fate.datasets.adopted_record import Adopted, read_adopted, write_adopted
from common_fate.datasets.catalog import Plan, Video, read_known, write_catalog, write_plan
from common_fate.datasets.share.description import CATALOG
from common_fate.datasets.verify import verify
from common_fate.errors import ShardError, UserError
from common_fate.manifest.samples import SAMPLES
from common_fate.manifest.shards import read_shards
from common_fate.manifest.tables import write_manifest
from common_fate.manifest.videos import VIDEOS, read_videos
from common_fate.progress import progress
from common_fate.shards.folders import alone, put, staged
from common_fate.shards.record import Record
from common_fate.shards.writer import copy_shard
from pipeline.registry import STAGES, VIEWS

MOST_NAMED = 10


@dataclass(frozen=True)
class Adoption:
    """What came of it: the shards that are there now, those that the manifest names and the folder lacks, the views."""

    shards: list[str]
    missing: list[str]
    views: list[str]


def adopt(folder: Path, dataset: Path) -> Adoption:
    """Makes a dataset of a folder of shards: a view or a column with its manifest, however it was copied.

    Every byte is checked first. Shards that are not in the folder are not missed: the others keep their numbers. All
    is put together beside `dataset` and moved there in the end, so that nothing half-adopted is ever there.

    Args:
        dataset: `results/NAME`; one adopted before is replaced where `folder` has all of its shards, unchanged.

    Raises:
        UserError: the folder has no manifest, or `dataset` is something else, or another command is writing it.
        ShardError: a shard is damaged.
    """
    with alone(dataset), staged(dataset) as staging:
        shards, missing = present(folder)
        check_shards(folder, missing)
        records = {shard: Record.read(folder / f"{shard}.json") for shard in shards}
        part = _part(folder, records.values())
        check_place(dataset, {part: records})
        plan = _planned(records)
        videos = _videos(folder, plan)
        for shard in progress(shards, len(shards), f"adopting {dataset.name}"):
            copy_shard(folder / f"{shard}.tar", staging / part / f"{shard}.tar")
        if part.startswith("shards/"):
            write_manifest(staging / part, shards, f"{dataset.name} ({part.removeprefix('shards/')})", videos)
        write_catalog(staging / CATALOG, videos)
        write_plan(staging / "plan.json", plan)
        write_adopted(staging, Adopted(tuple(shards), (part,)))
        put(staging, dataset)
    return Adoption(shards, missing, [part.removeprefix("shards/")] if part.startswith("shards/") else [])


def present(folder: Path) -> tuple[list[str], list[str]]:
    """Lists the shards of the manifest that the folder has, and those that it lacks.

    Raises:
        UserError: there is no manifest, or no shard.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    if not (folder / SAMPLES).exists():
        raise UserError(f"{folder}: no shards with their manifest: it lacks {SAMPLES}")
    rows = read_shards(folder)
    if "shard" not in rows.column_names:
        raise ShardError(f"{folder}/shards.parquet: not a manifest: it lacks the column shard")
    names = rows["shard"].to_pylist()
    for name in names:
        if not isinstance(name, str) or not re.fullmatch("[0-9]{6}", name):
            raise ShardError(f"{folder}/shards.parquet: {name!r} does not name a shard")
    here = [name for name in names if all((folder / f"{name}{suffix}").exists() for suffix in (".tar", ".json"))]
    if not here:
        raise UserError(f"{folder}: has none of the {len(names)} shards that its manifest names: copy some of them")
    return here, [name for name in names if name not in set(here)]


def check_shards(folder: Path, missing: Iterable[str]) -> None:
    """Raises ShardError for anything in the folder that is not as its manifest says, save for `missing` shards."""
    lacking = {f"{name}{suffix}" for name in missing for suffix in (".tar", ".json")}
    problems = [p for p in verify(folder, full=True) if not p.harmless and p.path.name not in lacking]
    if problems:
        listed = "".join(
            f"\n  {problem.path.relative_to(folder)}: {problem.fault}" for problem in problems[:MOST_NAMED]
        )
        listed += f"\n  and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        raise ShardError(
            f"{folder}: nothing was adopted, because of{listed}\n"
            "Copy what is damaged again; or delete a damaged shard and its record, to adopt the others."
        )


def _part(folder: Path, records: Iterable[Record]) -> str:
    """What the shards are of: `shards/VIEW`, or a column's name."""
    names = {record.stage for record in records}
    if len(names) > 1 or not names <= {*STAGES, *VIEWS}:
        raise UserError(f"{folder}: holds shards of {', '.join(sorted(names))}, where one view or column is wanted")
    (name,) = names
    return f"shards/{name}" if name in VIEWS else name


def check_place(dataset: Path, records: Mapping[str, Mapping[str, Record]]) -> None:
    """Raises UserError where something else is there than an earlier, smaller adoption of the same shards.

    Args:
        records: by part (`shards/VIEW`, or a column's name) and shard.
    """
    if not dataset.exists():
        return
    other = "give another name with --dataset, or delete it first"
    adopted = read_adopted(dataset)
    if adopted is None:
        raise UserError(f"{dataset}: is there already, and was not adopted: {other}")
    if set(adopted.given) != set(records):
        raise UserError(
            f"{dataset}: was adopted with {', '.join(adopted.given)}, and not {', '.join(records)}: {other}"
        )
    for part, new in records.items():
        for shard in adopted.shards:
            try:
                there = Record.read(dataset / part / f"{shard}.json").sha256
            except ShardError:
                continue  # damaged since, and about to be put right
            if shard not in new or there != new[shard].sha256:
                raise UserError(f"{dataset}: holds a shard {shard} that is not among these: {other}")


def _planned(records: dict[str, Record]) -> Plan:
    """Which videos stand in which shard; a shard that has not come has an empty place."""
    plan: Plan = [[] for _ in range(max(map(int, records)) + 1)]
    for shard, record in records.items():
        # The failure of a whole video has the video's id as its key.
        videos = sorted({key.rpartition("-")[0] or key for key in record.known_keys()})
        if odd := [video for video in videos if not re.fullmatch("[A-Za-z0-9_]+", video)]:
            raise ShardError(f"{shard}.json: {odd[0]!r} is no video's id (letters, digits and _)")
        plan[int(shard)] = videos
    return plan


def _videos(folder: Path, plan: Plan) -> list[Video]:
    """The catalog of what came: what the folder says about the videos, and that they are not here."""
    path, ids = folder / CATALOG, list(dict.fromkeys(video for shard in plan for video in shard))
    known = read_known(path, ids) if path.exists() else _from_manifest(folder, ids)
    for video in known.values():
        if not isinstance(video.uri, str) or not isinstance(video.license, str | None):
            raise ShardError(f"{path}: {video.video}: uri and license must be text")
    return [
        replace(known.get(video, Video(video, "", "")), kind="adopted", bytes=None, modified=None, listed=None)
        for video in ids
    ]


def _from_manifest(folder: Path, ids: Sequence[str]) -> dict[str, Video]:
    """What the manifest says of videos, where a view came without its catalog; former versions say nothing."""
    if not (folder / VIDEOS).exists():
        return {}
    rows = read_videos(folder)
    known = rows.filter(pc.is_in(rows["video"], pa.array(ids, pa.string()))).to_pylist()
    return {row["video"]: Video(row["video"], "", "", license=row["license"], about=row["about"]) for row in known}
