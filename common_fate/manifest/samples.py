"""`samples.parquet`: one row a sample or failure, with the place of each member in its shard."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common_fate.datasets.catalog import Video
from common_fate.errors import ShardError
from common_fate.foreign.parquet import ParquetFile, opened
from common_fate.manifest.shards import shard_row
from common_fate.shards.keys import frame_of, video_of
from common_fate.shards.limits import MAX_EXTENSIONS, MAX_ROWS, check_extension
from common_fate.shards.record import Record
from common_fate.shards.tar import BLOCK

SAMPLES = "samples.parquet"
LICENSE = "license"
GROUP = 2**17
"""Rows of a row group, or a little more: what a query for one sample reads."""


def checked_alike(records: Iterable[Record], extensions: list[str], folder: Path) -> Iterator[Record]:
    """Passes the records on. Raises `ShardError` where a shard's samples have other members."""
    for record in records:
        if frameless := [key for key in record.keys if "-" not in key]:
            raise ShardError(f"{folder}/{record.shard}.json: the sample {frameless[0]} is of no frame")
        if record.samples and record.extensions != extensions:
            raise ShardError(f"{folder}/{record.shard}.tar: has members {record.extensions}, the others {extensions}")
        yield record


def write_samples(
    file: BinaryIO, records: Iterable[Record], extensions: list[str], videos: Sequence[Video] = ()
) -> tuple[list[dict[str, Any]], list[Video]]:
    """Writes samples.parquet some shards at a time; returns the rows of shards.parquet, and the videos of all samples.

    These are those given, and then those that samples are of and of which nothing is known.

    Shards stand whole in row groups of a little more than `GROUP` rows. Keys rise within a shard, so the groups' least
    and greatest keys say which of them may hold a sample.
    """
    rows = []
    known = {video.video: video for video in videos}
    licenses = {video.video: video.license for video in videos}
    with pq.ParquetWriter(file, _written_schema(extensions), compression="zstd") as writer:
        for group in _groups(records):
            table = _samples(group, extensions, licenses)
            known |= {name: Video(name, "", "") for name in pc.unique(table["video"]).to_pylist() if name not in known}
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            rows += [shard_row(record) for record in group]
    return rows, list(known.values())


def rows_of(record: Record, extensions: list[str]) -> tuple[pa.Table, pa.Table]:
    """Returns the rows of a shard's samples and those of its failures, without the licence."""
    schema = _sample_schema(extensions)
    return _made(record, schema), _failed(record, schema)


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    group, size = list[Record](), 0
    for record in records:
        group.append(record)
        size += record.samples + len(record.failures)
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def read_samples(folder: Path, licensed: bool = False) -> pa.Table:
    """Reads the manifest's samples; what others may have added is left out.

    Args:
        licensed: also `license`, where it is there: former versions lack it.

    Raises:
        ShardError: it is missing, not a manifest, or would take far more memory than its bytes are worth.
    """
    path = folder / SAMPLES
    try:
        with opened(path) as file:
            table = ParquetFile(file, MAX_ROWS)
            members = [name.removesuffix(".offset") for name in table.names if name.endswith(".offset")]
            for extension in members[: MAX_EXTENSIONS + 1]:
                check_extension(extension)
            if len(members) > MAX_EXTENSIONS:
                raise ValueError(f"it has {len(members)} members a sample; at most {MAX_EXTENSIONS}")
            schema = _sample_schema(members)
            if licensed and LICENSE in table.names:
                schema = _written_schema(members)
            return table.read(dict(zip(schema.names, schema.types, strict=True)))
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: not a manifest: {error}") from error


def _sample_schema(extensions: list[str]) -> pa.Schema:
    text = [(name, pa.string()) for name in ("key", "video")]
    more = [("frame", pa.int64()), *((name, pa.string()) for name in ("shard", "stage", "failure"))]
    members = [(f"{extension}.{what}", pa.int64()) for extension in extensions for what in ("offset", "size")]
    return pa.schema([*text, *more, *members])


def _written_schema(extensions: list[str]) -> pa.Schema:
    schema = _sample_schema(extensions)
    return schema.insert(schema.get_field_index("failure") + 1, pa.field(LICENSE, pa.string()))


def _samples(records: list[Record], extensions: list[str], licenses: Mapping[str, str | None]) -> pa.Table:
    """The rows of some shards in samples.parquet."""
    table = pa.concat_tables([part for record in records for part in rows_of(record, extensions)])
    videos = table["video"].combine_chunks().dictionary_encode()
    known = pa.array([licenses.get(video) for video in videos.dictionary.to_pylist()], pa.string())
    wanted = _written_schema(extensions)
    return table.add_column(wanted.get_field_index(LICENSE), LICENSE, known.take(videos.indices)).cast(wanted)


def _made(record: Record, schema: pa.Schema) -> pa.Table:
    keys = pa.array(record.keys, pa.string())
    names = pc.split_pattern(keys, "-", max_splits=1, reverse=True)
    columns: dict[str, Any] = {
        "key": keys,
        "video": pc.list_element(names, 0),
        "frame": pc.list_element(names, 1).cast(pa.int64()),
        "shard": pa.repeat(record.shard, record.samples),
    }
    sizes = np.array(record.sizes, np.int64).reshape(record.samples, len(record.extensions))
    room = -(-sizes // BLOCK) * BLOCK  # in the tar
    offsets = np.cumsum(BLOCK + room).reshape(sizes.shape) - room  # as Record.offsets, but faster
    for i, extension in enumerate(record.extensions):
        columns |= {f"{extension}.offset": offsets[:, i], f"{extension}.size": sizes[:, i]}
    return _table(columns, record.samples, schema)


def _failed(record: Record, schema: pa.Schema) -> pa.Table:
    """The failure of a whole video has the video's id as its key, and no frame."""
    keys = [failure["key"] for failure in record.failures]
    columns = {
        "key": keys,
        "video": [video_of(key) for key in keys],
        "frame": [frame_of(key) for key in keys],
        "shard": [record.shard] * len(keys),
        "stage": [failure["stage"] for failure in record.failures],
        "failure": [failure["reason"] for failure in record.failures],
    }
    return _table(columns, len(keys), schema)


def _table(columns: dict[str, Any], rows: int, schema: pa.Schema) -> pa.Table:
    """A table of the schema; columns that are not given are null."""
    given = {
        field.name: pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    }
    return pa.table(given, schema=schema)
