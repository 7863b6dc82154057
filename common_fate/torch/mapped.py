"""Shards, mapped into memory: any member can be had without reading what lies before it."""

import hashlib
import mmap
import os
from collections import OrderedDict
from io import BufferedReader

from common_fate.errors import ShardError
from common_fate.remote.folder import Folder
from common_fate.shards.tar import BLOCK, header
from common_fate.torch.index import ShardRow

MAX_OPEN = 256
"""A map keeps its file open, and a process may have 1,024 files."""


class MappedShards:
    """Members of a folder's shards by place. Maps are opened when first needed and survive a fork.

    Args:
        shards: what the manifest says each shard is.
        check_sums: compare a shard's sha256, once in each process, before its first member is handed out.
    """

    def __init__(self, folder: Folder, shards: dict[str, ShardRow], check_sums: bool) -> None:
        self.folder, self.shards, self.check_sums = folder, shards, check_sums
        self._maps: OrderedDict[str, mmap.mmap] = OrderedDict()
        self._faults: dict[str, str | None] = {}

    def member(self, shard: str, name: str, offset: int, size: int) -> bytes:
        """Returns the bytes of a member.

        Raises:
            ValueError: the shard is missing, cut off, replaced or damaged, or does not hold that member there.
            UserError: it is on another machine that cannot be reached.
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
        if fault := self._faults.get(shard):
            raise ValueError(fault)
        row = self.shards[shard]
        try:
            with self.folder.open(shard, row.bytes, row.sha256) as file:
                if shard not in self._faults:
                    self._check(file, row)
                opened = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ShardError, ValueError) as error:
            reason = f"the file cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
            fault = reason.removeprefix(f"{self.folder}/{shard}.tar: ")
            self._faults[shard] = fault
            raise ValueError(fault) from error
        self._faults[shard] = None
        if len(self._maps) >= MAX_OPEN:
            self._maps.popitem(last=False)
        self._maps[shard] = opened
        return opened

    def _check(self, file: BufferedReader, row: ShardRow) -> None:
        """Looks into a shard as a whole, once; raises ValueError where something is wrong with it."""
        size = os.fstat(file.fileno()).st_size
        if size != row.bytes:
            raise ValueError(f"the file has {size} bytes, the manifest says {row.bytes}: cut off or replaced")
        if self.check_sums and hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
            raise ValueError("the file's bytes changed since it was written (sha256 differs from the manifest)")
