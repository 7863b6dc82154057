"""A view as a stream of whole shards, for shards that are far away or too many to keep open."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import webdataset as wds

from common_fate.errors import ShardError
from common_fate.manifest.shards import SHARDS, read_shards
from common_fate.remote.cache import Cache
from common_fate.remote.folder import Folder, open_folder
from common_fate.shards.stream import stream_samples
from common_fate.torch.ahead import one_ahead
from common_fate.torch.index import ShardRow, shard_rows
from common_fate.torch.sample import Sample, Transform, to_sample

Encoded = tuple[str, str, dict[str, bytes]]
"""The shard's name, key, members."""


def stream(
    folder: str | Path,
    transform: Transform | None = None,
    *,
    seed: int | None = None,
    epoch: int = 0,
    buffer: int = 1000,
    cache: Cache | None = None,
) -> Any:
    """Returns one epoch of a view as a `webdataset` pipeline: whole shards, dealt out to ranks and then to workers.

    Samples are those of `ShardDataset`. Ranks and workers get whole shards, so their shares differ; a trainer that
    needs equal ones, full shuffling or to resume midway uses `ShardDataset`.

    Args:
        folder: its path, or its address on another machine (`https://`, `s3://`): then each shard is copied into
            `cache` while the one before it is being read.
        seed: shuffles the shards, and the samples within a buffer of `buffer` encoded ones, by `(seed, epoch)`; without
            it all come in order.
        cache: by default a folder in the user's own for caches; all workers and processes share it.

    Raises:
        UserError: the address cannot be read; iterating raises it, too.
        ShardError: the manifest cannot be read. Iterating raises it for a missing or damaged shard or sample, and where
            there are fewer shards than ranks times workers, so that some would have nothing to read.
    """
    view = open_folder(folder, cache, (SHARDS,))
    shards = shard_rows(read_shards(view.manifest))
    if not shards:
        raise ShardError(f"{view}/{SHARDS}: lists no shard")
    names, shuffle = list(shards), []
    if seed is not None:
        rng = np.random.default_rng((seed, epoch))
        names = [names[number] for number in rng.permutation(len(names))]
        shuffle = [wds.shuffle(buffer, initial=buffer, seed=int(rng.integers(2**63)))]
    return wds.DataPipeline(
        wds.SimpleShardList(names),
        partial(_enough_for_all, shards=len(names), where=str(view)),
        wds.split_by_node,
        wds.split_by_worker,
        partial(_read_shards, view=view, shards=shards),
        *shuffle,
        wds.map(partial(_to_sample, epoch=epoch, view=view, shards=shards)),
        *([wds.map(transform)] if transform else []),
    )


def _enough_for_all(sources: Iterator[dict[str, str]], shards: int, where: str) -> Iterator[dict[str, str]]:
    """Passes the shards on; counts ranks and workers as `split_by_node` and `split_by_worker` do."""
    _, ranks, _, workers = wds.utils.pytorch_worker_info()
    if shards < ranks * workers:
        most = f"a num_workers of at most {shards // ranks}" if shards >= ranks else f"at most {shards} ranks"
        raise ShardError(
            f"{where}: {shards} shards are fewer than ranks times workers, {ranks} x {workers}: take {most}, make "
            "smaller shards (videos_per_shard), or read by offsets (ShardDataset)"
        )
    yield from sources


def _read_shards(sources: Iterator[dict[str, str]], view: Folder, shards: dict[str, ShardRow]) -> Iterator[Encoded]:
    def opened(name: str) -> tuple[str, BinaryIO]:
        try:
            return name, view.open(name, shards[name].bytes, shards[name].sha256)
        except OSError as error:
            raise ShardError(f"{view}/{name}.tar: cannot be opened: {error.strerror}") from error

    for name, file in one_ahead(opened, (source["url"] for source in sources)):
        where, row = f"{view}/{name}.tar", shards[name]
        with file:
            try:
                for key, members in stream_samples(file, where, row.bytes, row.samples, row.sha256):
                    yield name, key, members
            except ShardError as error:
                raise _explained(str(error), view, row) from error


def _to_sample(encoded: Encoded, epoch: int, view: Folder, shards: dict[str, ShardRow]) -> Sample:
    name, key, members = encoded
    try:
        return to_sample(key, members, epoch)
    except ValueError as error:
        raise _explained(f"{view}/{name}.tar: {key}: {error}", view, shards[name]) from error


def _explained(fault: str, view: Folder, row: ShardRow) -> ShardError:
    """Samples before the fault are gone by: so a damaged copy is not fetched again here, but by whoever runs again."""
    copy = " (the copy in the cache was damaged and is removed: run again)" if view.drop_damaged(row.sha256) else ""
    return ShardError(fault + copy)
