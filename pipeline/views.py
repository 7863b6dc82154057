"""Views: columns joined by key into ready-to-train shards for one method."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.progress import progress
from pipeline.runner import opened
from pipeline.shards.column import Shard
from pipeline.shards.record import Record
from pipeline.shards.writer import write_shard


@dataclass(frozen=True)
class View:
    """A join: which members of which columns one method trains on.

    `columns` maps each column to its members; `anchor` is the column whose keys are the samples
    the view ought to have. `json` members are merged. `version` is raised when the same columns give other bytes.
    """

    name: str
    version: int
    anchor: str
    columns: Mapping[str, tuple[str, ...]]


CMP = View(
    name="cmp",
    version=1,
    anchor="flow",
    columns={"frames": ("jpg", "json"), "flow": ("flow.b2", "json"), "guidance": ("guidance.npy",)},
)


def build_view(view: View, inputs: Mapping[str, Path], to: Path) -> Record:
    """Joins one shard of each column into one shard of the view.

    A sample that lacks a member is left out, and the record says which column lacks it and why. Members are copied as
    they are: nothing is decoded but `json`.

    Raises:
        UserError: a column's shard is damaged (`ShardError`), or the output cannot be written.
    """
    with ExitStack() as stack:
        columns = {name: stack.enter_context(opened(inputs[name])) for name in view.columns}
        wanted = columns[view.anchor].record.keys
        failures = [failure for column in columns.values() for failure in column.record.failures]
        known = {failure["key"] for failure in failures}

        def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
            for key in progress(wanted, len(wanted), f"{view.name} {to.stem}"):
                lacking = [name for name, column in columns.items() if key not in column]
                if not lacking:
                    yield key, _joined(view, columns, key)
                elif key not in known:
                    failures.append({"key": key, "stage": lacking[0], "reason": "no such sample in this column"})

        def facts() -> dict[str, Any]:
            records = {name: column.record for name, column in columns.items()}
            return {
                "stage": view.name,
                "version": view.version,
                "options": {name: record.options for name, record in records.items()},
                "inputs": {name: record.sha256 for name, record in records.items()},
                "failures": failures,
                "statistics": {name: value for r in records.values() for name, value in r.statistics.items()},
                "software": {name: value for r in records.values() for name, value in r.software.items()},
                "provenance": {name: record.provenance for name, record in records.items() if record.provenance},
            }

        return write_shard(to, samples(), facts)


def _joined(view: View, columns: Mapping[str, Shard], key: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    facts: dict[str, Any] = {}
    for name, extensions in view.columns.items():
        sample = columns[name][key]
        for extension in extensions:
            if extension == "json":
                facts |= sample["json"]
            else:
                members[extension] = sample.encoded[extension]
    return members | {"json": json.dumps(facts).encode()}
