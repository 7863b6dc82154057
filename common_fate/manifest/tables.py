"""The manifest of a view: one row a sample, one row a shard, and what other libraries look for beside the tars."""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common_fate.errors import ShardError
from common_fate.foreign.parquet import ParquetFile, opened, read_parquet
from common_fate.manifest.croissant import Publication, croissant
from common_fate.manifest.videos import VIDEOS, licence_table, videos_file
from common_fate.shards.files import atomic, readable, sync
from common_fate.shards.limits import (
    MAX_EXTENSIONS,
    MAX_ROWS,
    MAX_SAMPLES,
    MAX_SHARDS,
    SHARD,
    check_extension,
    quoted,
)
from common_fate.shards.record import Record, file_sha256
from common_fate.shards.tar import BLOCK

if TYPE_CHECKING:  # the sources, which need far more than whoever reads a manifest
    from pipeline.sources.source import Video

SAMPLES, SHARDS, SUMS = "samples.parquet", "shards.parquet", "SHA256SUMS"
MAX_SUMS_BYTES = 256 * 2**20
GROUP = 2**17
"""Rows of a row group of samples.parquet, or a little more: what a query for one sample reads."""
INFO, SIZES, CARD, CROISSANT = "_info.json", "sizes.json", "README.md", "croissant.json"


def write_manifest(folder: Path, shards: list[str], title: str, videos: "Sequence[Video]" = ()) -> None:
    """Writes the manifest of the shards in a view's folder, from their records and what is known of their videos.

    `samples.parquet`: key, video, frame, shard, stage and failure (null for a sample that was made), license, and each
    member's `{extension}.offset` and `{extension}.size`, so that a sample can be read without scanning.
    `shards.parquet`: shard, file, bytes, sha256, samples, failures. `videos.parquet`: see `videos_file`. `_info.json`
    is timm's, `sizes.json` open_clip's, `SHA256SUMS` what `sha256sum -c` reads, `croissant.json` the dataset's
    description in Croissant (mlcommons.org/croissant).

    Raises:
        ShardError: a record is missing or damaged.
    """
    extensions = next((record.extensions for record in _records(folder, shards) if record.samples), [])
    # None of them stands under its name before all are on the disk. The stack closes backwards: the sums come last.
    with ExitStack() as stack:
        names = (SUMS, CROISSANT, CARD, VIDEOS, SIZES, INFO, SHARDS, SAMPLES)
        written = {name: stack.enter_context(atomic(folder / name)) for name in names}
        records = _alike(_records(folder, shards), extensions, folder)
        rows = write_samples(written[SAMPLES], records, extensions, videos)
        sync(written[SAMPLES])
        files = _shard_tables(rows) | {VIDEOS: videos_file(videos)}
        files[CARD] = _card(title, rows, extensions, videos).encode()
        sums = {row["file"]: row["sha256"] for row in rows}
        sums |= {f"{shard}.json": _file_sum(folder / f"{shard}.json") for shard in shards}
        sums |= {SAMPLES: _file_sum(Path(written[SAMPLES].name))} | sums_of(files)
        description = f"{title}: shards of {', '.join(extensions)}, with one row a sample."
        files[CROISSANT] = as_json(croissant(title, description, sums, {SAMPLES: extensions}, Publication()))
        files[SUMS] = sums_file(sums | sums_of(files))
        for name, data in files.items():
            written[name].write(data)
            sync(written[name])


def members(folder: Path, records: list[Record]) -> list[str]:
    """The extensions of a folder's samples. Raises `ShardError` where shards differ in them."""
    extensions = next((record.extensions for record in records if record.samples), [])
    for _ in _alike(records, extensions, folder):
        pass
    return extensions


def manifest_tables(records: list[Record], extensions: list[str], videos: "Sequence[Video]") -> dict[str, bytes]:
    """The manifest's files that are read by machines, from the records and what is known of their videos."""
    buffer = io.BytesIO()
    rows = write_samples(buffer, records, extensions, videos)
    return {SAMPLES: buffer.getvalue(), VIDEOS: videos_file(videos)} | _shard_tables(rows)


