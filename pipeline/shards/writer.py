"""Writing a shard: members into a temporary tar, then the tar under its name, then its record."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.shards.files import atomic
from pipeline.shards.record import Record, record_path
from pipeline.shards.tar import END, header, padded


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
        standing: the record of the shard that stands there, if this is no job of Snakemake's: it stays untouched where
            the new one comes out the same.

    Raises:
        UserError: the folder cannot be written.
        ValueError: a sample has other members than the first, or its key came before.
    """
    try:
        with atomic(tar) as file:
            record = Record(shard=tar.stem, **_write(file, samples), **facts())
            if standing is None:
                # An older record must never stand beside a newer tar, however short the moment.
                record_path(tar).unlink(missing_ok=True)
            elif record == standing:
                raise _Same
            else:
                # Snakemake makes a tar that is missing, but not its record: here the tar comes last, and soon.
                file.flush()
                os.fsync(file.fileno())
                tar.unlink()
                record.write(record_path(tar))
    except _Same:
        return record
    if standing is None:
        record.write(record_path(tar))
    return record


def _write(file: BinaryIO, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> dict[str, Any]:
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
