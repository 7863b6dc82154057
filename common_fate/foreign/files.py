"""Files that others wrote, and JSON in them: opened and parsed within bounds of size and depth."""

import json
import math
import os
import stat
from collections import Counter
from io import BufferedReader
from pathlib import Path
from typing import Any

from common_fate.shards.limits import MAX_JSON_DEPTH, MAX_JSON_VALUES, quoted


class _NotRegularError(OSError):
    """A pipe, a device or a folder; without the `[Errno None]` that `OSError` puts in front."""

    def __str__(self) -> str:
        return str(self.strerror)


def open_file(path: Path) -> BufferedReader:
    """Opens a regular file, or a link to one, for reading.

    Raises:
        OSError: it cannot be opened, or is a pipe, a device or a folder: those could block, or never end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _NotRegularError(None, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, most: int) -> bytes:
    """Reads the bytes of a small file.

    Raises:
        OSError: see `open_file`.
        ValueError: it is larger than `most` bytes; no more than that is read.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if size <= most else b""  # by its size: room is taken for all that is asked for
    if size > most or len(data) > size:
        raise ValueError(f"larger than {most} bytes")
    return data


def parse_json(data: bytes, most_values: int = MAX_JSON_VALUES) -> Any:
    """Parses JSON by the letter: UTF-8, no name twice in an object, integers of 64 bits, finite numbers, not deeply
    nested.

    Args:
        most_values: how many values it may hold; Python takes up to a hundred bytes for each.

    Raises:
        ValueError: it is none, or holds more.
    """
    if most_values_in(data) > most_values:
        raise ValueError(f"JSON of more than {most_values} values")
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_number,
        )
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [part for whole in level for part in _parts(whole) if isinstance(part, dict | list)]
        if not level:
            return value
    raise ValueError("JSON nested too deeply")


def most_values_in(data: bytes) -> int:
    """Returns how many values JSON may hold at most: each stands after a comma or a bracket. That takes no memory."""
    return sum(map(data.count, (b",", b"[", b"{")))


def _parts(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {quoted(twice)} stands twice in one JSON object")
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"the number {quoted(text)} has more than 64 bits")
    return int(text)


def _number(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{quoted(text)} is no number that JSON knows, or too large")
    return value
