"""`SHA256SUMS`: the sums of a folder's files, as `sha256sum -c` reads them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from common_fate.foreign.files import read_file
from common_fate.shards.files import readable
from common_fate.shards.limits import quoted
from common_fate.shards.record import Record, file_sha256, is_sha256

SUMS = "SHA256SUMS"
MAX_SUMS_BYTES = 256 * 2**20
_SUM = 64  # digits, and then the name


def shard_sums(folder: Path, records: Sequence[Record]) -> dict[str, str]:
    """Returns the sha256 of each tar, as recorded, and of each record."""
    sums = {f"{record.shard}.tar": record.sha256 for record in records}
    return sums | {f"{record.shard}.json": file_sum(folder / f"{record.shard}.json") for record in records}


def sums_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Returns the sha256 of each file."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def read_sums(path: Path) -> dict[str, str]:
    """Reads the sums of SHA256SUMS by file; see `parse_sums`. Raises OSError where it cannot be read, or is a pipe."""
    return parse_sums(read_file(path, MAX_SUMS_BYTES).decode())


def parse_sums(listing: str) -> dict[str, str]:
    """Returns the sums of SHA256SUMS by file.

    Raises:
        ValueError: a line is not what `sha256sum -c` reads, or a file has two, of which readers may believe either.
    """
    if listing.count("\n") > len(listing) // _SUM:  # counted first, for each line takes memory
        raise ValueError("it has lines that are too short")
    sums: dict[str, str] = {}
    for line in listing.removesuffix("\n").split("\n") if listing else []:
        sha256, _, name = line.partition("  ")
        if not is_sha256(sha256):
            raise ValueError(quoted(line))
        if name in sums:
            raise ValueError(f"{quoted(name)} stands twice")
        sums[name] = sha256
    return sums


def sums_file(sums: Mapping[str, str]) -> bytes:
    """Returns what `sha256sum -c` reads."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def file_sum(path: Path) -> str:
    """Returns the sha256 of a file. Raises ShardError where it cannot be read."""
    with readable(path):
        return file_sha256(path)
