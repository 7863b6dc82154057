"""The schema of config.yaml with its experiments, and the tables of options in the docs: `python -m trainers.schema`
writes both anew. They are made from the dataclasses of options, as is what Snakemake checks config.yaml by.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from jsonschema import Draft202012Validator

from pipeline.config.schema import (
    Definitions,
    Schema,
    by,
    config_schema,
    mapping_of,
    named,
    properties_of,
    required_of,
    shown,
)
from pipeline.downloads.policy import DownloadPolicy
from pipeline.registry import STAGES
from pipeline.sources import SOURCES
from trainers.declarations import Evaluation, Method
from trainers.registry import EVALUATIONS, METHODS

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = "workflow/schemas/config.schema.yaml"
_MARKED = re.compile(r"(<!-- options: ([\w.]+) -->\n)(.*?)(<!-- end of options -->)", re.DOTALL)

_DATASETS = {
    "description": "Datasets of this file.",
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"type": "string"},
}


def _number(description: str, least: int) -> Schema:
    return {"description": description, "type": "integer", "minimum": least}


def experiments_schema(definitions: Definitions) -> Schema:
    """Returns the schema of `experiments`, and adds what it refers to."""
    for evaluation in EVALUATIONS.values():
        definitions[f"evaluations.{evaluation.name}"] = _of_evaluation(evaluation, definitions)
    methods = {}
    for method in METHODS.values():
        definitions[f"methods.{method.name}"] = _of_method(method, definitions)
        methods[method.name] = {"$ref": f"#/$defs/methods.{method.name}"}
    definitions["experiment"] = by("method", methods)
    return named({"$ref": "#/$defs/experiment"}, "an experiment's name")


@cache
def experiments_validator() -> Draft202012Validator:
    """Returns what checks the experiments of config.yaml."""
    definitions: Definitions = {}
    experiments = experiments_schema(definitions)
    return Draft202012Validator({"properties": {"experiments": experiments}, "$defs": definitions})


def _of_method(method: Method, definitions: Definitions) -> Schema:
    """The keys of an experiment: those of every experiment, and the method's own options."""
    known = {f"{name}": {"$ref": f"#/$defs/evaluations.{name}"} for name in EVALUATIONS}
    keys: dict[str, Schema] = {
        "recipe": {"description": "A preset, which the options override.", "enum": list(method.recipes)},
        "train": _DATASETS,
        "validation": mapping_of(
            {
                "share": {
                    "description": "The share of the videos of `train` that is held out.",
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "exclusiveMaximum": 1,
                },
                "on": {**_DATASETS, "description": "Other datasets, whole."},
            }
        )
        | {"minProperties": 1, "maxProperties": 1},
        "train_share": {
            "description": "The share of the videos left to train on that is trained on.",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
        },
        "start": {
            "description": "An experiment, a checkpoint's path, or network: the weights to start from.",
            "type": "string",
        },
        "teacher": {"description": "An experiment, or the path of its model.safetensors.", "type": "string"},
        "nodes": _number("Nodes of a cluster, with as many devices each.", 1),
        "devices": _number("GPUs of one node, a process each.", 1),
        "workers": _number("Processes that load data, per device; 0 loads in the training process.", 0),
        "evaluate": named(by("evaluation", known), "an evaluation's name", properties=known),
    }
    for key, there in (("recipe", method.recipes), ("teacher", method.teachers)):
        if not there:
            del keys[key]
    own = properties_of(method.options, f"methods.{method.name}", definitions)
    if taken := own.keys() & {*keys, "method", "grid"}:
        raise TypeError(
            f"the options of the method {method.name} have {min(taken)}, which is a key of every experiment"
        )
    variant = f"methods.{method.name}.variant"
    definitions[variant] = mapping_of(keys | own)
    grid = named(named({"$ref": f"#/$defs/{variant}"}, "the name of a variant", minProperties=1), "the name of an axis")
    grid |= {"description": "A preset, or axes, their variants, and what each overrides.", "minProperties": 1}
    grid |= {"type": ["string", "object"], "if": {"type": "string"}, "then": {"enum": list(method.grids)}}
    return mapping_of(
        {"method": {"const": method.name}} | keys | own | {"grid": grid}, ["train", *required_of(method.options)]
    )


def _of_evaluation(evaluation: Evaluation, definitions: Definitions) -> Schema:
    """The keys of an evaluation: what it is, where it starts and what it is measured on, and its own options."""
    keys: dict[str, Schema] = {
        "evaluation": {"const": evaluation.name},
        "on": {**_DATASETS, "description": "What it is measured on; by default, what validates the training."},
        "start": {
            "description": f"{_trained(evaluation)} (what was trained), scratch, or paths of checkpoints.",
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "string"},
        },
    }
    if evaluation.view is None:
        del keys["on"]
    own = properties_of(evaluation.options, f"evaluations.{evaluation.name}", definitions)
    return mapping_of(keys | own, required_of(evaluation.options))


