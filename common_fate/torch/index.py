"""What the manifest says: which shards there are, and where each sample's members lie."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common_fate.errors import ShardError
from common_fate.manifest.samples import read_samples
from common_fate.manifest.shards import read_shards
from common_fate.remote.folder import Folder
from common_fate.shards.keys import KEY
from common_fate.shards.limits import MAX_MEMBER_BYTES, MAX_SAMPLE_BYTES, quoted
from common_fate.shards.tar import BLOCK, END


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


def shard_rows(table: pa.Table) -> dict[str, ShardRow]:
    """The rows of `shards.parquet` by shard."""
    columns = (table[name].to_pylist() for name in ("shard", "bytes", "sha256", "samples"))
    return {shard: ShardRow(*facts) for shard, *facts in zip(*columns, strict=True)}


def read_index(folder: Folder) -> Index:
    """Reads a view's manifest.

    Raises:
        ShardError: it is missing, not a manifest, or its two tables do not agree.
    """
    shards = shard_rows(read_shards(folder.manifest))
    where = f"{folder}/samples.parquet"
    table = read_samples(folder.manifest)
    made = table.filter(pc.is_null(table["failure"]))
    extensions = [name.removesuffix(".offset") for name in table.column_names if name.endswith(".offset")]
    members = [f"{extension}.{what}" for what in ("offset", "size") for extension in extensions]
    made = made.select(["key", "shard", *members])
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
    counts = dict(zip(index.names, np.bincount(index.shard, minlength=len(index.names)).tolist(), strict=True))
    for name in [*counts, *shards]:
        said = shards[name].samples if name in shards else 0
        if counts.get(name, 0) != said:
            raise ShardError(
                f"{where}: has {counts.get(name, 0)} samples of shard {quoted(name)}, shards.parquet {said}"
            )
    first = np.flatnonzero(np.diff(index.shard, prepend=-1))  # the rows at which shards begin
    if len(first) != len(index.names):
        raise ShardError(f"{where}: the samples of a shard do not stand together")
    _check_keys(index, first, where)
    if extensions:
        _check_places(index, first, where)
    return index


def _check_keys(index: Index, first: NDArray[np.intp], where: str) -> None:
    """Raises ShardError where a key is none, or stands twice in its shard, which begin at the rows `first`."""
    keys = index.keys
    is_key = pc.match_substring_regex(keys, f"^(?:{KEY.pattern})$")
    if not pc.all(is_key, min_count=0).as_py():
        raise ShardError(f"{where}: {quoted(keys.filter(pc.invert(is_key))[0].as_py())} is no key of a sample")
    # Where keys ascend, as they nearly always do, none stands twice; counting them takes a second a million.
    ascend = pc.less(keys[:-1], keys[1:]).to_numpy(zero_copy_only=False) if len(keys) else np.empty(0, np.bool_)
    ascend[first[1:] - 1] = True
    ends = np.append(first[1:], len(keys))
    for number in np.unique(np.searchsorted(ends, np.flatnonzero(~ascend), side="right")):
        part = keys[int(first[number]) : int(ends[number])]
        if len(pc.unique(part)) < len(part):
            raise ShardError(f"{where}: a key stands twice in shard {index.names[index.shard[first[number]]]}")


def _check_places(index: Index, first: NDArray[np.intp], where: str) -> None:
    """Raises ShardError where members do not follow each other as they do in a tar, in which places follow from sizes.

    So no member lies within another or outside its shard, and none is larger than any of its kind.
    """
    sizes = index.sizes
    for column, extension in enumerate(index.extensions):
        most = MAX_MEMBER_BYTES[extension.rpartition(".")[2]]
        if ((sizes[:, column] < 0) | (sizes[:, column] > most)).any():
            raise ShardError(f"{where}: a size of {extension} is not from 0 to {most} bytes")
    if (sizes.sum(axis=1) > MAX_SAMPLE_BYTES).any():
        raise ShardError(f"{where}: a sample has more than {MAX_SAMPLE_BYTES} bytes")
    lengths = BLOCK + -(-sizes // BLOCK) * BLOCK
    starts = (np.cumsum(lengths.reshape(-1)) - lengths.reshape(-1)).reshape(sizes.shape)
    starts -= np.repeat(starts[first, :1], np.diff(first, append=len(sizes)), axis=0)
    wrong = (index.offsets != starts + BLOCK).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        shard, key = index.names[index.shard[row]], index.keys[row].as_py()
        raise ShardError(f"{where}: places {key} of shard {shard} where, by the sizes, no member begins")
    last = np.append(first[1:], len(sizes)) - 1
    for row, end in zip(last, starts[last, -1] + lengths[last, -1] + len(END), strict=True):
        shard = index.names[index.shard[row]]
        if end != index.shards[shard].bytes:
            raise ShardError(
                f"{where}: needs {end} bytes for shard {shard}, shards.parquet has {index.shards[shard].bytes}"
            )
