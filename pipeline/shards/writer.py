"""Writing a shard: members into a temporary tar, then the tar under its name, then its record."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.shards.files import atomic
from pipeline.shards.limits import MAX_SAMPLES
from pipeline.shards.record import Record, record_path
from pipeline.shards.tar import END, header, padded


def write_shard(
    tar: Path, samples: Iterable[tuple[str, Mapping[str, bytes]]], facts: Callable[[], dict[str, Any]]
) -> Record:
    """Writes samples, in their order, as one shard and commits it.

    Args:
        tar: where; `NNNNNN.tar`.
        samples: key and encoded members by extension; every sample has the same extensions.
        facts: asked once the samples are written: the record's fields that are not about the tar itself. If it raises,
            nothing is kept.

    Raises:
        UserError: the folder cannot be written, or there are more samples than a shard may have.
        ValueError: a sample has other members than the first, its key came before, or a reader would refuse the record.
    """
    extensions: list[str] = []
    keys: dict[str, None] = {}
    sizes: list[list[int]] = []
    digest = hashlib.sha256()
    with atomic(tar) as file:

        def write(data: bytes) -> None:
            file.write(data)
            digest.update(data)

        for key, members in samples:
            if key in keys:
                raise ValueError(f"the key {key} comes twice")
            if len(keys) == MAX_SAMPLES:
                raise UserError(f"{tar}: a shard has at most {MAX_SAMPLES} samples: lower videos_per_shard")
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
        record = Record(
            shard=tar.stem,
            sha256=digest.hexdigest(),
            bytes=file.tell(),
            samples=len(keys),
            extensions=extensions,
            keys=list(keys),
            sizes=sizes,
            **facts(),
        )
        record.check()
        # An older record must never stand beside a newer tar, however short the moment.
        record_path(tar).unlink(missing_ok=True)
    record.write(record_path(tar))
    return record
