"""The commit record: `NNNNNN.json` beside `NNNNNN.tar`, written last. A shard is done when the two agree."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

from common_fate.errors import ShardError, UserError
from common_fate.foreign.files import most_values_in, open_file, parse_json, read_file
from common_fate.shards.files import write_atomic
from common_fate.shards.keys import check_keys
from common_fate.shards.limits import (
    MAX_EXTENSIONS,
    MAX_MEMBERS,
    MAX_RECORD_BYTES,
    MAX_SAMPLE_BYTES,
    MAX_SAMPLES,
    MAX_TEXT,
    check_extension,
    check_size,
)
from common_fate.shards.runs import FEWER, check_runs, count
from common_fate.shards.tar import BLOCK, END, padded

_MAX_VALUES = 2 * MAX_MEMBERS


@dataclass(frozen=True)
class Record:
    """What a shard is and how it was made; deterministic, so it holds no time, host or path.

    `keys[i]` has members `extensions`, of `sizes[i]` bytes each, one after the other in the tar, so that every member's
    offset follows. `inputs` maps each input (a column, or `source`) to its digest. `statistics` maps each measure of
    the stage to its mean, minimum and maximum over the samples. `failures` are rows of key, stage and reason. `dropped`
    has the keys of what was left out on purpose, by reason; where there is none the file does not mention it. Where
    either are more than a shard has samples, runs of frames stand for their keys (`common_fate.shards.runs`).
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
    dropped: dict[str, list[str]] = field(default_factory=dict)

    def known_keys(self) -> list[str]:
        """Returns the keys of samples, and keys or runs of failures and of what was dropped: all that names videos."""
        dropped = [key for keys in self.dropped.values() for key in keys]
        return [*self.keys, *(failure["key"] for failure in self.failures), *dropped]

    @property
    def failed(self) -> int:
        """How many samples failed, or whole videos."""
        return count(row["key"] for row in self.failures)

    @property
    def joined(self) -> tuple[str, ...]:
        """The columns that a view's shard joins, whose options it has by their names; none of a column's shard."""
        inputs, origin = self.inputs, self.provenance.get("from")
        while isinstance(origin, dict):  # copied from a view's shard, and that one perhaps from another's
            inputs, origin = origin.get("inputs", {}), origin.get("from")
        return tuple(self.options) if set(self.options) == set(inputs) else ()

    def offsets(self) -> list[list[int]]:
        """Returns the byte at which each member's data starts, like `sizes`."""
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
        """Returns the size of a whole tar with these members."""
        return sum(BLOCK + padded(size) for sizes in self.sizes for size in sizes) + len(END)

    def text(self) -> str:
        """Returns the record as it stands on disk."""
        facts = {name: value for name, value in asdict(self).items() if name != "dropped" or value}
        lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items())
        return f"{{\n{lines}\n}}\n"

    def write(self, path: Path) -> None:
        """Writes the record atomically, which commits the shard."""
        write_atomic(path, record_bytes(self))

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Reads a record that may come from anywhere.

        Raises:
            ShardError: it is missing, cannot be read, is too large, not JSON, or not a record.
        """
        try:
            record = cls(**parse_json(read_file(path, MAX_RECORD_BYTES), _MAX_VALUES))
            record.check()
        except FileNotFoundError:
            raise ShardError(f"{path}: missing: the shard is not finished") from None
        except OSError as error:
            raise ShardError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ShardError(f"{path}: not a shard record: {error}") from error
        return record

    def check(self) -> None:
        """Raises ValueError unless types, names, counts and sizes fit together, within what a shard may be."""
        width = len(self.extensions)
        if not all(type(number) is int for number in (self.version, self.bytes, self.samples)):
            raise ValueError("version, bytes and samples must be whole numbers")
        if not (self.samples == len(self.keys) == len(self.sizes)):
            raise ValueError(f"samples, keys and sizes differ in number ({self.samples}, {len(self.keys)}, ...)")
        if self.samples > MAX_SAMPLES or self.samples * width > MAX_MEMBERS or width > MAX_EXTENSIONS:
            raise ValueError(f"{self.samples} samples of {width} members are more than a shard may have")
        if not _all_are(str, [*self.keys, *self.extensions, self.stage, self.sha256, self.shard]):
            raise ValueError("keys, extensions, stage, sha256 and shard must be text")
        if len(set(self.keys)) != len(self.keys) or len(set(self.extensions)) != width:
            raise ValueError("a key or an extension stands twice")
        check_keys(self.keys)
        for extension in self.extensions:
            check_extension(extension)
        if not all(len(row) == width and all(type(size) is int and size >= 0 for size in row) for row in self.sizes):
            raise ValueError("every sample needs one size for each extension")
        for extension, sizes in zip(self.extensions, zip(*self.sizes, strict=True), strict=False):
            check_size(extension, max(sizes))
        if any(sum(row) > MAX_SAMPLE_BYTES for row in self.sizes):
            raise ValueError(f"a sample of more than {MAX_SAMPLE_BYTES} bytes")
        if self.bytes != self.tar_bytes():
            raise ValueError(f"says {self.bytes} bytes, but its members need {self.tar_bytes()}")
        self._check_facts()

    def _check_facts(self) -> None:
        """Raises ValueError unless what is not about the tar has the right types."""
        texts = [text for row in self.failures for text in row.values()]
        if not all(set(row) == {"key", "stage", "reason"} for row in self.failures) or not _all_are(str, texts):
            raise ValueError("a failure row needs key, stage and reason, and all are text")
        check_runs(row["key"] for row in self.failures)
        if any(len(text) > MAX_TEXT for text in [*texts, self.stage, *self.options, *self.inputs, *self.statistics]):
            raise ValueError(f"a stage, a reason or a name of more than {MAX_TEXT} characters")
        if len(self.failures) > MAX_SAMPLES:
            raise ValueError(f"{len(self.failures)} rows of failures; at most {MAX_SAMPLES}")
        if not _all_are(dict, [self.options, self.inputs, self.statistics, self.software, self.provenance]):
            raise ValueError("options, inputs, statistics, software and provenance must be objects")
        self._check_dropped()
        if not _all_are(str, [*self.inputs.values(), *self.software.values()]):
            raise ValueError("the values of inputs and software must be text")
        if not all(_all_are(int | float, [row["mean"], row["min"], row["max"]]) for row in self.statistics.values()):
            raise ValueError("each of the statistics needs a mean, min and max")

    def _check_dropped(self) -> None:
        """Raises ValueError unless `dropped` has lists of keys and runs, each at most once for a reason."""
        if not isinstance(self.dropped, dict) or not _all_are(list, self.dropped.values()):
            raise ValueError("dropped must have a list of keys for each reason")
        if any(len(reason) > MAX_TEXT for reason in self.dropped):
            raise ValueError(f"a reason of more than {MAX_TEXT} characters")
        keys = [key for named in self.dropped.values() for key in named]
        if len(keys) > MAX_SAMPLES:
            raise ValueError(f"{len(keys)} rows of samples that were dropped; at most {MAX_SAMPLES}")
        if not _all_are(str, keys) or any(len(set(named)) < len(named) for named in self.dropped.values()):
            raise ValueError("what was dropped must be keys, each once for a reason")
        check_runs(keys)


def _all_are(kind: type | UnionType, values: Iterable[object]) -> bool:
    return all(isinstance(value, kind) for value in values)


def summary(measures: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Returns the mean, minimum and maximum of each measure, as a record's statistics have them."""
    return {
        name: {"mean": round(sum(values) / len(values), 6), "min": min(values), "max": max(values)}
        for name, values in measures.items()
    }


def record_bytes(record: Record) -> bytes:
    """Returns a record as it stands on disk. Raises UserError where it is larger than what a reader takes."""
    data = record.text().encode()
    if len(data) > MAX_RECORD_BYTES or most_values_in(data) > _MAX_VALUES:
        raise UserError(
            f"shard {record.shard}: a record of {record.samples} samples and {record.failed} failures has "
            f"{len(data)} bytes, which is more than a reader takes: {FEWER}"
        )
    return data


def record_path(tar: Path) -> Path:
    """Returns the path of the record beside a tar."""
    return tar.with_suffix(".json")


def file_sha256(path: Path) -> str:
    """Returns the sha256 of a file, in hexadecimal."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_sha256(text: object) -> bool:
    """Returns whether it is one in hexadecimal, and so may be the name of a file."""
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text) is not None


def text_digest(text: str) -> str:
    """Returns the sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
