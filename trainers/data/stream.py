"""A view as a stream of whole shards, for shards that are far away or too many to map."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import webdataset as wds

from pipeline.errors import ShardError
from pipeline.manifest import SHARDS, parse_shards
from pipeline.shards.foreign import open_file
from pipeline.shards.limits import MAX_TABLE_BYTES
from pipeline.shards.stream import stream_samples
from trainers.data.index import ShardRow, shard_rows
from trainers.data.sample import Sample, Transform, to_sample

Encoded = tuple[str, str, dict[str, bytes]]
"""Where it comes from, key, members."""


def stream(
    folder: str | Path,
    transform: Transform | None = None,
    *,
    seed: int | None = None,
    epoch: int = 0,
    buffer: int = 1000,
) -> Any:
    """One epoch of a view as a `webdataset` pipeline: whole shards, dealt out to ranks and then to workers.

    Samples are those of `ShardDataset`. Ranks and workers get whole shards, so their shares differ; a trainer that
    needs equal ones, full shuffling or to resume midway uses `ShardDataset`.

    Args:
        folder: a path or URL that webdataset opens (`http:` through `curl`); its manifest says which shards there are.
        seed: shuffles the shards, and the samples within a buffer of `buffer` encoded ones, by `(seed, epoch)`; without
            it all come in order.

    Raises:
        ShardError: the manifest cannot be read. Iterating raises it for a missing or damaged shard or sample, and where
            there are fewer shards than ranks times workers, so that some would have nothing to read.
    """
    base = str(folder).rstrip("/")
    rows = shard_rows(_read_shard_table(f"{base}/{SHARDS}"))
    shards = {f"{base}/{name}.tar": row for name, row in rows.items()}
    if not shards:
        raise ShardError(f"{base}/{SHARDS}: lists no shard")
    urls, shuffle = list(shards), []
    if seed is not None:
        rng = np.random.default_rng((seed, epoch))
        urls = [urls[number] for number in rng.permutation(len(urls))]
        shuffle = [wds.shuffle(buffer, initial=buffer, seed=int(rng.integers(2**63)))]
    return wds.DataPipeline(
        wds.SimpleShardList(urls),
        partial(_enough_for_all, shards=len(urls), where=base),
        wds.split_by_node,
        wds.split_by_worker,
        partial(_read_shards, shards=shards),
        *shuffle,
        wds.map(partial(_to_sample, epoch=epoch)),
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


def _read_shards(sources: Iterator[dict[str, str]], shards: dict[str, ShardRow]) -> Iterator[Encoded]:
    for source in sources:
        url = source["url"]
        row = shards[url]
        try:
            with _open(url) as file:
                for key, members in stream_samples(file, url, row.bytes, row.samples, row.sha256):
                    yield url, key, members
        except OSError as error:  # closing a pipe says how its command ended
            raise ShardError(f"{url}: cannot be read: {error}") from error


def _to_sample(encoded: Encoded, epoch: int) -> Sample:
    url, key, members = encoded
    try:
        return to_sample(key, members, epoch)
    except ValueError as error:
        raise ShardError(f"{url}: {key}: {error}") from error


def _read_shard_table(url: str) -> pa.Table:
    try:
        with _open(url) as file:
            data = file.read(MAX_TABLE_BYTES + 1)
        if len(data) > MAX_TABLE_BYTES:
            raise ValueError(f"larger than {MAX_TABLE_BYTES} bytes")
        return parse_shards(data)
    except (OSError, ValueError) as error:
        raise ShardError(f"{url}: not a manifest, or it cannot be read: {error}") from error


def _open(url: str) -> Any:
    try:
        return wds.gopen(url) if ":" in url else open_file(Path(url))
    except (OSError, ValueError) as error:
        raise ShardError(f"{url}: cannot be opened: {error}") from error
