"""The manifest of a view: one row a sample, one row a shard, and what other libraries look for beside the tars."""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import ShardError
from pipeline.shards.files import atomic, write_atomic
from pipeline.shards.record import Record, file_sha256
from pipeline.shards.tar import BLOCK

SAMPLES, SHARDS, SUMS = "samples.parquet", "shards.parquet", "SHA256SUMS"
GROUP = 2**17
"""Rows of a row group of samples.parquet, or a little more: what a query for one sample reads."""


def write_manifest(folder: Path, shards: list[str], title: str) -> None:
    """Writes the manifest of the shards in a view's folder, from their records alone.

    `samples.parquet`: key, video, frame, shard, stage and failure (null for a sample that was made), and each member's
    `{extension}.offset` and `{extension}.size`, so that a sample can be read without scanning. `shards.parquet`: shard,
    file, bytes, sha256, samples, failures. `_info.json` is timm's, `sizes.json` open_clip's, `SHA256SUMS` what
    `sha256sum -c` reads, `croissant.json` the dataset's description in Croissant (mlcommons.org/croissant).

    Raises:
        ShardError: a record is missing or damaged.
    """
    extensions = next((record.extensions for record in _records(folder, shards) if record.samples), [])
    with atomic(folder / SAMPLES) as file:
        rows = write_samples(file, _alike(_records(folder, shards), extensions, folder), extensions)
    files = {
        SHARDS: _parquet(pa.Table.from_pylist(rows, schema=_SHARD_SCHEMA)),
        "_info.json": _json({"splits": {"train": _timm_split(rows)}}),
        "sizes.json": _json({row["file"]: row["samples"] for row in rows}),
        "README.md": _card(title, rows, extensions).encode(),
    }
    sums = {row["file"]: row["sha256"] for row in rows}
    sums |= {f"{shard}.json": file_sha256(folder / f"{shard}.json") for shard in shards}
    sums |= {SAMPLES: file_sha256(folder / SAMPLES)} | {name: _sha256(data) for name, data in files.items()}
    files["croissant.json"] = _json(_croissant(title, sums, extensions))
    sums["croissant.json"] = _sha256(files["croissant.json"])
    files[SUMS] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    for name, data in files.items():
        write_atomic(folder / name, data)


def _records(folder: Path, shards: list[str]) -> Iterator[Record]:
    """The records one by one: all the keys of 10^8 samples as Python objects would take tens of gigabytes."""
    return (Record.read(folder / f"{shard}.json") for shard in shards)


def _alike(records: Iterable[Record], extensions: list[str], folder: Path) -> Iterator[Record]:
    """Passes the records on. Raises `ShardError` where a shard's samples have other members."""
    for record in records:
        if record.samples and record.extensions != extensions:
            raise ShardError(f"{folder}/{record.shard}.tar: has members {record.extensions}, the others {extensions}")
        yield record


def write_samples(file: BinaryIO, records: Iterable[Record], extensions: list[str]) -> list[dict[str, Any]]:
    """Writes samples.parquet some shards at a time, and returns the rows of shards.parquet.

    Shards stand whole in row groups of a little more than `GROUP` rows. Keys rise within a shard, so the groups' least
    and greatest keys say which of them may hold a sample.
    """
    rows = []
    with pq.ParquetWriter(file, _sample_schema(extensions), compression="zstd") as writer:
        for group in _groups(records):
            table = _samples(group, extensions)
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
    """The manifest's samples. Raises `ShardError` where it is missing or not a manifest."""
    return _read(folder / SAMPLES)


def read_shards(folder: Path) -> pa.Table:
    """The manifest's shards. Raises `ShardError` where it is missing or not a manifest."""
    return _read(folder / SHARDS)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ShardError(f"{path}: not a manifest: {error}") from error


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


def _samples(records: list[Record], extensions: list[str]) -> pa.Table:
    """The rows of some shards in samples.parquet."""
    schema = _sample_schema(extensions)
    return pa.concat_tables([part(record, schema) for record in records for part in (_made, _failed)])


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


def _card(title: str, rows: list[dict[str, Any]], extensions: list[str]) -> str:
    failures = sum(row["failures"] for row in rows)
    notes = "\n".join(f"- {note}" for member, note in _NOTES.items() if member in extensions)
    return f"""# {title}

{sum(row["samples"] for row in rows)} samples in {len(rows)} shards ({failures} failures, listed in
`{SAMPLES}`), {sum(row["bytes"] for row in rows)} bytes. Each sample has the members
{", ".join(f"`{extension}`" for extension in extensions) or "(none)"}.

- Check it: `sha256sum -c {SUMS}`, or `python -m pipeline verify --full` on this folder.
- `{SAMPLES}` gives each sample's shard and the offset and size of its members; `{SHARDS}` each shard's sum.
{notes}
"""


def _croissant(title: str, sums: dict[str, str], extensions: list[str]) -> dict[str, Any]:
    """The folder in Croissant 1.0: its files with their sums, and the samples' table."""
    distribution = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": "application/x-tar" if name.endswith(".tar") else "application/vnd.apache.parquet",
            "sha256": sums[name],
        }
        for name in sorted(sums)
        if name.endswith((".tar", ".parquet"))
    ]
    columns = {"key": "sc:Text", "video": "sc:Text", "frame": "sc:Integer", "shard": "sc:Text", "failure": "sc:Text"}
    columns |= {f"{extension}.{what}": "sc:Integer" for extension in extensions for what in ("offset", "size")}
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"samples/{name}",
            "name": f"samples/{name}",
            "description": name,
            "dataType": kind,
            "source": {"fileObject": {"@id": SAMPLES}, "extract": {"column": name}},
        }
        for name, kind in columns.items()
    ]
    return {
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "sc": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "dct": "http://purl.org/dc/terms/",
            "conformsTo": "dct:conformsTo",
            "column": "cr:column",
            "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
            "extract": "cr:extract",
            "field": "cr:field",
            "fileObject": "cr:fileObject",
            "recordSet": "cr:recordSet",
            "source": "cr:source",
        },
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": title,
        "description": f"{title}: shards of {', '.join(extensions)}, with one row a sample.",
        "distribution": distribution,
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "field": fields,
            }
        ],
    }


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