def _shard_tables(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    return {
        SHARDS: _parquet(pa.Table.from_pylist(rows, schema=_SHARD_SCHEMA)),
        INFO: as_json({"splits": {"train": _timm_split(rows)}}),
        SIZES: as_json({row["file"]: row["samples"] for row in rows}),
    }


def shard_sums(folder: Path, records: list[Record]) -> dict[str, str]:
    """The sha256 of each tar, as recorded, and of each record."""
    sums = {f"{record.shard}.tar": record.sha256 for record in records}
    return sums | {f"{record.shard}.json": _file_sum(folder / f"{record.shard}.json") for record in records}


def sums_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """The sha256 of each file."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def read_sums(path: Path) -> dict[str, str]:
    """The sums of SHA256SUMS by file. Raises ValueError where it is not what `sha256sum -c` reads, or beyond reason."""
    if path.stat().st_size > MAX_SUMS_BYTES:
        raise ValueError(f"larger than {MAX_SUMS_BYTES} bytes")
    return {name: digest for digest, name in (line.split("  ") for line in path.read_text().splitlines())}


def sums_file(sums: Mapping[str, str]) -> bytes:
    """What `sha256sum -c` reads."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def _records(folder: Path, shards: list[str]) -> Iterator[Record]:
    """The records one by one: all the keys of 10^8 samples as Python objects would take tens of gigabytes."""
    return (Record.read(folder / f"{shard}.json") for shard in shards)


def _alike(records: Iterable[Record], extensions: list[str], folder: Path) -> Iterator[Record]:
    """Passes the records on. Raises `ShardError` where a shard's samples have other members."""
    for record in records:
        if frameless := [key for key in record.keys if "-" not in key]:
            raise ShardError(f"{folder}/{record.shard}.json: the sample {frameless[0]} is of no frame")
        if record.samples and record.extensions != extensions:
            raise ShardError(f"{folder}/{record.shard}.tar: has members {record.extensions}, the others {extensions}")
        yield record


def write_samples(
    file: BinaryIO, records: Iterable[Record], extensions: list[str], videos: "Sequence[Video]" = ()
) -> list[dict[str, Any]]:
    """Writes samples.parquet some shards at a time, and returns the rows of shards.parquet.

    Shards stand whole in row groups of a little more than `GROUP` rows. Keys rise within a shard, so the groups' least
    and greatest keys say which of them may hold a sample.
    """
    rows = []
    licenses = {video.video: video.license for video in videos}
    with pq.ParquetWriter(file, _written_schema(extensions), compression="zstd") as writer:
        for group in _groups(records):
            table = _samples(group, extensions, licenses)
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            rows += [_shard_row(record) for record in group]
    return rows


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


def read_samples(folder: Path) -> pa.Table:
    """The manifest's samples; the licence, which former versions lack, and what others may have added are left out.

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
            return table.read(dict(zip(schema.names, schema.types, strict=True)))
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: not a manifest: {error}") from error


def read_shards(folder: Path) -> pa.Table:
    """The manifest's shards.

    Raises:
        ShardError: it is missing or not a manifest.
    """
    path = folder / SHARDS
    try:
        return parse_shards(path)
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: not a manifest: {error}") from error


def parse_shards(source: Path | bytes) -> pa.Table:
    """`shards.parquet`, from its file or from its bytes. A shard's name becomes part of a path, so it is a number.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is none, or a row is of no shard, or of one that had its row.
    """
    table = read_parquet(source, dict(zip(_SHARD_SCHEMA.names, _SHARD_SCHEMA.types, strict=True)), MAX_SHARDS)
    if any(column.null_count for column in table.columns):
        raise ValueError("a shard lacks its facts")
    names = table["shard"].to_pylist()
    if odd := [name for name in names if not SHARD.fullmatch(name)]:
        raise ValueError(f"{quoted(odd[0])} does not name a shard")
    if len(set(names)) < len(names):
        raise ValueError("a shard stands twice")
    for name, most in (("samples", MAX_SAMPLES), ("failures", MAX_SAMPLES), ("bytes", 2**63 - 1)):
        if not all(0 <= number <= most for number in table[name].to_pylist()):
            raise ValueError(f"a shard's {name} are not from 0 to {most}")
    return table


_SHARD_SCHEMA = pa.schema(
    [
        ("shard", pa.string()),
        ("file", pa.string()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("samples", pa.int64()),
        ("failures", pa.int64()),
    ]
)


def _sample_schema(extensions: list[str]) -> pa.Schema:
    text = [(name, pa.string()) for name in ("key", "video")]
    more = [("frame", pa.int64()), *((name, pa.string()) for name in ("shard", "stage", "failure"))]
    members = [(f"{extension}.{what}", pa.int64()) for extension in extensions for what in ("offset", "size")]
    return pa.schema([*text, *more, *members])


def _written_schema(extensions: list[str]) -> pa.Schema:
    schema = _sample_schema(extensions)
    return schema.insert(schema.get_field_index("failure") + 1, pa.field("license", pa.string()))


def _samples(records: list[Record], extensions: list[str], licenses: Mapping[str, str | None]) -> pa.Table:
    """The rows of some shards in samples.parquet."""
    schema = _sample_schema(extensions)
    table = pa.concat_tables([part(record, schema) for record in records for part in (_made, _failed)])
    videos = table["video"].combine_chunks().dictionary_encode()
    known = pa.array([licenses.get(video) for video in videos.dictionary.to_pylist()], pa.string())
    wanted = _written_schema(extensions)
    return table.add_column(wanted.get_field_index("license"), "license", known.take(videos.indices)).cast(wanted)


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
    names = [failure["key"].rpartition("-") for failure in record.failures]
    columns = {
        "key": [failure["key"] for failure in record.failures],
        "video": [video if dash else frame for video, dash, frame in names],
        "frame": [int(frame) if dash else None for _, dash, frame in names],
        "shard": [record.shard] * len(names),
        "stage": [failure["stage"] for failure in record.failures],
        "failure": [failure["reason"] for failure in record.failures],
    }
    return _table(columns, len(names), schema)


def _table(columns: dict[str, Any], rows: int, schema: pa.Schema) -> pa.Table:
    """A table of the schema; columns that are not given are null."""
    given = {
        field.name: pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    }
    return pa.table(given, schema=schema)


def _shard_row(record: Record) -> dict[str, Any]:
    return {
        "shard": record.shard,
        "file": f"{record.shard}.tar",
        "bytes": record.bytes,
        "sha256": record.sha256,
        "samples": record.samples,
        "failures": len(record.failures),
    }


def _timm_split(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": "train",
        "num_samples": sum(row["samples"] for row in rows),
        "filenames": [row["file"] for row in rows],
        "shard_lengths": [row["samples"] for row in rows],
    }


ATTRIBUTIONS = (
    f"`{VIDEOS}` has the licence of each video, who is to be credited (`attribution`), its title and its page."
)

_NOTES = {  # of the card, by the member they are about
    "flow.b2": (
        "Flow (`.b2`) is `u, v` in pixels, channels first; the shards' records (`NNNNNN.json`) say how it was made."
    ),
    "tree.npy": (
        "Trees (`.tree.npy`) are SciPy linkage matrices of the regions; their heights are on the ultrametric contour\n"
        "  map's scale, [0, 1]: scale them to the temperature that you draw with."
    ),
    "superpixels.png": "Superpixels (`.superpixels.png`) are labels of 16 bits, 0 to n-1.",
}


def _card(title: str, rows: list[dict[str, Any]], extensions: list[str], videos: "Sequence[Video]") -> str:
    failures = sum(row["failures"] for row in rows)
    licences = f"\n## Licences\n\n{licence_table(videos)}\n\n{ATTRIBUTIONS}\n" if videos else ""
    notes = "\n".join(f"- {note}" for member, note in _NOTES.items() if member in extensions)
    return f"""# {title}

{sum(row["samples"] for row in rows)} samples in {len(rows)} shards ({failures} failures, listed in
`{SAMPLES}`), {sum(row["bytes"] for row in rows)} bytes. Each sample has the members
{", ".join(f"`{extension}`" for extension in extensions) or "(none)"}.

- Check it: `sha256sum -c {SUMS}`, or `python -m pipeline verify --full` on this folder.
- `{SAMPLES}` gives each sample's shard and the offset and size of its members; `{SHARDS}` each shard's sum.
{notes}
{licences}"""


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def as_json(value: Any) -> bytes:
    """A JSON file for people and machines."""
    return (json.dumps(value, indent=1) + "\n").encode()


def _file_sum(path: Path) -> str:
    with readable(path):
        return file_sha256(path)
