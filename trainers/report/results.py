"""The files of an experiment's folder that a report reads, checked. Nothing here imports torch."""

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from common_fate.errors import UserError

T = TypeVar("T")
ESTIMATED, EXACT, ALL = "estimated", "exact", "all"
STARTS = ("encoder", "scratch")  # in the order of the table; checkpoints follow by name


@dataclass(frozen=True)
class FlowRow:
    """How far a model's flow is from its target on one dataset, beside the baselines on the same pixels.

    End-point errors are means over all valid pixels, in pixels.
    """

    dataset: str  # or all: several together
    flow: str  # estimated: the column's; exact: the source's
    samples: int
    videos: int
    points: float  # of guidance, mean over samples
    epe: float
    epe_no_motion: float
    epe_nearest: float

    @property
    def better_than_no_motion(self) -> float | None:
        """By how many percent the model's error is smaller; None where the baseline makes none."""
        return _improvement(self.epe, self.epe_no_motion)

    @property
    def better_than_nearest(self) -> float | None:
        """As `better_than_no_motion`."""
        return _improvement(self.epe, self.epe_nearest)


@dataclass(frozen=True)
class Segmentation:
    """Semantic segmentation after fine-tuning from one start; the IoU of a class that never occurs is None."""

    start: str
    classes: list[str]
    iou: list[float | None]  # of each class, shares
    mean_iou: float
    iterations: int
    images: int


@dataclass(frozen=True)
class Curve:
    """What was measured while training; each list has an entry a row, None where it was not measured."""

    iteration: list[int]
    loss: list[float | None]
    learning_rate: list[float | None]
    epe: list[float | None]


def read_flow(path: Path) -> list[FlowRow] | None:
    """The rows of a `flow.json`; None where there is no such file. Raises `UserError` where it is not one."""
    values = read_json(path)
    if values is None:
        return None
    if not isinstance(values.get("rows"), list) or not values["rows"]:
        raise _garbled(path, "it has no rows")
    return [_checked(FlowRow, row, path) for row in values["rows"]]


def with_improvements(row: FlowRow) -> dict[str, Any]:
    """A row as it stands in `flow.json` and `metrics.json`."""
    better = {"better_than_no_motion": row.better_than_no_motion, "better_than_nearest": row.better_than_nearest}
    return asdict(row) | better


def headline(rows: list[FlowRow]) -> FlowRow:
    """The row that stands for an experiment: on estimated flow, over all datasets where there are several."""
    estimated = [row for row in rows if row.flow == ESTIMATED] or rows
    return next((row for row in estimated if row.dataset == ALL), estimated[0])


def read_segmentations(paths: Iterable[Path]) -> list[Segmentation]:
    """What stands in some `segmentation/START.json`, in the order of the table.

    Raises:
        UserError: a file is missing or not one of them, or two are about different classes.
    """
    found: list[Segmentation] = []
    for path in paths:
        values = read_json(path)
        if values is None:
            raise UserError(f"{path}: there is no such file: run the segmentation first")
        one = _checked(Segmentation, values, path)
        if len(one.iou) != len(one.classes):
            raise _garbled(path, f"{len(one.classes)} classes and {len(one.iou)} of iou")
        if found and one.classes != found[0].classes:
            raise UserError(f"{path}: has other classes than {found[0].start}.json: evaluate both on the same data set")
        found.append(one)
    return sorted(found, key=lambda one: (STARTS.index(one.start) if one.start in STARTS else len(STARTS), one.start))


def read_curve(path: Path) -> Curve | None:
    """A `curves.csv`; None where there is no such file.

    Raises:
        UserError: a column or a cell is missing, a cell is no number, or there are no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, csv.Error) as error:
        raise _garbled(path, str(error)) from error
    if not rows:
        raise _garbled(path, "it has no rows")
    if missing := [field.name for field in fields(Curve) if field.name not in rows[0]]:
        raise _garbled(path, f"it lacks the column {missing[0]}")
    if any(None in row.values() for row in rows):
        raise _garbled(path, "a row is cut short")
    try:
        return Curve(
            [int(row["iteration"]) for row in rows],
            *([_number(row[name]) for row in rows] for name in ("loss", "learning_rate", "epe")),
        )
    except (TypeError, ValueError) as error:
        raise _garbled(path, str(error)) from error


def read_json(path: Path) -> dict[str, Any] | None:
    """An object; None where there is no such file. Raises `UserError` where it is not one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _garbled(path, str(error)) from error
    if not isinstance(values, dict):
        raise _garbled(path, "it should be an object")
    return values


def last(values: list[float | None]) -> float | None:
    """The last that was measured."""
    return next((value for value in reversed(values) if value is not None), None)


def _improvement(error: float, baseline: float) -> float | None:
    return 100 * (1 - error / baseline) if baseline > 0 else None


def _number(cell: str) -> float | None:
    """A cell as a number; None where nothing, or nothing finite, was measured."""
    value = float(cell) if cell else math.nan
    return value if math.isfinite(value) else None


def _checked(kind: type[T], values: Any, path: Path) -> T:
    """A dataclass from the values of the same names, others left aside."""
    if not isinstance(values, Mapping):
        raise _garbled(path, "an entry should be an object")
    hints = get_type_hints(kind)
    for name, hint in hints.items():
        if name not in values:
            raise _garbled(path, f"it lacks {name}")
        if not _is(values[name], hint):
            raise _garbled(path, f"{name} is {values[name]!r}")
    return kind(**{name: hint(values[name]) if hint is float else values[name] for name, hint in hints.items()})


def _is(value: Any, hint: Any) -> bool:
    """Whether a JSON value is of a type; a whole number is a float, too, and not-a-number is none."""
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if get_origin(hint) is list:
        return isinstance(value, list) and all(_is(item, get_args(hint)[0]) for item in value)
    if get_args(hint):
        return any(_is(value, one) for one in get_args(hint))
    return isinstance(value, hint)


def _garbled(path: Path, why: str) -> UserError:
    return UserError(f"{path}: cannot be read ({why}): remove it, and run snakemake to make it again")
