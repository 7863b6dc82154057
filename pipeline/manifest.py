"""The manifest of a view: one row a sample, one row a shard, and what other libraries look for beside the tars."""

import hashlib
import io
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.croissant import Publication, croissant
from pipeline.errors import ShardError
from pipeline.parquet import ParquetFile, opened, read_parquet
from pipeline.shards.files import atomic, readable, sync
from pipeline.shards.limits import (
    MAX_EXTENSIONS,
    MAX_ROWS,
    MAX_SAMPLES,
    MAX_SHARDS,
    SHARD,
    check_extension,
    quoted,
)
from pipeline.shards.record import Record, file_sha256

SAMPLES, SHARDS, SUMS = "samples.parquet", "shards.parquet", "SHA256SUMS"
MAX_SUMS_BYTES = 256 * 2**20


def write_manifest(folder: Path, shards: list[str], title: str) -> None:
    """Writes the manifest of the shards in a view's folder, from their records alone.

    `samples.parquet`: key, video, frame, shard, stage and failure (null for a sample that was made), and each member's
    `{extension}.offset` and `{extension}.size`, so that a sample can be read without scanning. `shards.parquet`: shard,
    file, bytes, sha256, samples, failures. `_info.json` is timm's, `sizes.json` open_clip's, `SHA256SUMS` what
    `sha256sum -c` reads, `croissant.json` the dataset's description in Croissant (mlcommons.org/croissant).

    Raises:
        ShardError: a record is missing or damaged.
    """
    records = [Record.read(folder / f"{shard}.json") for shard in shards]
    extensions = members(folder, records)
    files = manifest_tables(records, extensions) | {"README.md": _card(title, records, extensions).encode()}
    sums = shard_sums(folder, records) | sums_of(files)
    description = f"{title}: shards of {', '.join(extensions)}, with one row a sample."
    files["croissant.json"] = as_json(croissant(title, description, sums, {SAMPLES: extensions}, Publication()))
    files[SUMS] = sums_file(sums | sums_of(files))
    # None of them stands under its name before all are on the disk. The stack closes backwards: the sums come last.
    with ExitStack() as stack:
        written = {name: stack.enter_context(atomic(folder / name)) for name in reversed(files)}
        for name, data in files.items():
            written[name].write(data)
            sync(written[name])


def members(folder: Path, records: list[Record]) -> list[str]:
    """The extensions of a folder's samples. Raises `ShardError` where shards differ in them."""
    extensions = next((record.extensions for record in records if record.samples), [])
    for record in records:
        if frameless := [key for key in record.keys if "-" not in key]:
            raise ShardError(f"{folder}/{record.shard}.json: the sample {frameless[0]} is of no frame")
        if record.samples and record.extensions != extensions:
            raise ShardError(f"{folder}/{record.shard}.tar: has members {record.extensions}, the others {extensions}")
    return extensions


def manifest_tables(records: list[Record], extensions: list[str]) -> dict[str, bytes]:
    """The manifest's files that are read by machines, from the records alone."""
    return {
        SAMPLES: _parquet(_samples(records, extensions)),
        SHARDS: _parquet(pa.Table.from_pylist([_shard_row(record) for record in records], schema=_SHARD_SCHEMA)),
        "_info.json": as_json({"splits": {"train": _timm_split(records)}}),
        "sizes.json": as_json({f"{record.shard}.tar": record.samples for record in records}),
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


def read_samples(folder: Path) -> pa.Table:
    """The manifest's samples; columns that others may have added are left out.

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


def _samples(records: list[Record], extensions: list[str]) -> pa.Table:
    """The rows of samples.parquet, shard by shard: a million samples as Python objects would take gigabytes."""
    schema = _sample_schema(extensions)
    return pa.concat_tables([part(record, schema) for record in records for part in (_made, _failed)])


def _made(record: Record, schema: pa.Schema) -> pa.Table:
    names = [key.rpartition("-") for key in record.keys]
    columns: dict[str, Any] = {
        "key": record.keys,
        "video": [video for video, _, _ in names],
        "frame": [int(frame) for _, _, frame in names],
        "shard": [record.shard] * record.samples,
    }
    for what, rows in (("offset", record.offsets()), ("size", record.sizes)):
        for extension, column in zip(record.extensions, zip(*rows, strict=True), strict=False):
            columns[f"{extension}.{what}"] = column
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
    given = {field.name: pa.array(columns.get(field.name, [None] * rows), field.type) for field in schema}
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


def _timm_split(records: list[Record]) -> dict[str, Any]:
    return {
        "name": "train",
        "num_samples": sum(record.samples for record in records),
        "filenames": [f"{record.shard}.tar" for record in records],
        "shard_lengths": [record.samples for record in records],
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


def _card(title: str, records: list[Record], extensions: list[str]) -> str:
    failures = sum(len(record.failures) for record in records)
    notes = "\n".join(f"- {note}" for member, note in _NOTES.items() if member in extensions)
    return f"""# {title}

{sum(record.samples for record in records)} samples in {len(records)} shards ({failures} failures, listed in
`{SAMPLES}`), {sum(record.bytes for record in records)} bytes. Each sample has the members
{", ".join(f"`{extension}`" for extension in extensions) or "(none)"}.

- Check it: `sha256sum -c {SUMS}`, or `python -m pipeline verify --full` on this folder.
- `{SAMPLES}` gives each sample's shard and the offset and size of its members; `{SHARDS}` each shard's sum.
{notes}
"""


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
