"""The commit record: `NNNNNN.json` beside `NNNNNN.tar`, written last. A shard is done when the two agree."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

from pipeline.errors import ShardError
from pipeline.shards.files import write_atomic
from pipeline.shards.tar import BLOCK, END, padded

MAX_RECORD_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Record:
    """What a shard is and how it was made; deterministic, so it holds no time, host or path.

    `keys[i]` has members `extensions`, of `sizes[i]` bytes each, one after the other in the tar, so that every member's
    offset follows. `inputs` maps each input (a column, or `source`) to its digest. `statistics` maps each measure of
    the stage to its mean, minimum and maximum over the samples. `failures` are rows of key, stage and reason.
    """

    stage: str
    version: int
    shard: str
    options: dict[str, Any]
    inputs: dict[str, str]
    sha256: str
    bytes: int
    samples: int
    extensions: list[str]
    keys: list[str]
    sizes: list[list[int]]
    failures: list[dict[str, str]] = field(default_factory=list)
    statistics: dict[str, dict[str, float]] = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def offsets(self) -> list[list[int]]:
        """The byte at which each member's data starts, like `sizes`."""
        position = 0
        rows = []
        for sizes in self.sizes:
            row = []
            for size in sizes:
                row.append(position + BLOCK)
                position += BLOCK + padded(size)
            rows.append(row)
        return rows

    def tar_bytes(self) -> int:
        """The size of a whole tar with these members."""
        return sum(BLOCK + padded(size) for sizes in self.sizes for size in sizes) + len(END)

    def text(self) -> str:
        """The record as it stands on disk."""
        lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in asdict(self).items())
        return f"{{\n{lines}\n}}\n"

    def write(self, path: Path) -> None:
        """Commits: writes the record atomically."""
        write_atomic(path, self.text().encode())

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Reads a record that may come from anywhere.

        Raises:
            ShardError: it is missing, too large, not JSON, or not a record.
        """
        try:
            if path.stat().st_size > MAX_RECORD_BYTES:
                raise ValueError(f"larger than {MAX_RECORD_BYTES} bytes")
            record = cls(**json.loads(path.read_bytes()))
            record._check()
        except FileNotFoundError:
            raise ShardError(f"{path}: missing: the shard is not finished") from None
        except OSError as error:
            raise ShardError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise ShardError(f"{path}: not a shard record: {error}") from error
        return record

    def _check(self) -> None:
        """Raises ValueError unless types, counts and sizes fit together."""
        width = len(self.extensions)
        if not (self.samples == len(self.keys) == len(self.sizes)):
            raise ValueError(f"samples, keys and sizes differ in number ({self.samples}, {len(self.keys)}, ...)")
        if len(set(self.keys)) != len(self.keys):
            raise ValueError("a key stands twice")
        if not _all_are(str, [*self.keys, *self.extensions, self.stage, self.sha256, self.shard]):
            raise ValueError("keys, extensions, stage, sha256 and shard must be text")
        if not all(len(row) == width and all(type(size) is int and size >= 0 for size in row) for row in self.sizes):
            raise ValueError("every sample needs one size for each extension")
        if self.bytes != self.tar_bytes():
            raise ValueError(f"says {self.bytes} bytes, but its members need {self.tar_bytes()}")
        texts = [text for row in self.failures for text in row.values()]
        if not all(set(row) == {"key", "stage", "reason"} for row in self.failures) or not _all_are(str, texts):
            raise ValueError("a failure row needs key, stage and reason, and all are text")
        if not _all_are(dict, [self.options, self.inputs, self.statistics, self.software, self.provenance]):
            raise ValueError("options, inputs, statistics, software and provenance must be objects")
        if not all(_all_are(int | float, [row["mean"], row["min"], row["max"]]) for row in self.statistics.values()):
            raise ValueError("each of the statistics needs a mean, min and max")


def _all_are(kind: type | UnionType, values: Iterable[object]) -> bool:
    return all(isinstance(value, kind) for value in values)


def record_path(tar: Path) -> Path:
    """The record beside a tar."""
    return tar.with_suffix(".json")


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
