"""Evaluations of several experiments side by side: lines of numbers, and pictures."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common_fate.errors import UserError
from trainers.evaluations.result import Measurement, Row, read_result
from trainers.page.experiments.listing import Experiments
from trainers.page.links import stays_inside
from trainers.report.summary import TRAINED

MOST_COMPARED = 16  # experiments
MOST_COLUMNS = 48  # of a table
MOST_LINES = 600  # of an evaluation
MOST_BYTES = 2**28  # of results in memory, as files
MOST_FILES = 64  # of an experiment

Key = tuple[str, str, str, str, str]
"""Dataset, subset, metric, unit, better: of a line."""


@dataclass
class Results:
    """Evaluations' files, of which those are kept that were read last."""

    experiments: Experiments
    _kept: OrderedDict[tuple[Path, int, int], Measurement] = field(default_factory=OrderedDict)

    def files(self, name: str) -> dict[tuple[str, str], Path]:
        """Returns the files of an experiment's results by evaluation and start.

        Raises:
            UserError: there is no such experiment.
        """
        folder = self.experiments.folder(name)
        root = folder.resolve()
        found = [path for path in sorted(folder.glob("evaluations/*/*.json")) if not path.name.startswith(".")]
        inside = [path for path in found[:MOST_FILES] if stays_inside(path, root)]
        return {(path.parent.name, path.stem): path for path in inside}

    def read(self, path: Path) -> Measurement:
        """Returns what a file has.

        Raises:
            UserError: it is gone, or damaged.
        """
        try:
            about = path.stat()
        except OSError as error:
            raise UserError(f"{path}: is not there (any more)") from error
        key = (path, about.st_mtime_ns, about.st_size)
        if key not in self._kept:
            self._kept[key] = read_result(path)
            while len(self._kept) > 1 and sum(size for _, _, size in self._kept) > MOST_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def picture(self, name: str, evaluation: str, start: str, number: int) -> bytes:
        """Returns a picture of a result, as PNG.

        Raises:
            UserError: there is none.
        """
        path = self.files(name).get((evaluation, start))
        pictures = self.read(path).result.pictures if path else ()
        if number >= len(pictures):
            raise UserError(f"{name}: {evaluation} from {start} has no such picture (any more)")
        return pictures[number].png


def compared(results: Results, names: Sequence[str]) -> dict[str, Any]:
    """Returns the evaluations of some experiments as JSON, each a table with a column for each experiment and start.

    A file that cannot be read is an error in words of its experiment, and the others go on.
    """
    errors: list[dict[str, str]] = []
    found: dict[str, dict[tuple[str, str], Measurement]] = {}
    for name in names:
        try:
            files = results.files(name)
        except UserError as error:
            errors.append({"experiment": name, "text": str(error)})
            continue
        for (evaluation, start), path in sorted(files.items(), key=lambda one: (one[0][0], _place(one[0][1]))):
            try:
                found.setdefault(evaluation, {})[name, start] = results.read(path)
            except UserError as error:
                errors.append({"experiment": name, "text": str(error)})
    tables = [_table(evaluation, columns) for evaluation, columns in sorted(found.items()) if columns]
    return {"evaluations": tables, "errors": errors}


def _place(start: str) -> tuple[int, str]:
    return (0 if start in TRAINED else 1 if start == "scratch" else 2), start


def _table(evaluation: str, measured: Mapping[tuple[str, str], Measurement]) -> dict[str, Any]:
    columns = dict(list(measured.items())[:MOST_COLUMNS])
    lines: dict[Key, dict[tuple[str, str], Row]] = {}
    for column, one in columns.items():
        for row in one.result.rows:
            key = row.dataset, row.subset, row.metric, row.unit, row.better
            lines.setdefault(key, {}).setdefault(column, row)
    baselines = list(dict.fromkeys(name for line in lines.values() for row in line.values() for name in row.baselines))
    notes = dict.fromkeys(one.result.note for one in columns.values())
    options = {_sorted(one.options) for one in columns.values()}
    return {
        "name": evaluation,
        "columns": [{"experiment": name, "start": start} for name, start in columns],
        "baselines": baselines,
        "lines": [_line(key, line, list(columns), baselines) for key, line in list(lines.items())[:MOST_LINES]],
        "more": max(0, len(lines) - MOST_LINES),
        "notes": [note for note in notes if note],
        "differ": len(options) > 1,
        "pictures": _pictures(columns),
    }


def _line(
    key: Key, line: Mapping[tuple[str, str], Row], columns: Sequence[tuple[str, str]], baselines: Sequence[str]
) -> dict[str, Any]:
    dataset, subset, metric, unit, better = key
    values = [line[column].value if column in line else None for column in columns]
    spans = [_span(row.baselines.get(name) for row in line.values()) for name in baselines]
    known = [value for value in values if value is not None]
    known += [low for low, high in filter(None, spans) if low == high]
    best = (max if better == "higher" else min)(known) if len(known) > 1 else None
    samples = sorted({row.samples for row in line.values()})
    return {
        **{"dataset": dataset, "subset": subset, "metric": metric, "unit": unit, "better": better},
        "values": values,
        "baselines": spans,
        "best": best,
        "samples": samples,
    }


def _span(values: Iterable[float | None]) -> tuple[float, float] | None:
    """From which to which a baseline goes in several experiments; what differs by rounding is one number."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    return (low, low) if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12) else (low, high)


def _pictures(columns: Mapping[tuple[str, str], Measurement]) -> list[dict[str, Any]]:
    """Pictures of the same name, one for each column that has it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for place, one in enumerate(columns.values()):
        for number, picture in enumerate(one.result.pictures):
            width, height = picture.size
            about = {"column": place, "number": number, "width": width, "height": height, "caption": picture.caption}
            found.setdefault(picture.name, []).append(about)
    return [{"name": name, "of": of} for name, of in found.items()]


def _sorted(options: Any) -> str:
    if isinstance(options, Mapping):
        return "{" + ",".join(f"{key}:{_sorted(options[key])}" for key in sorted(options)) + "}"
    return repr(options)
