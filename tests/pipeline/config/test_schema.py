"""The schema that dataclasses of options give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator

from common_fate.errors import UserError
from pipeline.config.schema import check, config_schema, define
from pipeline.option import option


@dataclass(frozen=True)
class Inner:
    """What is within. And more of it."""

    size: int = 1


@dataclass(frozen=True)
class Outer:
    """All kinds of options."""

    path: str | list[str] = option(help="a glob, or several", minItems=1)
    inner: Inner = field(default_factory=Inner)
    groups: Mapping[str, Inner] = field(default_factory=dict)
    pair: tuple[float, float] = (0.0, 1.0)
    many: tuple[int, ...] = ()
    name: str | None = option(None, "one of two", enum=["a", "b"])
    way: Literal["up", "down"] = "up"
    share: float | None = option(None, "of all", exclusiveMinimum=0)
    on: bool = False
    anything: Any = None


KEYS = ", ".join(Outer.__dataclass_fields__)


def refusal(**values: Any) -> str | None:
    """What the schema of `Outer` says to values, beside the path that has to be there."""
    definitions: dict[str, Any] = {}
    schema = define(Outer, "outer", definitions) | {"$defs": definitions}
    try:
        check({"path": "x"} | values, Draft202012Validator(schema), "c.yaml")
    except UserError as error:
        return str(error).removeprefix("c.yaml: ")
    return None


@pytest.mark.parametrize(
    "values",
    [
        {"path": ["a", "b"], "inner": {"size": 3}, "groups": {"a.b": {"size": 1}}, "pair": [0, 1.5], "many": [1, 2, 3]},
        {"name": None, "way": "down", "share": 0.5, "on": True, "anything": {"x": [1]}},
        {"name": "a", "share": None, "many": []},
    ],
)
def test_values_of_their_types_are_accepted(values: dict[str, Any]):
    assert refusal(**values) is None


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"path": []}, "path is empty: should have at least 1 entry"),
        ({"path": 3}, "path is 3: should be a string or a list"),
        ({"inner": {"sise": 1}}, "inner.sise is not a key: did you mean size?"),
        ({"inner": None}, "inner is empty: should be a mapping"),
        ({"way": None}, "way is empty: should be one of up, down"),
        ({"share": "1e-3"}, "share: YAML reads 1e-3 as text: write 1.0e-3"),
        ({"share": "2.5E6"}, "share: YAML reads 2.5E6 as text: write 2.5e+6"),
        ({"way": "x" * 5000}, f"way is 'x{'x' * 58}... (202 characters): should be one of up, down"),
        (
            {"a\nb": 1},
            f"'a\\nb' is not a key: the keys here are {KEYS}",
        ),
        ({"k" * 5000: 1}, f"'{'k' * 59}... (202 characters) is not a key: the keys here are {KEYS}"),
        ({"groups": {"a": {"size": 1.5}}}, "groups.a.size is 1.5: should be an integer"),
        ({"pair": [1]}, "pair has 1 entries: should have 2"),
        ({"pair": ["a", 1]}, "pair[0] is 'a': should be a number"),
        ({"many": [1, "a"]}, "many[1] is 'a': should be an integer"),
        ({"many": [True]}, "many[0] is True: should be an integer"),
        ({"name": "c"}, "name is 'c': should be one of a, b, null"),
        ({"way": "left"}, "way is 'left': should be one of up, down"),
        ({"share": 0}, "share is 0: should be above 0"),
        ({"share": "a"}, "share is 'a': should be a number or null"),
        ({"on": 1}, "on is 1: should be true or false"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(values: dict[str, Any], says: str):
    assert refusal(**values) == says


def test_a_key_without_default_has_to_be_there():
    definitions: dict[str, Any] = {}
    define(Outer, "outer", definitions)
    assert definitions["outer"]["required"] == ["path"]
    assert definitions["outer.inner"]["description"] == "What is within"
    assert definitions["outer"]["properties"]["path"]["description"] == "a glob, or several"


def test_a_type_that_has_no_schema_is_a_mistake_of_the_code():
    @dataclass(frozen=True)
    class Odd:
        size: complex = 1j

    with pytest.raises(TypeError, match=r"odd\.size is annotated as .*complex"):
        define(Odd, "odd", {})


def test_the_schema_is_one():
    Draft202012Validator.check_schema(config_schema())
