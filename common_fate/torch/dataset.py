"""A view as a map-style dataset: any sample at once, by the manifest's offsets."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import torch
from torch.utils.data import Dataset, get_worker_info

from common_fate.errors import ShardError
from common_fate.remote.cache import Cache
from common_fate.remote.folder import open_folder
from common_fate.shards.members import entry_name
from common_fate.torch.index import read_index
from common_fate.torch.opened import OpenShards
from common_fate.torch.sample import Sample, Transform, to_sample

_MAX_WORKERS = 256
_log = logging.getLogger(__name__)


class ShardDataset(Dataset[Any]):
    """The made samples of a view's folder; see `common_fate.torch.sample` for what a sample is.

    Args:
        folder: `results/{dataset}/shards/{view}`, or a copy of it; its path, or its address on another machine
            (`https://`, `s3://`): then each shard is copied into `cache` when it is first needed.
        transform: applied to each sample; picklable where workers are spawned.
        damaged: `"raise"`, or `"skip"`: then a batch (`__getitems__`, which `DataLoader` calls) comes without its
            damaged samples, each is logged, and `skipped` counts them over all workers. A single index always raises.
        check_sums: also compare each shard's sha256, once in each process, when it is first opened. Without it, a
            flipped bit in a payload that still decodes goes unnoticed. What comes from another machine is compared when
            it arrives, and its copy again where it has been touched since, or does not decode.
        cache: by default a folder in the user's own for caches; all workers and processes share it.
        members: what of each sample is read and decoded, by its names in a sample (`image`, `next.image`), as far as it
            is there; by default all. What is not read is not checked, either.

    Raises:
        UserError: the address cannot be read; reading raises it, too.
        ShardError: the manifest is missing or contradicts itself. Reading raises it for a shard or sample that is
            missing or damaged, naming both.
    """

    def __init__(
        self,
        folder: str | Path,
        transform: Transform | None = None,
        *,
        damaged: Literal["raise", "skip"] = "raise",
        check_sums: bool = False,
        cache: Cache | None = None,
        members: Sequence[str] | None = None,
    ) -> None:
        if damaged not in ("raise", "skip"):
            raise ValueError(f"damaged is 'raise' or 'skip', not {damaged!r}")
        self.folder = open_folder(folder, cache)
        self.transform = transform
        self.damaged = damaged
        self.check_sums = check_sums
        self.members = None if members is None else tuple(members)
        # Shared by all workers, a slot each: they never write to the same one.
        self._skipped = torch.zeros(_MAX_WORKERS, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._open()
        self._warn_of_a_small_cache()

    def _open(self) -> None:
        self._index = read_index(self.folder)
        self._shards = OpenShards(self.folder, self._index.shards, self.check_sums)
        self._columns = [
            (column, extension)
            for column, extension in enumerate(self._index.extensions)
            if self.members is None or entry_name(extension) in self.members
        ]

    def __getstate__(self) -> dict[str, Any]:
        """Without the index and the open files: a spawned worker opens its own."""
        opened = ("_index", "_shards", "_columns")
        return {name: value for name, value in self.__dict__.items() if name not in opened}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._index.shard)

    @property
    def keys(self) -> pa.Array:
        """Of all samples, in order: text, `(N,)`."""
        return self._index.keys

    @property
    def extensions(self) -> list[str]:
        """What every sample is made of, as in the manifest."""
        return self._index.extensions

    @property
    def sums(self) -> list[str]:
        """The sha256 of each shard that has samples."""
        return [row.sha256 for row in self._index.shards.values() if row.samples]

    def __getitem__(self, index: int | tuple[int, int]) -> Any:
        """The sample of an index, or of `(epoch, index)` as `EpochSampler` has it."""
        epoch, row = index if isinstance(index, tuple) else (0, index)
        if not -len(self) <= row < len(self):
            raise IndexError(f"sample {row} of {len(self)}")
        at = self._index
        key, shard = at.keys[row].as_py(), at.names[at.shard[row]]
        try:
            try:
                sample = self._read(row, key, shard, epoch)
            except ValueError:
                if not self._shards.renewed(shard):
                    raise
                sample = self._read(row, key, shard, epoch)
        except ValueError as error:
            raise ShardError(f"{self.folder}/{shard}.tar: {key}: {error}") from error
        return self.transform(sample) if self.transform else sample

    def _read(self, row: int, key: str, shard: str, epoch: int) -> Sample:
        at = self._index
        members = {
            extension: self._shards.member(
                shard, f"{key}.{extension}", int(at.offsets[row, column]), int(at.sizes[row, column])
            )
            for column, extension in self._columns
        }
        return to_sample(key, members, epoch)

    def __getitems__(self, indices: Sequence[int | tuple[int, int]]) -> list[Any]:
        """A batch of samples."""
        if self.damaged == "raise":
            return [self[index] for index in indices]
        samples = []
        for index in indices:
            try:
                samples.append(self[index])
            except ShardError as error:
                last = error
                self._count(error)
        if indices and not samples:
            raise ShardError(f"all {len(indices)} samples of a batch are damaged; the last: {last}")
        return samples

    @property
    def skipped(self) -> int:
        """How many damaged samples were left out so far, by all workers."""
        return int(self._skipped.sum())

    def _warn_of_a_small_cache(self) -> None:
        limit = self.folder.cache.limit if self.folder.cache else None
        needed = sum(row.bytes for row in self._index.shards.values())
        if limit is not None and limit < needed:
            _log.warning(
                "%s: its shards have %.1f GB, and the cache may have %.1f: read in random order they will be fetched "
                "again and again: allow more, or read it as a stream (common_fate.torch.stream)",
                self.folder,
                needed / 1e9,
                limit / 1e9,
            )

    def _count(self, error: ShardError) -> None:
        worker = get_worker_info()
        self._skipped[worker.id + 1 if worker else 0] += 1
        _log.warning("skipped: %s", error)
