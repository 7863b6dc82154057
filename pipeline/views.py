"""Views: columns joined by key into ready-to-train shards."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from common_fate.errors import ShardError
from common_fate.progress import progress
from common_fate.shards.column import Shard
from common_fate.shards.record import Record
from common_fate.shards.runs import Keys, Listed, by_reason
from common_fate.shards.writer import write_shard
from pipeline.stages.runner import opened


@dataclass(frozen=True)
class View:
    """A join: which members of which columns stand together in one sample.

    Args:
        name: the view's name, and its folder's under `shards`.
        version: raised when the same columns give other bytes.
        anchor: the column whose keys are the samples that the view ought to have.
        columns: each column's members. `json` members are merged, the later column's facts winning. A column of which
            none has to be there may lack a sample, but not one that failed there.
        follow: fields of a frame's `json` that lead to another frame of the same video: its members join, too, as
            `{field}.{extension}`. Frames whose fields are null are no samples of such a view.
        prefixes: of columns whose members would have the names of another's: what stands before them, so that
            `{"truth": "truth"}` makes `truth.flow.b2` of the truth's `flow.b2`.
        optional: further members of columns, which join where a column has them.
        own: columns of which only the sample's own members join, and not those of the frames that `follow` leads to.

    Raises:
        ValueError: two columns give members of one name, or a column is named that is not joined.
    """

    name: str
    version: int
    anchor: str
    columns: Mapping[str, tuple[str, ...]]
    follow: tuple[str, ...] = ()
    prefixes: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := ({self.anchor, *self.prefixes, *self.optional, *self.own} - set(self.columns)):
            raise ValueError(f"view {self.name}: joins no column {min(unknown)}")
        from_column: dict[str, str] = {}
        for column, extensions in self.columns.items():
            for extension in (*extensions, *self.optional.get(column, ())):
                member = self.member(column, extension)
                other = from_column.setdefault(member, column)
                if other != column and member != "json":
                    raise ValueError(f"view {self.name}: {other} and {column} both have {member}: give one a prefix")

    def joins(self, column: str, prefix: str) -> bool:
        """Returns whether a column's members of a frame join: of the sample's own, whose prefix is empty, all do."""
        return not prefix or column not in self.own

    def member(self, column: str, extension: str) -> str:
        """Returns what a column's member is called in the view."""
        prefix = self.prefixes.get(column)
        return f"{prefix}.{extension}" if prefix and extension != "json" else extension


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
        failures = _failures([column.record for column in columns.values()])
        dropped = _dropped([column.record for column in columns.values()])
        known = Keys(key for _, key in failures.rows())
        failed = {name: Keys(row["key"] for row in column.record.failures) for name, column in columns.items()}
        left_out = {name: Keys(chain(*column.record.dropped.values())) for name, column in columns.items()}

        def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
            wanted = [(key, keys) for key, keys in parts.items() if keys]
            for key, keys in progress(wanted, len(wanted), f"{view.name} {to.stem}"):
                lacking = [
                    (name, part)
                    for prefix, part in keys.items()
                    for name, column in columns.items()
                    if view.joins(name, prefix) and part not in column and (view.columns[name] or part in failed[name])
                ]
                if not lacking:
                    yield key, _joined(view, columns, keys)
                elif key not in known and all(part not in left_out[stage] for stage, part in lacking):
                    stage, part = lacking[0]
                    what = "such sample" if part == key else "sample of a frame that belongs to it"
                    failures.add((stage, f"no {what} in this column"), key)

        def facts() -> dict[str, Any]:
            records = {name: column.record for name, column in columns.items()}
            return {
                "stage": view.name,
                "version": view.version,
                "options": {name: record.options for name, record in records.items()},
                "inputs": {name: record.sha256 for name, record in records.items()},
                "failures": [
                    {"key": key, "stage": stage, "reason": reason} for (stage, reason), key in failures.rows()
                ],
                "dropped": dropped,
                "statistics": {name: value for r in records.values() for name, value in r.statistics.items()},
                "software": {name: value for r in records.values() for name, value in r.software.items()},
                "provenance": {name: record.provenance for name, record in records.items() if record.provenance},
            }

        return write_shard(to, samples(), facts)


def _failures(records: Sequence[Record]) -> Listed[tuple[str, str]]:
    """Stage and reason with the key of what failed in any of the columns."""
    listed = Listed[tuple[str, str]]()
    for row in (row for record in records for row in record.failures):
        listed.add((row["stage"], row["reason"]), row["key"])
    return listed


def _dropped(records: Sequence[Record]) -> dict[str, list[str]]:
    """The keys, by reason, of what was dropped in any of the columns; a view lists it as it lists their failures."""
    listed = Listed[str]()
    for reason in {reason for record in records for reason in record.dropped}:
        for text in dict.fromkeys(key for record in records for key in record.dropped.get(reason, [])):
            listed.add(reason, text)
    return by_reason(listed.rows())


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
            if not view.joins(name, prefix) or key not in columns[name]:
                continue
            sample = columns[name][key]
            there = [each for each in view.optional.get(name, ()) if each in sample.encoded]
            for extension in (*extensions, *there):
                if extension != "json":
                    members[prefix + view.member(name, extension)] = sample.encoded[extension]
                elif not prefix:
                    facts |= columns[name].facts(key)
    return members | {"json": json.dumps(facts).encode()}
