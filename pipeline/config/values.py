"""What every value of config.yaml has to be, whatever its key: finite, of a size that has a use, on one line."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.config.schema import as_key
from pipeline.sources.listing import expanded

LARGEST = 2**63
LONGEST = 4096  # characters of a text; paths are the longest there are
MANY_LINES = ("license",)


def check_values(config: Any, file: str) -> None:
    """Raises `UserError` for the first value that no key takes, by its path.

    Those are numbers that are not finite or beyond 63 bits, and texts that are long or have several lines.
    """
    for path, key, value in _scalars(config, "", "", set()):
        if said := _wrong(key, value):
            raise UserError(f"{file}: {path or 'it'} {said}")


def with_paths(value: Any) -> Any:
    """Returns a value of config.yaml with `~`, `$NAME` and `${NAME}` in its texts expanded, as the shell does it in
    paths; of `network:PATH`, in the path. Sources expand their own, and say them as they were written.
    """
    if isinstance(value, Mapping):
        return {name: with_paths(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_paths(inner) for inner in value]
    if not isinstance(value, str):
        return value
    family, colon, path = value.partition(":")
    return f"{family}:{expanded(path)}" if colon and family == "network" else expanded(value)


def _wrong(key: str, value: Any) -> str | None:
    """What is wrong with a value, and what would be right."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}: should be a finite number"
    if isinstance(value, int | float) and abs(value) >= LARGEST:
        return f"is {quoted(value)}: should be less than 2 ** 63"
    if isinstance(value, str) and len(value) > LONGEST:
        return f"is {quoted(value)}, of {len(value)} characters: should have at most {LONGEST}"
    if isinstance(value, str) and "\0" in value:
        return f"is {quoted(value)}: should have no NUL character"
    if isinstance(value, str) and ("\n" in value or "\r" in value) and key not in MANY_LINES:
        return f"is {quoted(value)}: should be one line, without a line break at its end"
    return None


def _scalars(value: Any, path: str, key: str, seen: set[int]) -> Iterator[tuple[str, str, Any]]:
    """Every value that is neither a mapping nor a list, with its path and the last key on it."""
    if not isinstance(value, Mapping | list | tuple):
        yield path, key, value
        return
    if id(value) in seen:  # what an alias repeats
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _scalars(inner, f"{path}.{as_key(name)}".lstrip("."), str(name), seen)
    else:
        for number, inner in enumerate(value):
            yield from _scalars(inner, f"{path}[{number}]", key, seen)
