"""Reading config.yaml: safe, and not silent about a key that is written twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from common_fate.errors import UserError


def read_yaml(path: Path) -> Any:
    """Returns what a YAML file holds.

    Raises:
        UserError: it cannot be read, is no YAML, or has a key twice in one mapping, of which YAML's loaders drop one.
    """
    check_keys(path)
    with _one_line(path):
        return yaml.safe_load(path.read_text())


def check_keys(path: Path) -> None:
    """Raises `UserError` where `read_yaml` would, without reading any value."""
    with _one_line(path):
        root = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    for where, first, second in _twice(root, "", set()):
        lines = f"lines {first.start_mark.line + 1} and {second.start_mark.line + 1}"
        raise UserError(f"{path}: {where} is written twice, in {lines}: leave one out, or join them")


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is no YAML: {' '.join(str(error).split())}") from error


def _twice(node: Any, where: str, seen: set[int]) -> Iterator[tuple[str, Any, Any]]:
    """The path of each key that is in a mapping twice, and both of its nodes."""
    if id(node) in seen:  # what an alias repeats
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, inner in enumerate(node.value):
            yield from _twice(inner, f"{where}[{number}]", seen)
    elif isinstance(node, yaml.MappingNode):
        keys: dict[tuple[str, str], Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            path = f"{where}.{key.value}".lstrip(".")
            if (key.tag, key.value) in keys:
                yield path, keys[key.tag, key.value], key
            keys[key.tag, key.value] = key
            yield from _twice(value, path, seen)
