"""What the manifest says: which shards there are, and where each sample's members lie."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import ShardError
from pipeline.manifest import read_samples, read_shards
from pipeline.shards.tar import BLOCK


@dataclass(frozen=True)
class ShardRow:
    """A shard as the manifest has it."""

    bytes: int
    sha256: str
    samples: int


@dataclass(frozen=True)
class Index:
    """Every made sample of a view, in arrays: a million samples take 100 MB, and forked workers share them.

    `keys (N,)` text; `shard (N,)` into `names`; `offsets (N, M)` and `sizes (N, M)` in bytes, one column for each of
    `extensions`; `shards` by name.
    """

    keys: pa.Array
    shard: NDArray[np.int32]
    names: list[str]
    extensions: list[str]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    shards: dict[str, ShardRow]


def shard_rows(table: pa.Table, where: str) -> dict[str, ShardRow]:
    """The rows of `shards.parquet` by shard, which is a number and nothing that could lead out of the folder.

    Raises:
        ShardError: the table is not one that `write_manifest` writes.
    """
    rows = {}
    for row in _columns(table, ["shard", "bytes", "sha256", "samples"], where).to_pylist():
        if not isinstance(row["shard"], str) or not re.fullmatch("[0-9]{6,}", row["shard"]):
            raise ShardError(f"{where}: {row['shard']!r} does not name a shard")
        rows[row["shard"]] = ShardRow(row["bytes"], row["sha256"], row["samples"])
    return rows


def read_index(folder: Path) -> Index:
    """Reads a view's manifest.

    Raises:
        ShardError: it is missing, not a manifest, or its two tables do not agree.
    """
    shards = shard_rows(read_shards(folder), f"{folder}/shards.parquet")
    where = f"{folder}/samples.parquet"
    table = read_samples(folder)
    made = table.filter(pc.is_null(_columns(table, ["failure"], where)["failure"]))
    extensions = [name.removesuffix(".offset") for name in table.column_names if name.endswith(".offset")]
    members = [f"{extension}.{what}" for what in ("offset", "size") for extension in extensions]
    made = _columns(made, ["key", "shard", *members], where)
    if any(column.null_count for column in made.columns):
        raise ShardError(f"{where}: a sample that was made lacks its place")
    shard = made["shard"].combine_chunks().dictionary_encode()
    places = np.empty((made.num_rows, len(members)), np.int64)
    for number, name in enumerate(members):
        places[:, number] = made[name].to_numpy()
    offsets, sizes = places[:, : len(extensions)], places[:, len(extensions) :]
    index = Index(
        keys=made["key"].cast(pa.large_string()).combine_chunks(),  # 10^8 keys are more text than `string` can hold
        shard=shard.indices.to_numpy(),
        names=shard.dictionary.to_pylist(),
        extensions=extensions,
        offsets=offsets,
        sizes=sizes,
        shards=shards,
    )
    if (offsets < BLOCK).any() or (sizes < 0).any():
        raise ShardError(f"{where}: an offset or a size lies before the first member")
    counts = dict(zip(index.names, np.bincount(index.shard, minlength=len(index.names)).tolist(), strict=True))
    for name in [*counts, *shards]:
        said = shards[name].samples if name in shards else 0
        if counts.get(name, 0) != said:
            raise ShardError(f"{where}: has {counts.get(name, 0)} samples of shard {name}, shards.parquet {said}")
    return index


def _columns(table: pa.Table, names: list[str], where: str) -> Any:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ShardError(f"{where}: not a manifest: it lacks the column {missing[0]}")
    return table.select(names)
