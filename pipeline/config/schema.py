"""The JSON schema of config.yaml, made from the dataclasses of options, and what it has to say of a configuration."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from common_fate.datasets.parts import TAKEN
from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.downloads.policy import DownloadPolicy
from pipeline.registry import STAGES, VIEWS
from pipeline.sources import SOURCES

Schema = dict[str, Any]
Definitions = dict[str, Schema]
"""What `$ref` leads to, by name."""

NAME = {"type": "string", "pattern": r"^[A-Za-z0-9_]+(?!\n)$"}  # Python's $ is also before a last newline
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def properties_of(options: type[Any], name: str, definitions: Definitions) -> dict[str, Schema]:
    """Returns the schema of each option of a dataclass, by its key.

    Types follow from the annotations; the rest is in the fields' metadata (`pipeline.option.option`): `help`, and
    `schema`, whatever else is known of a value. A dataclass within it becomes a definition.

    Args:
        name: of the dataclass, below which those within it are defined.
        definitions: where they are added.

    Raises:
        TypeError: an annotation is of a kind that has no schema.
    """
    hints = get_type_hints(options)
    return {one.name: _property(one, hints[one.name], f"{name}.{one.name}", definitions) for one in fields(options)}


def required_of(options: type[Any]) -> list[str]:
    """Returns the keys without a default."""
    return [one.name for one in fields(options) if one.default is MISSING and one.default_factory is MISSING]


def mapping_of(properties: Mapping[str, Schema], required: Sequence[str] = ()) -> Schema:
    """Returns the schema of a mapping that has these keys and no others."""
    return {
        "type": "object",
        **({"required": [*required]} if required else {}),
        "additionalProperties": False,
        "properties": dict(properties),
    }


def named(values: Schema, what: str, **more: Any) -> Schema:
    """Returns the schema of a mapping from names, each of letters, digits and _, to values."""
    return {"type": "object", "propertyNames": {"description": what} | NAME, "additionalProperties": values} | more


def define(options: type[Any], name: str, definitions: Definitions) -> Schema:
    """Adds a dataclass to the definitions, and returns a reference to it."""
    if name not in definitions:
        definitions[name] = {}  # its place, before those within it
        made = mapping_of(properties_of(options, name, definitions), required_of(options))
        definitions[name] = {"description": _first_sentence(options)} | made
    return {"$ref": f"#/$defs/{name}"}


def _first_sentence(options: type[Any]) -> str:
    text = " ".join((options.__doc__ or "").split())
    return text.split(". ")[0].rstrip(".")


def _property(one: Field[Any], hint: Any, name: str, definitions: Definitions) -> Schema:
    made = _typed(hint, name, definitions)
    nullable = "null" in made.get("type", ())
    given = dict(one.metadata.get("schema", {}))
    if "enum" in given:
        made.pop("type", None)
        given["enum"] = [*given["enum"], *([None] if nullable else [])]
    elif nullable and "type" in given:
        given["type"] = [*([given["type"]] if isinstance(given["type"], str) else given["type"]), "null"]
    said = {"description": one.metadata["help"]} if one.metadata.get("help") else {}
    return said | made | given


def _typed(hint: Any, name: str, definitions: Definitions) -> Schema:
    """The schema of an annotation."""
    origin, inside = get_origin(hint), get_args(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return define(hint, name, definitions)
    if hint is Any:
        return {}
    if hint is NoneType:
        return {"type": "null"}
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if origin is Literal:
        return {"enum": list(inside)}
    if origin in (Union, UnionType):
        return _either([_typed(one, name, definitions) for one in inside])
    if origin is tuple and inside[-1] is not Ellipsis:
        each = _either([_typed(one, name, definitions) for one in dict.fromkeys(inside)])
        return {"type": "array", "items": each, "minItems": len(inside), "maxItems": len(inside)}
    if origin in (tuple, list, Sequence):
        return {"type": "array", "items": _typed(inside[0], name, definitions)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _typed(inside[1], name, definitions)}
    raise TypeError(f"{name} is annotated as {hint}, of which config.yaml has no schema")


def _either(schemas: list[Schema]) -> Schema:
    """One of several: their types in one list where that says it, so that a refusal names what would be right."""
    if len(schemas) == 1:
        return schemas[0]
    if any("enum" in one for one in schemas) and all("enum" in one or one == {"type": "null"} for one in schemas):
        return {"enum": [value for one in schemas for value in one.get("enum", [None])]}
    if all(isinstance(one.get("type"), str) for one in schemas):
        types = [one["type"] for one in schemas]
        rest = {key: value for one in schemas for key, value in one.items() if key != "type"}
        return {"type": types} | rest
    return {"anyOf": schemas}


def by(key: str, schemas: Mapping[str, Schema], more: Schema | None = None) -> Schema:
    """Returns the schema of a mapping whose other keys depend on the value of one, by that value."""
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": list(schemas)} | (more or {})},
        "allOf": [{"if": {"properties": {key: {"const": value}}}, "then": one} for value, one in schemas.items()],
    }


def datasets_schema(definitions: Definitions) -> Schema:
    """Returns the schema of `datasets`."""
    kinds = {}
    for kind, source in SOURCES.items():
        name = f"sources.{kind}"
        keys = {"kind": {"const": kind}} | properties_of(source.options, name, definitions)
        definitions[name] = mapping_of(keys, required_of(source.options))
        kinds[kind] = {"$ref": f"#/$defs/{name}"}
    dataset = {
        "source": by("kind", kinds),
        "download": {"description": "How videos from the web are fetched."}
        | define(DownloadPolicy, "download", definitions),
        **{name: define(stage.options, name, definitions) for name, stage in STAGES.items() if fields(stage.options)},
        "views": {
            "description": "The views to build; by default `cmp` wherever the frames come in pairs.",
            "type": "array",
            "uniqueItems": True,
            "items": {"enum": list(VIEWS)},
        },
        "videos_per_shard": {
            "description": "How many videos a new shard takes; shards that stand keep theirs.",
            "type": "integer",
            "minimum": 1,
        },
        "min_success": {
            "description": "The share of a shard's samples, and of its videos, that must succeed, or its job fails.",
            "type": "number",
            "minimum": 0,
            "maximum": 1,
        },
    }
    definitions["dataset"] = mapping_of(dataset, ["source"])
    made = named({"$ref": "#/$defs/dataset"}, "a dataset's name", minProperties=1)
    made["propertyNames"]["not"] = {"enum": list(TAKEN)}
    return made


def config_schema(experiments: Schema | None = None, definitions: Definitions | None = None) -> Schema:
    """Returns the schema of config.yaml.

    Args:
        experiments: the schema of its experiments; without it, they may be whatever they are.
        definitions: what that refers to.
    """
    definitions = {} if definitions is None else definitions
    properties = {
        "datasets": datasets_schema(definitions),
        "experiments": {"description": "Training runs and their evaluations."} | (experiments or {"type": "object"}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "config.yaml",
        "description": "What to compute. Every key is listed here; anything else is refused.",
        **mapping_of(properties, ["datasets"]),
        "$defs": definitions,
    }


@cache
def datasets_validator() -> Draft202012Validator:
    """Returns what checks all of config.yaml but its experiments."""
    return Draft202012Validator(config_schema())


def check(config: Mapping[str, Any], validator: Draft202012Validator, file: str) -> dict[str, Any]:
    """Returns a configuration that a schema accepts, whole numbers written as floats (`2.0`) made integers.

    Raises:
        UserError: for the first key, by its path, that the schema refuses.
    """
    errors = sorted(
        validator.iter_errors(config), key=lambda error: (list(map(str, error.absolute_path)), _rank(error))
    )
    if errors:
        raise UserError(_explain(errors[0], file))
    return _with_integers(config, validator)


def _rank(error: Any) -> int:
    """Of what is wrong in one mapping, an unknown key is said before a missing one, which it may be meant for.

    Without the key that all others depend on, nobody knows which they are.
    """
    if error.validator == "required" and "allOf" in error.schema:
        return 0
    return 1 if error.validator == "additionalProperties" else 2


def _with_integers(config: Mapping[str, Any], validator: Draft202012Validator) -> dict[str, Any]:
    """A configuration that a schema accepts, to which `2.0` is an integer as well: where it asks for one, made one.

    A schema that takes no float for an integer has an error at each place where there is one.
    """
    made = deepcopy(dict(config))
    strict = _Strict(validator.schema)
    while places := {tuple(leaf.absolute_path) for error in strict.iter_errors(made) for leaf in _leaves(error)}:
        for place in places:
            within: Any = made
            for key in place[:-1]:
                within = within[key]
            within[place[-1]] = int(within[place[-1]])
    return made


def _leaves(error: Any) -> Iterator[Any]:
    """The errors of floats in place of integers, of all alternatives."""
    for inner in error.context or ():
        yield from _leaves(inner)
    if isinstance(error.instance, float) and error.instance.is_integer() and error.validator in ("type", "enum"):
        yield error


def _strict_enum(validator: Any, values: list[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, float) and any(instance == value and isinstance(value, int) for value in values):
        yield ValidationError(f"{instance} is no integer")


_Strict = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"enum": _strict_enum},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda checker, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def closest(word: str, known: Sequence[str]) -> str:
    """Returns what would be right in place of a word, for the end of a refusal."""
    close = difflib.get_close_matches(word, known, 1)
    return f"should be one of {', '.join(known)}" + (f" (did you mean {close[0]}?)" if close else "")


def shown(value: Any) -> str:
    """Returns a value as YAML writes it."""
    names = {None: "null", True: "true", False: "false"}
    return names[value] if value is None or isinstance(value, bool) else str(value)


def as_number(text: str) -> str | None:
    """Returns how YAML 1.1 wants a number that it takes for text, such as 1e-3; None where it is something else."""
    found = re.fullmatch(r"([-+]?)([0-9]+)(\.[0-9]*)?[eE]([-+]?)([0-9]+)", text)
    if not found:
        return None
    sign, whole, part, exponent_sign, exponent = found.groups()
    return f"{sign}{whole}{part if part and part != '.' else '.0'}e{exponent_sign or '+'}{exponent}"


def as_key(key: Any) -> str:
    """Returns a key as a part of a path in messages: quoted and cut where it is not short and printable."""
    text = shown(key)
    return text if len(text) <= 80 and text.isprintable() else quoted(text)


def _explain(error: Any, file: str) -> str:
    """One line for jsonschema's `ValidationError`: the key's path, what is wrong, what would be right."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{as_key(part)}" for part in error.absolute_path]
    path = "".join(parts).lstrip(".")
    where = f"{file}: {path}" if path else file
    schema = error.schema
    wanted = error.validator_value
    of_name = "propertyNames" in error.schema_path
    match error.validator:
        case "additionalProperties":
            known = list(schema.get("properties", {}))
            unknown = next(key for key in error.instance if key not in known)
            close = difflib.get_close_matches(str(unknown), known, 1)
            advice = f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(known)}"
            return f"{file}: {f'{path}.' if path else ''}{as_key(unknown)} is not a key: {advice}"
        case "required":
            missing = next(key for key in wanted if key not in error.instance)
            others = {str(key): key for key in error.instance if key not in schema.get("properties", {})}
            if close := difflib.get_close_matches(missing, [*others], 1):
                return f"{f'{where}.' if path else f'{file}: '}{as_key(close[0])} is not a key: did you mean {missing}?"
            return f"{where} lacks {missing}, which is required"
        case "type" if of_name:
            name, what = as_key(error.instance), schema["description"]
            return f"{where}.{name}: YAML reads {what} here as {_kind(error.instance)}: write it in quotes"
        case "type":
            names = {"object": "a mapping", "array": "a list", "null": "null", "boolean": "true or false"}
            types = [wanted] if isinstance(wanted, str) else wanted
            right = " or ".join(names.get(name, f"a{'n' * (name[0] in 'aeiou')} {name}") for name in types)
            if error.instance is None:
                return f"{where} is empty: should be {right}"
            number = {"number", "integer"} & {*types} and isinstance(error.instance, str) and as_number(error.instance)
            if number:
                return f"{where}: YAML reads {error.instance} as text: write {number}"
            return f"{where} is {quoted(error.instance)}: should be {right}"
        case "enum" if error.instance is None:
            return f"{where} is empty: {closest('', [shown(value) for value in wanted])}"
        case "enum":
            right = closest(str(error.instance), [shown(value) for value in wanted])
            return f"{where} is {quoted(error.instance)}: {right}"
        case "pattern" if of_name:
            return f"{where}.{as_key(error.instance)}: {schema['description']} has letters, digits and _ only"
        case "not" if of_name:
            return f"{where}.{error.instance}: this name is taken: results/{error.instance} is not for a dataset"
        case "minProperties" | "minItems" if not error.instance:
            return f"{where} is empty: should have at least {wanted} entry"
        case "minItems" | "maxItems":
            least, most = schema.get("minItems", 0), schema.get("maxItems")
            number = (
                str(least)
                if least == most
                else f"at least {least}"
                if len(error.instance) < least
                else f"at most {most}"
            )
            return f"{where} has {len(error.instance)} entries: should have {number}"
        case "uniqueItems":
            twice = next(item for item in error.instance if error.instance.count(item) > 1)
            return f"{where} names {as_key(twice)} twice: leave one out"
        case "maxProperties":
            if not error.instance:
                return f"{where} is empty: should have one of {', '.join(schema['properties'])}"
            return f"{where} has {len(error.instance)} keys: should have one of {', '.join(schema['properties'])}"
        case "minimum":
            return f"{where} is {error.instance}: should be at least {wanted}"
        case "maximum":
            return f"{where} is {error.instance}: should be at most {wanted}"
        case "exclusiveMinimum":
            return f"{where} is {error.instance}: should be above {wanted}"
        case "exclusiveMaximum":
            return f"{where} is {error.instance}: should be below {wanted}"
        case _:
            return f"{where}: {error.message.replace(repr(error.instance), quoted(error.instance))}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "nothing" if value is None else "a number" if isinstance(value, int | float) else "a date"
