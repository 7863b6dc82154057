"""Writing a shard, new or copied: the tar under its name when it is whole, then its record."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from common_fate.errors import ShardError, UserError
from common_fate.shards.files import atomic, remove, sync, tidy
from common_fate.shards.limits import MAX_SAMPLES
from common_fate.shards.record import Record, file_sha256, record_bytes, record_path
from common_fate.shards.runs import FEWER
from common_fate.shards.tar import END, header, padded

_CHUNK = 2**20


class _Same(Exception):
    """The shard is the one that stands there already."""


def write_shard(
    tar: Path,
    samples: Iterable[tuple[str, Mapping[str, bytes]]],
    facts: Callable[[], dict[str, Any]],
    standing: Record | None = None,
) -> Record:
    """Writes samples, in their order, as one shard and commits it.

    Args:
        tar: where; `NNNNNN.tar`.
        samples: key and encoded members by extension; every sample has the same extensions.
        facts: asked once the samples are written: the record's fields that are not about the tar itself. If it raises,
            nothing is kept.
        standing: the record of the shard that stands there, if it is to stay untouched where the new one comes out the
            same.

    Raises:
        UserError: the folder cannot be written, or there are more samples than a shard may have.
        ValueError: a sample has other members than the first, its key came before, or a reader would refuse the record.
    """
    # The record is held from the start to the end, and so is the shard: of two writers, one waits for the other.
    with suppress(_Same), atomic(record_path(tar)) as commit, atomic(tar) as file:
        record = Record(shard=tar.stem, **_write(tar, file, samples), **facts())
        record.check()
        if record == standing:
            raise _Same
        commit.write(record_bytes(record))
        # What there is no room for shows here, while the old shard still stands. And an older record must never stand
        # beside a newer tar, however short the moment.
        sync(file)
        sync(commit)
        remove(record_path(tar))
    return record


def _write(tar: Path, file: BinaryIO, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> dict[str, Any]:
    """Writes the tar; the record's fields that are about it."""
    extensions: list[str] = []
    keys: dict[str, None] = {}
    sizes: list[list[int]] = []
    digest = hashlib.sha256()

    def write(data: bytes) -> None:
        file.write(data)
        digest.update(data)

    for key, members in samples:
        if key in keys:
            raise ValueError(f"the key {key} comes twice")
        if len(keys) == MAX_SAMPLES:
            raise UserError(f"{tar}: a shard has at most {MAX_SAMPLES} samples: {FEWER}")
        extensions = extensions or list(members)
        if set(members) != set(extensions):
            raise ValueError(f"{key} has members {sorted(members)}, the samples before it {sorted(extensions)}")
        for extension in extensions:
            data = members[extension]
            write(header(f"{key}.{extension}", len(data)))
            write(data)
            write(bytes(padded(len(data)) - len(data)))
        keys[key] = None
        sizes.append([len(members[extension]) for extension in extensions])
    write(END)
    return {
        "sha256": digest.hexdigest(),
        "bytes": file.tell(),
        "samples": len(keys),
        "extensions": extensions,
        "keys": list(keys),
        "sizes": sizes,
    }


def copy_shard(tar: Path, to: Path, told: Callable[[Record], Record] = lambda record: record) -> Record:
    """Copies a shard, comparing its sum on the way, and then its record; one that is there with the same bytes stays.

    A copy and never a link: a hard link shares its file's time stamp and mode as well as its bytes, and whoever
    unpacks, touches or edits one would reach into the other lab's results, or make Snakemake run again.

    Args:
        told: what the new record is to say, from the old one.

    Raises:
        ShardError: the bytes are not those that were recorded; nothing is left under the new name.
        UserError: the new folder cannot be written.
    """
    record = Record.read(record_path(tar))
    if not (to.exists() and to.stat().st_size == record.bytes and file_sha256(to) == record.sha256):
        if record_path(to).exists():  # of another shard, which the new tar must never stand beside
            remove(record_path(to))
        _copy(tar, to, record.sha256)
    else:
        tidy(to)
    record = told(record)
    record.write(record_path(to))
    return record


def _copy(tar: Path, to: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with tar.open("rb") as source, atomic(to) as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
        if digest.hexdigest() != sha256:
            raise ShardError(f"{tar}: its bytes changed since it was written (sha256 differs from its record)")
