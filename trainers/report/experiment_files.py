"""The files of an experiment that a report reads, checked. Nothing here imports torch."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common_fate.errors import UserError
from common_fate.foreign.files import open_file, parse_json, read_file
from common_fate.shards.limits import quoted
from trainers.evaluations.result import MAX_TEXT, Row, rows_of
from trainers.report.figures import drawable

MAX_BYTES = 2**26  # of JSON
MAX_VALUES = 2**20
MAX_LINE = 2**19  # characters
MAX_COLUMNS = 256
ITERATION, RATE, LOSS, VALIDATION = "iteration", "learning_rate", "loss", "validation."


@dataclass(frozen=True)
class Curves:
    """What was measured while training, a list of values by column, None where it was not measured.

    Columns are `learning_rate`, `loss` (the sum), `loss.NAME` where there are several, and `validation.METRIC`.
    """

    iteration: list[int]
    columns: dict[str, list[float | None]]

    def measured(self, column: str) -> tuple[list[int], list[float]]:
        """Returns the iterations at which a column was measured, and what; empty where it never was."""
        pairs = [
            (at, value)
            for at, value in zip(self.iteration, self.columns.get(column, []), strict=False)
            if value is not None
        ]
        return [at for at, _ in pairs], [value for _, value in pairs]


@dataclass(frozen=True)
class Metrics:
    """A `metrics.json`: of one experiment what training took, and its evaluations' rows by name and start."""

    experiment: str
    training: dict[str, Any]
    evaluations: dict[str, dict[str, tuple[Row, ...]]]


def read_curves(path: Path) -> Curves | None:
    """Reads a `curves.csv`, row by row; None where there is no such file.

    What is not finite, or larger than anything that is measured, counts as not measured.

    Raises:
        UserError: a column or a cell is missing, a cell is no number, there are no rows, or it is too large.
    """
    try:
        with open_file(path) as file:
            return _curves(csv.reader(_lines(io.TextIOWrapper(file, "utf-8", newline="")), strict=True))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, csv.Error) as error:
        raise _garbled(path, str(error)) from error


def _lines(file: io.TextIOWrapper) -> Iterator[str]:
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise ValueError(f"a line of {MAX_LINE} characters or more")
        yield line


def _curves(rows: Iterator[list[str]]) -> Curves:
    names = next(rows, None)
    if names is None:
        raise ValueError("it has no rows")
    if len(names) > MAX_COLUMNS:
        raise ValueError(f"{len(names)} columns; at most {MAX_COLUMNS}")
    if long := [name for name in names if len(name) > MAX_TEXT]:
        raise ValueError(f"a column is called {quoted(long[0])}: at most {MAX_TEXT} characters")
    if len(set(names)) < len(names):
        raise ValueError("two columns have the same name")
    if ITERATION not in names:
        raise ValueError(f"it lacks the column {ITERATION}")
    at = names.index(ITERATION)
    iteration: list[int] = []
    columns: list[list[float | None]] = [[] for _ in names]
    for row in rows:
        if len(row) != len(names):
            if not row:
                continue
            raise ValueError("a row is cut short, or too long")
        if (len(iteration) + 1) * len(names) > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} cells")
        iteration.append(_iteration(row[at]))
        for place, cell in enumerate(row):
            if place != at:
                columns[place].append(_number(cell))
    if not iteration:
        raise ValueError("it has no rows")
    return Curves(iteration, {name: column for name, column in zip(names, columns, strict=True) if name != ITERATION})


def read_json(path: Path) -> dict[str, Any] | None:
    """Reads an object; None where there is no such file. Raises `UserError` where it is not one."""
    try:
        values = parse_json(read_file(path, MAX_BYTES), MAX_VALUES)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _garbled(path, str(error)) from error
    if not isinstance(values, dict):
        raise _garbled(path, "it should be an object")
    return values


def read_metrics(path: Path) -> Metrics:
    """Reads a `metrics.json`.

    Raises:
        UserError: it is missing, or not one.
    """
    values = read_json(path)
    if values is None:
        raise UserError(f"{path}: there is no such file: report on the experiment first")
    try:
        return Metrics(
            _text(values.get("experiment"), "experiment"),
            dict(_mapping(values.get("training", {}), "training")),
            {
                _text(name, "an evaluation"): {
                    _text(start, "a start"): rows_of(rows) for start, rows in _mapping(starts, name).items()
                }
                for name, starts in _mapping(values.get("evaluations", {}), "evaluations").items()
            },
        )
    except ValueError as error:
        raise _garbled(path, str(error)) from error


def number(value: Any) -> float | None:
    """Returns what a file says, where it is a number; else None."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what[:MAX_TEXT]} should be an object")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError(f"{what} is {quoted(value)}: should be text of at most {MAX_TEXT} characters")
    return value


def _iteration(cell: str) -> int:
    if not re.fullmatch("[0-9]{1,12}", cell):
        raise ValueError(f"an iteration is {quoted(cell)}: should be a whole number of at most 12 digits")
    return int(cell)


def _number(cell: str) -> float | None:
    """A cell as a number that can be drawn; None where there is none."""
    try:
        return drawable(float(cell)) if cell else None
    except ValueError:
        raise ValueError(f"a cell is {quoted(cell)}: should be a number") from None


def _garbled(path: Path, why: str) -> UserError:
    return UserError(f"{path}: cannot be read ({why}): remove it, and run snakemake to make it again")
