"""The catalog of a dataset's videos, and the plan: which videos stand in which shard."""

import hashlib
import io
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common_fate.errors import UserError
from common_fate.foreign.files import open_file, parse_json, read_file
from common_fate.foreign.parquet import ParquetFile, opened
from common_fate.shards.files import write_atomic
from common_fate.shards.keys import VIDEO
from common_fate.shards.limits import MAX_JSON_VALUES, MAX_PLAN_BYTES, MAX_ROWS, quoted

RENDERED = ("synthetic", "world")
"""Source kinds of which a video's uri is all that determines it: it can be had anywhere."""


@dataclass(frozen=True, slots=True)  # of which there may be millions
class Video:
    """One row of the catalog.

    `video` is the id, `kind` the source kind that opens it, `uri` where it is (a path, or of what is rendered all that
    determines the rendering), `bytes` its size where the listing knows it (a changed size rebuilds the shard). `about`
    is a JSON object of what else the source knows, such as title and attribution: it goes with the video and shapes
    nothing.

    `modified` are the time stamps of its files, summed, by which it is known again in another place. `listed` is a JSON
    object of the `uri` and `license` that it was listed with first, where those are others now: digests keep to them,
    so that a video that was moved, or given a licence, is the same video.
    """

    video: str
    kind: str
    uri: str
    license: str | None = None
    bytes: int | None = None
    about: str | None = None
    modified: int | None = None
    listed: str | None = None


Plan = list[list[str]]
"""The ids of each shard's videos; shard `i` is `f"{i:06d}"`."""

_SCHEMA = pa.schema(
    [
        ("video", pa.string()),
        ("kind", pa.string()),
        ("uri", pa.string()),
        ("license", pa.string()),
        ("bytes", pa.int64()),
        ("about", pa.string()),
        ("modified", pa.int64()),
        ("listed", pa.string()),
    ]
)

_FIELDS = [field.name for field in fields(Video)]
_COLUMNS = dict(zip(_SCHEMA.names, _SCHEMA.types, strict=True))
_LATER = {"about", "modified", "listed"}  # columns, the last ones, that catalogs of former versions lack
_FIRST = b'{"shards": [\n'  # line of plan.json
_GROUP = 2**16  # rows of the catalog: what a job reads to find its shard's videos, which stand together


def extended(plan: Plan, videos: Iterable[str], videos_per_shard: int) -> Plan:
    """Returns the plan for `videos`: what was planned stays where it is, what is gone leaves its shard, what is new is
    appended in shards of its own, by id. So a grown dataset makes new shards only, and a removed video changes only its
    shard.
    """
    present = set(videos)
    kept = [[video for video in shard if video in present] for shard in plan]
    planned = {video for shard in kept for video in shard}
    new = sorted(present - planned)
    return kept + [new[start : start + videos_per_shard] for start in range(0, len(new), videos_per_shard)]


def shard_digests(plan: Plan, videos: Iterable[Video]) -> list[str]:
    """Returns one digest a shard, of the catalog's rows as its videos were first listed: it changes when the shard must
    be rebuilt.
    """
    by_id = {video.video: video for video in videos}
    return [_digest([_first_listed(by_id[video]) for video in shard]) for shard in plan]


def _first_listed(video: Video) -> dict[str, Any]:
    row = {name: getattr(video, name) for name in ("video", "kind", "bytes", "uri", "license")}
    return row | json.loads(video.listed) if video.listed else row


def _check_listed(texts: Iterable[str | None]) -> None:
    """Raises ValueError where one is not what `known_again` writes."""
    for text in filter(None, texts):
        values = parse_json(text.encode(), 16)
        if not isinstance(values, dict) or not values.keys() <= {"uri", "license"}:
            raise ValueError(f"{quoted(text)} is not how a video was listed before")


def known_again(video: Video, before: Video) -> Video:
    """Returns a video that is the same as one of an earlier listing, so that its digest stays."""
    now, first = ({"license": one.license, "uri": one.uri} for one in (video, before))
    first |= json.loads(before.listed or "{}")
    return replace(video, listed=None if first == now else json.dumps(first, ensure_ascii=False, sort_keys=True))


