"""What is measured of samples, as statistics show it: of which measure which figure, under which title.

A stage may measure anything; a measure that has no line here is shown by its mean, under its own name.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common_fate.shards.record import Record

Records = Sequence[Record]

POINTS = "points"
MOST_SHOWN = 24
_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True)
class Figure:
    """A column of the table of shards: one figure of a measure over records that have it."""

    title: str
    measure: str
    of: Callable[[Records, str], float | None]
    note: str = ""


def mean_of(records: Records, measure: str) -> float | None:
    """Returns the mean over all samples; None over none."""
    samples = sum(record.samples for record in records)
    total = sum(record.samples * record.statistics[measure]["mean"] for record in records)
    return total / samples if samples else None


def least_of(records: Records, measure: str) -> float | None:
    """Returns the least value; None over no records."""
    return min((record.statistics[measure]["min"] for record in records), default=None)


def most_of(records: Records, measure: str) -> float | None:
    """Returns the greatest value; None over no records."""
    return max((record.statistics[measure]["max"] for record in records), default=None)


def _least_whole(records: Records, measure: str) -> int | None:
    return _whole(least_of(records, measure))


def _most_whole(records: Records, measure: str) -> int | None:
    return _whole(most_of(records, measure))


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


_FIGURES = (
    Figure("flow mean", "magnitude_mean", mean_of, "Flow in pixels."),
    Figure("flow max", "magnitude_max", most_of),
    Figure("points mean", POINTS, mean_of),
    Figure("points min", POINTS, _least_whole),
    Figure("points max", POINTS, _most_whole),
    Figure("regions mean", "regions", mean_of),
    Figure("highest", "highest", most_of, "Highest: of the region trees' heights, in [0, 1]."),
    Figure("superpixels mean", "superpixels", mean_of),
)
_UNSHOWN = {"width", "height", "clipped", "occluded"}  # said elsewhere, or for whoever reads a record


def figures_of(records: Records) -> list[Figure]:
    """Returns the figures that there are of records: those of the table first, then of measures that it lacks."""
    there = dict.fromkeys(name for record in records for name in record.statistics)
    known = [figure for figure in _FIGURES if figure.measure in there]
    unnamed = there.keys() - {figure.measure for figure in known} - _UNSHOWN
    others = [Figure(f"{name} mean", name, mean_of) for name in sorted(unnamed) if _NAME.fullmatch(name)]
    return [*known, *others[:MOST_SHOWN]]
