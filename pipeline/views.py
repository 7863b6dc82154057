"""Views: columns joined by key into ready-to-train shards for one method."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from common_fate.errors import ShardError
from common_fate.progress import progress
from common_fate.shards.column import Shard
from common_fate.shards.record import Record
from common_fate.shards.writer import write_shard
from pipeline.stages.runner import opened


@dataclass(frozen=True)
class View:
    """A join: which members of which columns one method trains on.

    `columns` maps each column to its members; `anchor` is the column whose keys are the samples
    the view ought to have. `json` members are merged. `version` is raised when the same columns give other bytes.
    `follow` names fields of a frame's `json` that lead to another frame of the same video: its members join, too, as
    `{field}.{extension}`. Frames whose fields are null are no samples of such a view.
    """

    name: str
    version: int
    anchor: str
    columns: Mapping[str, tuple[str, ...]]
    follow: tuple[str, ...] = ()


CMP = View(
    name="cmp",
    version=1,
    anchor="flow",
    columns={"frames": ("jpg", "json"), "flow": ("flow.b2", "json"), "guidance": ("guidance.npy",)},
)
GROUPING = View(
    name="grouping",
    version=1,
    anchor="frames",
    columns={"frames": ("jpg", "json"), "regions": ("regions.png", "tree.npy")},
)
SELFLOW = View(
    name="selflow",
    version=1,
    anchor="frames",
    columns={"frames": ("jpg", "json"), "superpixels": ("superpixels.png",)},
    follow=("previous", "next"),
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
        for name, extensions in view.columns.items():
            record = columns[name].record
            if record.samples and not set(extensions) <= set(record.extensions):
                raise ShardError(
                    f"{inputs[name]}: has members {record.extensions}; {view.name} needs {list(extensions)}"
                )
        parts = {key: _parts(view, columns, key) for key in columns[view.anchor].record.keys}
        failures = [failure for column in columns.values() for failure in column.record.failures]
        dropped = _dropped([column.record for column in columns.values()])
        known = {failure["key"] for failure in failures}
        left_out = {name: {*chain(*column.record.dropped.values())} for name, column in columns.items()}

        def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
            wanted = [(key, keys) for key, keys in parts.items() if keys]
            for key, keys in progress(wanted, len(wanted), f"{view.name} {to.stem}"):
                lacking = [
                    (name, part) for part in keys.values() for name, column in columns.items() if part not in column
                ]
                if not lacking:
                    yield key, _joined(view, columns, keys)
                elif key not in known and all(part not in left_out[stage] for stage, part in lacking):
                    stage, part = lacking[0]
                    what = "such sample" if part == key else part
                    failures.append({"key": key, "stage": stage, "reason": f"no {what} in this column"})

        def facts() -> dict[str, Any]:
            records = {name: column.record for name, column in columns.items()}
            return {
                "stage": view.name,
                "version": view.version,
                "options": {name: record.options for name, record in records.items()},
                "inputs": {name: record.sha256 for name, record in records.items()},
                "failures": failures,
                "dropped": dropped,
                "statistics": {name: value for r in records.values() for name, value in r.statistics.items()},
                "software": {name: value for r in records.values() for name, value in r.software.items()},
                "provenance": {name: record.provenance for name, record in records.items() if record.provenance},
            }

        return write_shard(to, samples(), facts)


def _dropped(records: Sequence[Record]) -> dict[str, list[str]]:
    """The keys, by reason, of what was dropped in any of the columns; a view lists it as it lists their failures."""
    reasons = sorted({reason for record in records for reason in record.dropped})
    return {
        reason: list(dict.fromkeys(key for record in records for key in record.dropped.get(reason, [])))
        for reason in reasons
    }


def _parts(view: View, columns: Mapping[str, Shard], key: str) -> dict[str, str]:
    """The keys of a sample's frames by prefix, the sample's own under `""`; empty where a neighbour is null."""
    if not view.follow:
        return {"": key}
    followed = {f"{field}.": columns[view.anchor].neighbour(key, field) for field in view.follow}
    if None in followed.values():
        return {}
    return {"": key} | {prefix: other for prefix, other in followed.items() if other}


def _joined(view: View, columns: Mapping[str, Shard], keys: Mapping[str, str]) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    facts: dict[str, Any] = {}
    for prefix, key in keys.items():
        for name, extensions in view.columns.items():
            sample = columns[name][key]
            for extension in extensions:
                if extension != "json":
                    members[prefix + extension] = sample.encoded[extension]
                elif not prefix:
                    facts |= columns[name].facts(key)
    return members | {"json": json.dumps(facts).encode()}
