"""Shards that are kept open: any member can be had without reading what lies before it."""

import hashlib
import os
from collections import OrderedDict
from contextlib import ExitStack
from io import BufferedReader

from common_fate.errors import ShardError
from common_fate.remote.folder import Folder
from common_fate.shards.tar import BLOCK, header
from common_fate.torch.index import ShardRow

MAX_OPEN = 256
"""A process may have 1,024 files."""


class OpenShards:
    """Members of a folder's shards by place. Files are opened when first needed and survive a fork.

    Not mapped into memory: there, a disk that fails and a file that is cut off meanwhile end the process.

    Args:
        shards: what the manifest says each shard is.
        check_sums: compare a shard's sha256, once in each process, before its first member is handed out.
    """

    def __init__(self, folder: Folder, shards: dict[str, ShardRow], check_sums: bool) -> None:
        self.folder, self.shards, self.check_sums = folder, shards, check_sums
        self._files: OrderedDict[str, BufferedReader] = OrderedDict()
        self._faults: dict[str, str | None] = {}
        self._sound: set[str] = set()

    def member(self, shard: str, name: str, offset: int, size: int) -> bytes:
        """Returns the bytes of a member.

        Raises:
            ValueError: the shard is missing, cut off, replaced or damaged, or does not hold that member there.
            UserError: it is on another machine that cannot be reached.
        """
        file = self._open(shard).fileno()
        if _read(file, BLOCK, offset - BLOCK) != header(name, size):
            raise ValueError(f"no header of {name} with {size} bytes before byte {offset}, where the manifest has it")
        return _read(file, size, offset)

    def renewed(self, shard: str) -> bool:
        """Returns whether a shard that turned out to be wrong was a damaged copy, which is fetched again when asked for
        next.
        """
        if shard in self._sound:
            return False
        if not self.folder.drop_damaged(self.shards[shard].sha256):
            self._sound.add(shard)  # as it came: it is not read again for each of its damaged samples
            return False
        if file := self._files.pop(shard, None):
            file.close()
        self._faults.pop(shard, None)
        return True

    def _open(self, shard: str) -> BufferedReader:
        if shard in self._files:
            self._files.move_to_end(shard)
            return self._files[shard]
        if fault := self._faults.get(shard):
            raise ValueError(fault)
        row = self.shards[shard]
        try:
            with ExitStack() as stack:
                first = shard not in self._faults
                check = self.check_sums and first
                file = stack.enter_context(self.folder.open(shard, row.bytes, row.sha256, check=check))
                if first:
                    self._check(file, row)
                stack.pop_all()
        except (OSError, ShardError, ValueError) as error:
            reason = f"the file cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
            fault = reason.removeprefix(f"{self.folder}/{shard}.tar: ")
            self._faults[shard] = fault
            raise ValueError(fault) from error
        self._faults[shard] = None
        if len(self._files) >= MAX_OPEN:
            self._files.popitem(last=False)[1].close()
        self._files[shard] = file
        return file

    def _check(self, file: BufferedReader, row: ShardRow) -> None:
        """Looks into a shard as a whole, once; raises ValueError where something is wrong with it."""
        size = os.fstat(file.fileno()).st_size
        if size != row.bytes:
            raise ValueError(f"the file has {size} bytes, the manifest says {row.bytes}: cut off or replaced")
        local = self.folder.cache is None  # else it was compared when it was opened
        if self.check_sums and local and hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
            raise ValueError("the file's bytes changed since it was written (sha256 differs from the manifest)")


def _read(file: int, size: int, offset: int) -> bytes:
    try:
        data = os.pread(file, size, offset)
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from error
    if len(data) < size:
        raise ValueError(f"the file was cut off while it was being read: it has no byte {offset + len(data)}")
    return data
