"""Local shards, mapped into memory: any member can be had without reading what lies before it."""

import mmap
import os
from collections import OrderedDict
from pathlib import Path

from pipeline.shards.foreign import open_file
from pipeline.shards.record import file_sha256
from pipeline.shards.tar import BLOCK, header
from trainers.data.index import ShardRow

MAX_OPEN = 256
"""A map keeps its file open, and a process may have 1,024 files."""


class MappedShards:
    """Members of a folder's shards by place. Maps are opened when first needed and survive a fork.

    Args:
        shards: what the manifest says each shard is.
        check_sums: compare a shard's sha256, once in each process, before its first member is handed out.
    """

    def __init__(self, folder: Path, shards: dict[str, ShardRow], check_sums: bool) -> None:
        self.folder, self.shards, self.check_sums = folder, shards, check_sums
        self._maps: OrderedDict[str, mmap.mmap] = OrderedDict()
        self._faults: dict[str, str | None] = {}

    def member(self, shard: str, name: str, offset: int, size: int) -> bytes:
        """The bytes of a member.

        Raises:
            ValueError: the shard is missing, cut off, replaced or damaged, or does not hold that member there.
        """
        tar = self._open(shard)
        if offset + size > len(tar):
            raise ValueError(f"the manifest places {name} outside the file (byte {offset} of {len(tar)})")
        if tar[offset - BLOCK : offset] != header(name, size):
            raise ValueError(f"no header of {name} with {size} bytes before byte {offset}, where the manifest has it")
        return tar[offset : offset + size]

    def _open(self, shard: str) -> mmap.mmap:
        if shard in self._maps:
            self._maps.move_to_end(shard)
            return self._maps[shard]
        path = self.folder / f"{shard}.tar"
        if shard not in self._faults:
            self._faults[shard] = self._fault(path, self.shards[shard])
        if fault := self._faults[shard]:
            raise ValueError(fault)
        if len(self._maps) >= MAX_OPEN:
            self._maps.popitem(last=False)
        with open_file(path) as file:
            self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[shard]

    def _fault(self, path: Path, row: ShardRow) -> str | None:
        """What is wrong with a shard as a whole, looked into once."""
        try:
            with open_file(path) as file:
                size = os.fstat(file.fileno()).st_size
            if size != row.bytes:
                return f"the file has {size} bytes, the manifest says {row.bytes}: cut off or replaced"
            if self.check_sums and file_sha256(path) != row.sha256:
                return "the file's bytes changed since it was written (sha256 differs from the manifest)"
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"
        return None
