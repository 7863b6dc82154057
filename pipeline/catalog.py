"""The catalog of a dataset's videos, and the plan: which videos stand in which shard."""

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.parquet import read_parquet
from pipeline.shards.files import write_atomic
from pipeline.shards.foreign import parse_json, read_file
from pipeline.shards.limits import MAX_JSON_VALUES, MAX_PLAN_BYTES, MAX_ROWS, VIDEO, quoted
from pipeline.sources.source import Video

Plan = list[list[str]]
"""The ids of each shard's videos; shard `i` is `f"{i:06d}"`."""

_SCHEMA = pa.schema(
    [
        ("video", pa.string()),
        ("kind", pa.string()),
        ("uri", pa.string()),
        ("license", pa.string()),
        ("bytes", pa.int64()),
    ]
)


def extended(plan: Plan, videos: Iterable[str], videos_per_shard: int) -> Plan:
    """The plan for `videos`: what was planned stays where it is, what is gone leaves its shard, what is new is appended
    in shards of its own, by id. So a grown dataset makes new shards only, and a removed video changes only its shard.
    """
    present = set(videos)
    kept = [[video for video in shard if video in present] for shard in plan]
    planned = {video for shard in kept for video in shard}
    new = sorted(present - planned)
    return kept + [new[start : start + videos_per_shard] for start in range(0, len(new), videos_per_shard)]


def shard_digests(plan: Plan, videos: Iterable[Video]) -> list[str]:
    """One digest a shard, of all the catalog says about its videos: it changes when the shard must be rebuilt."""
    by_id = {video.video: video for video in videos}
    return [_digest([asdict(by_id[video]) for video in shard]) for shard in plan]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_plan(path: Path) -> Plan:
    """Reads plan.json; a dataset that has none yet has an empty plan.

    Raises:
        UserError: the file cannot be read or is not a plan.
    """
    if not path.exists():
        return []
    try:
        data = read_file(path, MAX_PLAN_BYTES)
        plan = parse_json(data, MAX_JSON_VALUES + len(data) // 6)["shards"]  # ids take more than two letters
        if not isinstance(plan, list) or not all(isinstance(shard, list) for shard in plan):
            raise TypeError("shards must be lists of videos")
        if not all(isinstance(video, str) for shard in plan for video in shard):
            raise TypeError("video ids must be text")
        if odd := [video for shard in plan for video in shard if not VIDEO.fullmatch(video)]:
            raise ValueError(f"{quoted(odd[0])} is no id of a video, which has letters, digits and _")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: not a plan ({error}): restore it, or delete it to plan afresh") from error
    return plan


def write_plan(path: Path, plan: Plan) -> None:
    """Writes plan.json, one shard a line."""
    lines = ",\n".join(f"  {json.dumps(shard)}" for shard in plan)
    write_atomic(path, f'{{"shards": [\n{lines}\n]}}\n'.encode())


def catalog_file(videos: Iterable[Video]) -> bytes:
    """The bytes of catalog.parquet: one row a video, in the order of the listing."""
    table = pa.Table.from_pylist([asdict(video) for video in videos], schema=_SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def write_catalog(path: Path, videos: Iterable[Video]) -> None:
    """Writes catalog.parquet."""
    write_atomic(path, catalog_file(videos))


def write_listing(dataset: Path, videos: list[Video], plan: Plan) -> None:
    """Writes a dataset's catalog.parquet and then its plan.json, where they differ from what is there."""
    catalog, planned = dataset / "catalog.parquet", dataset / "plan.json"
    killed = any(dataset.glob(".*.tmp"))  # what a run left that was killed here goes when they are written
    if killed or read_plan(planned) != plan or not catalog.exists() or read_catalog(catalog) != videos:
        write_catalog(catalog, videos)
        write_plan(planned, plan)


def read_catalog(path: Path, ids: Iterable[str] | None = None) -> list[Video]:
    """The catalog's videos; with `ids`, those alone and in that order.

    Raises:
        UserError: the catalog is missing or not a catalog, or lacks an id.
    """
    try:
        table = read_parquet(path, dict(zip(_SCHEMA.names, _SCHEMA.types, strict=True)), MAX_ROWS)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a catalog ({error}): run `snakemake` to write it again") from error
    if ids is None:
        return [Video(**row) for row in table.to_pylist()]
    ids = list(ids)
    wanted = pa.array(ids, pa.string())
    rows = {row["video"]: Video(**row) for row in table.filter(pc.is_in(table["video"], wanted)).to_pylist()}
    if missing := [video for video in ids if video not in rows]:
        raise UserError(f"{path}: lacks {missing[0]}, which plan.json names: run `snakemake` to write both again")
    return [rows[video] for video in ids]
