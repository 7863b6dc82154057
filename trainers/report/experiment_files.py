"""The files of an experiment that a report reads, checked. Nothing here imports torch."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common_fate.errors import UserError
from common_fate.foreign.files import parse_json, read_file
from common_fate.shards.limits import quoted
from trainers.evaluations.result import Row, rows_of

MAX_BYTES = 2**26  # of any of them
MAX_VALUES = 2**20
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
    """Reads a `curves.csv`; None where there is no such file.

    Raises:
        UserError: a column or a cell is missing, a cell is no number, there are no rows, or it is too large.
    """
    try:
        text = read_file(path, MAX_BYTES).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, csv.Error) as error:
        raise _garbled(path, str(error)) from error
    if not rows:
        raise _garbled(path, "it has no rows")
    if ITERATION not in rows[0]:
        raise _garbled(path, f"it lacks the column {ITERATION}")
    if len(rows[0]) > MAX_COLUMNS:
        raise _garbled(path, f"{len(rows[0])} columns; at most {MAX_COLUMNS}")
    if any(None in row or None in row.values() for row in rows):
        raise _garbled(path, "a row is cut short, or too long")
    try:
        names = [name for name in rows[0] if name != ITERATION]
        return Curves(
            [int(row[ITERATION]) for row in rows], {name: [_number(row[name]) for row in rows] for name in names}
        )
    except (TypeError, ValueError) as error:
        raise _garbled(path, str(error)) from error


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
                name: {start: rows_of(rows) for start, rows in _mapping(starts, name).items()}
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
        raise ValueError(f"{what} should be an object")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is {quoted(value)}: should be text")
    return value


def _number(cell: str) -> float | None:
    """A cell as a number; None where nothing, or nothing finite, was measured."""
    value = float(cell) if cell else math.nan
    return value if math.isfinite(value) else None


def _garbled(path: Path, why: str) -> UserError:
    return UserError(f"{path}: cannot be read ({why}): remove it, and run snakemake to make it again")
