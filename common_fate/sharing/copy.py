"""Copying shards whose bytes are checked on the way.

They are copied, never linked: a hard link shares its file's time stamp and mode as well as its bytes, and whoever
unpacks, touches or edits one would reach into the other lab's results, or make Snakemake run again.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from common_fate.errors import ShardError
from common_fate.shards.files import atomic
from common_fate.shards.record import Record, file_sha256, record_path

CHUNK = 2**20


def copy_shard(tar: Path, to: Path, told: Callable[[Record], Record] = lambda record: record) -> Record:
    """Copies a shard and then its record; one that is there with the same bytes stays.

    Args:
        told: what the new record is to say, from the old one.

    Raises:
        ShardError: the bytes are not those that were recorded; nothing is left under the new name.
        UserError: the new folder cannot be written.
    """
    record = Record.read(record_path(tar))
    if not (to.exists() and to.stat().st_size == record.bytes and file_sha256(to) == record.sha256):
        record_path(to).unlink(missing_ok=True)  # of another shard, which the new tar must never stand beside
        _copy(tar, to, record.sha256)
    record = told(record)
    record.write(record_path(to))
    return record


def _copy(tar: Path, to: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with tar.open("rb") as source, atomic(to) as file:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
        if digest.hexdigest() != sha256:
            raise ShardError(f"{tar}: its bytes changed since it was written (sha256 differs from its record)")