def about_digest(videos: Iterable[Video]) -> str:
    """Returns a digest of what the catalog says that shapes no shard but goes with it: licences, and what else is
    known.
    """
    return _digest(sorted((video.video, video.license, video.about) for video in videos))


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
        if len({video for shard in plan for video in shard}) < sum(map(len, plan)):
            raise ValueError("a video stands twice")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: not a plan ({error}): restore it, or delete it to plan afresh") from error
    return plan


def read_planned(path: Path, shard: int) -> list[str]:
    """Reads the ids of one shard's videos. A job asks for its own: of millions of videos, the plan would fill its
    memory.

    Raises:
        UserError: the file is not a plan, or plans no such shard.
    """
    try:
        with open_file(path) as file:
            ours = file.read(len(_FIRST)) == _FIRST  # as `write_plan` writes it, one shard a line
            line = next(islice(file, shard, None), b"") if ours else b""
        ids = json.loads(line.rstrip(b",\n"))
        if all(VIDEO.fullmatch(video) for video in ids):
            return list(ids)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError):
        pass  # it is read whole, and `read_plan` says what is wrong
    plan = read_plan(path)
    if shard >= len(plan):
        raise not_planned(path, plan, shard)
    return plan[shard]


def not_planned(path: Path, plan: Sequence[object], shard: int) -> UserError:
    """Returns what to raise for a shard beyond the plan at `path`."""
    return UserError(f"{path}: plans {len(plan)} shard{'s' * (len(plan) != 1)}; there is no shard {shard:06d}")


def write_plan(path: Path, plan: Plan) -> None:
    """Writes plan.json, one shard a line."""
    lines = ",\n".join(f"  {json.dumps(shard)}" for shard in plan)
    write_atomic(path, _FIRST + f"{lines}\n]}}\n".encode())


def catalog_file(videos: Iterable[Video]) -> bytes:
    """Returns the bytes of catalog.parquet: one row a video, in the order of the listing."""
    videos = list(videos)
    table = pa.table({name: [getattr(video, name) for video in videos] for name in _FIELDS}, schema=_SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=_GROUP)
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
    """Reads the catalog's videos; with `ids`, those alone and in that order.

    Raises:
        UserError: the catalog is missing or not a catalog, or lacks an id.
    """
    if ids is None:
        return list(read_known(path).values())
    ids = list(ids)
    by_id = read_known(path, ids)
    if missing := [video for video in ids if video not in by_id]:
        raise UserError(f"{path}: lacks {missing[0]}, which plan.json names: run `snakemake` to write both again")
    return [by_id[video] for video in ids]


def read_known(path: Path, ids: Collection[str] | None = None) -> dict[str, Video]:
    """Reads what a catalog says of videos, by their ids; with `ids`, of those alone that it has of them.

    Raises:
        UserError: the catalog is missing or not a catalog.
    """
    found: dict[str, Video] = {}
    try:
        with opened(path) as file:
            table = ParquetFile(file, MAX_ROWS)
            columns = {name: kind for name, kind in _COLUMNS.items() if name not in _LATER or name in table.names}
            table.check(columns)
            if ids is not None and not ids:
                return {}
            parts = table.parts(columns) if ids is None else [table.read(columns, among=("video", ids))]
            for rows in parts:
                if "listed" in columns:
                    _check_listed(rows["listed"].unique().to_pylist())
                for row in zip(*(rows[name].to_pylist() for name in columns), strict=True):
                    video = Video(*row)
                    if found.setdefault(video.video, video) is not video:
                        raise ValueError(f"the video {quoted(video.video)} stands twice")
                    if "\0" in (video.uri or ""):
                        raise ValueError(f"the video {quoted(video.video)} has a NUL character in its uri")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a catalog ({error}): run `snakemake` to write it again") from error
    return found


def read_told(path: Path) -> Iterator[pa.Table]:
    """Yields `video`, `license` and `about` of a catalog, which may be large, some rows at a time. Raises as
    `read_known`.
    """
    try:
        with opened(path) as file:
            table = ParquetFile(file, MAX_ROWS)
            table.check({name: kind for name, kind in _COLUMNS.items() if name not in _LATER or name in table.names})
            names = ["video", "license", *({"about"} & set(table.names))]
            yield from table.parts({name: _COLUMNS[name] for name in names})
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a catalog ({error}): run `snakemake` to write it again") from error
