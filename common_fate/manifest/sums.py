"""`SHA256SUMS`: the sums of a folder's files, as `sha256sum -c` reads them."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from common_fate.foreign.files import read_file
from common_fate.shards.files import readable
from common_fate.shards.record import Record, file_sha256

SUMS = "SHA256SUMS"
MAX_SUMS_BYTES = 256 * 2**20


def shard_sums(folder: Path, records: Sequence[Record]) -> dict[str, str]:
    """Returns the sha256 of each tar, as recorded, and of each record."""
    sums = {f"{record.shard}.tar": record.sha256 for record in records}
    return sums | {f"{record.shard}.json": file_sum(folder / f"{record.shard}.json") for record in records}


def sums_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Returns the sha256 of each file."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def read_sums(path: Path) -> dict[str, str]:
    """Reads the sums of SHA256SUMS by file.

    Raises:
        OSError: it cannot be read, or is a pipe, a device or a folder.
        ValueError: it is not what `sha256sum -c` reads, or beyond reason.
    """
    lines = io.TextIOWrapper(io.BytesIO(read_file(path, MAX_SUMS_BYTES)), "utf-8", newline="\n")
    return {name: digest for digest, name in (line.rstrip("\n").split("  ") for line in lines)}


def sums_file(sums: Mapping[str, str]) -> bytes:
    """Returns what `sha256sum -c` reads."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def file_sum(path: Path) -> str:
    """Returns the sha256 of a file. Raises ShardError where it cannot be read."""
    with readable(path):
        return file_sha256(path)
