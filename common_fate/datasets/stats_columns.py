"""The columns of the tables of statistics: which statistic of the records, under which title.

A stage may record statistics of any name; one that has no line here is shown by its mean, under its own name.
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
class StatsColumn:
    """A column of the table of shards: a number from a statistic, over the records that have it."""

    title: str
    statistic: str
    of: Callable[[Records, str], float | None]
    note: str = ""


def mean_of(records: Records, statistic: str) -> float | None:
    """Returns the mean over all samples; None over none."""
    samples = sum(record.samples for record in records)
    total = sum(record.samples * record.statistics[statistic]["mean"] for record in records)
    return total / samples if samples else None


def least_of(records: Records, statistic: str) -> float | None:
    """Returns the least value; None over no records."""
    return min((record.statistics[statistic]["min"] for record in records), default=None)


def most_of(records: Records, statistic: str) -> float | None:
    """Returns the greatest value; None over no records."""
    return max((record.statistics[statistic]["max"] for record in records), default=None)


def _least_whole(records: Records, statistic: str) -> int | None:
    return _whole(least_of(records, statistic))


def _most_whole(records: Records, statistic: str) -> int | None:
    return _whole(most_of(records, statistic))


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


_COLUMNS = (
    StatsColumn("flow mean", "magnitude_mean", mean_of, "Flow in pixels."),
    StatsColumn("flow max", "magnitude_max", most_of),
    StatsColumn("points mean", POINTS, mean_of),
    StatsColumn("points min", POINTS, _least_whole),
    StatsColumn("points max", POINTS, _most_whole),
    StatsColumn("regions mean", "regions", mean_of),
    StatsColumn("highest", "highest", most_of, "Highest: of the region trees' heights, in [0, 1]."),
    StatsColumn("superpixels mean", "superpixels", mean_of),
)
_UNSHOWN = {"width", "height", "clipped", "occluded"}  # said elsewhere, or for whoever reads a record


def stats_columns(records: Records) -> list[StatsColumn]:
    """Returns the columns that records fill: those named here first, then the means of their other statistics."""
    there = dict.fromkeys(name for record in records for name in record.statistics)
    known = [column for column in _COLUMNS if column.statistic in there]
    unnamed = there.keys() - {column.statistic for column in known} - _UNSHOWN
    others = [StatsColumn(f"{name} mean", name, mean_of) for name in sorted(unnamed) if _NAME.fullmatch(name)]
    return [*known, *others[:MOST_SHOWN]]
