"""`shards.parquet`: one row a shard."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common_fate.errors import ShardError
from common_fate.foreign.parquet import read_parquet
from common_fate.shards.limits import MAX_SAMPLES, MAX_SHARDS, SHARD, quoted
from common_fate.shards.record import Record

SHARDS = "shards.parquet"


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


def shard_row(record: Record) -> dict[str, Any]:
    """Returns the row of a shard, from its record."""
    return {
        "shard": record.shard,
        "file": f"{record.shard}.tar",
        "bytes": record.bytes,
        "sha256": record.sha256,
        "samples": record.samples,
        "failures": record.failed,
    }


def shards_file(rows: list[dict[str, Any]]) -> bytes:
    """Returns the bytes of shards.parquet."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SHARD_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def read_shards(folder: Path) -> pa.Table:
    """Reads the manifest's shards.

    Raises:
        ShardError: it is missing or not a manifest.
    """
    path = folder / SHARDS
    try:
        return parse_shards(path)
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: not a manifest: {error}") from error


def parse_shards(source: Path | bytes) -> pa.Table:
    """Reads `shards.parquet`, from its file or from its bytes. A shard's name becomes part of a path, so it is a
    number.

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
    for name, most in (("samples", MAX_SAMPLES), ("failures", 2**63 - 1), ("bytes", 2**63 - 1)):
        if not all(0 <= number <= most for number in table[name].to_pylist()):
            raise ValueError(f"a shard's {name} are not from 0 to {most}")
    return table