def _trained(evaluation: Evaluation) -> str:
    """What a start at the experiment's own weights is called."""
    if not isinstance(evaluation.needs, str):
        return "model or encoder"
    return "encoder" if evaluation.needs == "encoder" else "model"


def full_schema() -> Schema:
    """Returns the schema of config.yaml, experiments and all."""
    definitions: Definitions = {}
    return config_schema(experiments_schema(definitions), definitions)


class _Plain(yaml.SafeDumper):
    """Writes what is said twice twice, rather than by an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def schema_text() -> str:
    """Returns the file `SCHEMA`."""
    text = yaml.dump(full_schema(), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)
    return (
        "# Made by `make schema` from the dataclasses of options, for editors that complete and check config.yaml.\n"
        + text
    )


def documented() -> Iterator[tuple[str, Any]]:
    """Yields every dataclass of options that a user may meet in config.yaml, by the name of its table.

    One within another is an instance where that gives it defaults: a method's own `training`, and not everybody's.
    """
    yield "download", DownloadPolicy
    for name, stage in STAGES.items():
        yield name, stage.options
    for name, source in SOURCES.items():
        yield f"sources.{name}", source.options
    for name, method in METHODS.items():
        yield from _within(f"methods.{name}", method.options)
    for name, evaluation in EVALUATIONS.items():
        yield from _within(f"evaluations.{name}", evaluation.options)


def _within(name: str, options: Any) -> Iterator[tuple[str, Any]]:
    yield name, options
    hints = _hints(options)
    for one in fields(options):
        for inner in (hints[one.name], *get_args(hints[one.name])):
            if is_dataclass(inner) and isinstance(inner, type):
                value = _default(options, one)
                yield from _within(f"{name}.{one.name}", value if is_dataclass(value) else inner)


def _hints(options: Any) -> dict[str, Any]:
    return get_type_hints(options if isinstance(options, type) else type(options))


def _default(options: Any, one: Field[Any]) -> Any:
    """What an option is where it is left out; `MISSING`, where it has to be there."""
    if not isinstance(options, type):
        return getattr(options, one.name)
    return one.default if one.default_factory is MISSING else one.default_factory()


def options_table(options: Any) -> str:
    """Returns the table of a dataclass of options: key, default, and what it is. Those within have their own.

    Args:
        options: the dataclass, or an instance of it, whose values are the defaults.
    """
    rows = []
    for one in fields(options):
        value = _default(options, one)
        if not is_dataclass(value) and not is_dataclass(_hints(options)[one.name]):
            default = "" if value is MISSING else f"`{_yaml(value)}`"
            said = one.metadata.get("help", "")
            choices = [shown(choice) for choice in one.metadata.get("schema", {}).get("enum", ())]
            if missing := [choice for choice in choices if f"`{choice}`" not in said]:
                said = f"{', '.join(f'`{choice}`' for choice in missing)}{': ' * bool(said)}{said}"
            rows.append(f"| `{one.name}` | {default} | {said} |")
    return "\n".join(["| key | default | |", "|---|---|---|", *rows])


def _yaml(value: Any) -> str:
    """A default as one writes it into config.yaml."""
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_yaml(one)}' for key, one in value.items())}}}"
    return f"{value:.4g}" if isinstance(value, float) else shown(value)


def with_tables(text: str) -> str:
    """Returns a page of the docs with its tables of options as the dataclasses have them.

    A table stands between `<!-- options: NAME -->` and `<!-- end of options -->`; see `documented` for the names.

    Raises:
        ValueError: there are no such options.
    """
    known = dict(documented())

    def table(found: re.Match[str]) -> str:
        if found[2] not in known:
            raise ValueError(f"there are no options {found[2]!r}: should be one of {', '.join(known)}")
        return f"{found[1]}{options_table(known[found[2]])}\n{found[4]}"

    return _MARKED.sub(table, text)


def generated(root: Path = ROOT) -> dict[Path, str]:
    """Returns what `write` writes: the text of each file."""
    pages = {page: page.read_text() for page in sorted((root / "docs").rglob("*.md"))}
    texts = {page: with_tables(text) for page, text in pages.items() if _MARKED.search(text)}
    return {root / SCHEMA: schema_text()} | texts


def write() -> None:
    """Writes the schema and the tables anew."""
    for path, text in generated().items():
        path.write_text(text)


if __name__ == "__main__":
    write()
