"""Reading config.yaml: safe, and not silent about a key that is written twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from common_fate.errors import UserError
from pipeline.config.schema import as_key

DEEPEST = 64  # mappings and lists within each other


def read_yaml(path: Path) -> Any:
    """Returns what a YAML file holds.

    Raises:
        UserError: it cannot be read, is no YAML, refers to itself, or has a key twice in one mapping, of which YAML's
            loaders drop one.
    """
    check_keys(path)
    with _one_line(path):
        return yaml.safe_load(path.read_text(encoding="utf-8"))


def check_keys(path: Path) -> None:
    """Raises `UserError` where `read_yaml` would, without reading any value."""
    with _one_line(path):
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        _check_depth(root, path, (), set())
    for where, first, second in _twice(root, "", set()):
        lines = f"lines {first.start_mark.line + 1} and {second.start_mark.line + 1}"
        raise UserError(f"{path}: {where} is written twice, in {lines}: leave one out, or join them")
    for where, key in _not_on(root):
        raise UserError(f"{path}: {where}{key.value} is not a key, in line {key.start_mark.line + 1}: did you mean on?")


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no YAML: byte {error.start} is no UTF-8: save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: is no YAML: {_said(error)}") from error
    except RecursionError:
        raise UserError(f"{path}: is nested too deeply: should be at most {DEEPEST} levels") from None
    except ValueError as error:  # a date that is none, an integer of thousands of digits
        raise UserError(f"{path}: is no YAML: {' '.join(str(error).split())}") from error


def _said(error: yaml.YAMLError) -> str:
    """Where a file is no YAML, and why, without the excerpt."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    said = [getattr(error, name, None) for name in ("context", "problem")]
    return f"line {mark.line + 1}, column {mark.column + 1}: {' '.join(', '.join(filter(None, said)).split())}"


def _inside(node: Any) -> list[Any]:
    """The nodes that are values of a node."""
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    return [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else []


def _check_depth(node: Any, path: Path, above: tuple[Any, ...], checked: set[int]) -> None:
    """Raises `UserError` where a node is within itself, or too deep within others."""
    if any(node is one for one in above):
        raise UserError(f"{path}: line {node.start_mark.line + 1} refers to itself, which nothing here can")
    if len(above) > DEEPEST:
        raise RecursionError
    if id(node) not in checked:
        for inner in _inside(node):
            _check_depth(inner, path, (*above, node), checked)
        checked.add(id(node))


def _meanings(key: Any) -> set[Any]:
    """What a key may be taken for: what YAML makes of it, and of `on`, which YAML takes for true, the word itself."""
    try:
        made = yaml.SafeLoader("").construct_object(key)
    except (yaml.YAMLError, ValueError):
        made = (key.tag, key.value)
    return {made} | ({"on"} if made is True and key.value.lower() == "on" else set())


def _not_on(root: Any) -> Iterator[tuple[str, Any]]:
    """The keys of validations and evaluations that are no `on`, and that YAML takes for the same, and their paths."""
    experiments = dict(_entries(dict(_entries(root)).get("experiments")))
    for name, values in experiments.items():
        keys = dict(_entries(values))
        variants = [
            (f"{name}.grid.{axis}.{variant}", dict(_entries(over)))
            for axis, within in _entries(keys.get("grid"))
            for variant, over in _entries(within)
        ]
        for where, own in ((name, keys), *variants):
            places = [("validation", own.get("validation"))]
            places += [(f"evaluate.{key}", one) for key, one in _entries(own.get("evaluate"))]
            for place, one in places:
                for key, _ in one.value if isinstance(one, yaml.MappingNode) else ():
                    if True in _meanings(key) and "on" not in _meanings(key) and key.tag.endswith(":bool"):
                        yield f"experiments.{where}.{place}.", key


def _entries(node: Any) -> list[tuple[str, Any]]:
    """The values of a mapping, by the text of their keys."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return [(key.value, value) for key, value in pairs if isinstance(key, yaml.ScalarNode)]


def _twice(node: Any, where: str, seen: set[int]) -> Iterator[tuple[str, Any, Any]]:
    """The path of each key that is in a mapping twice, in whatever spelling, and both of its nodes."""
    if id(node) in seen:  # what an alias repeats
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, inner in enumerate(node.value):
            yield from _twice(inner, f"{where}[{number}]", seen)
    elif isinstance(node, yaml.MappingNode):
        keys: dict[Any, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            path = f"{where}.{as_key(key.value)}".lstrip(".")
            meanings = _meanings(key)
            for meaning in meanings & keys.keys():
                yield path, keys[meaning], key
            keys |= dict.fromkeys(meanings, key)
            yield from _twice(value, path, seen)
