"""What an evaluation measured: rows and pictures, and the one file they are in. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALL = "all"
"""The dataset of a row over several together."""


@dataclass(frozen=True)
class Row:
    """One number.

    Args:
        dataset: what it was measured on, or `ALL`.
        metric: its name, a standard term: `epe`, `mean IoU`.
        value: None where nothing could be measured.
        unit: `px`, `%`, or nothing.
        better: `higher` or `lower`.
        samples: over how many.
        subset: which of their pixels, classes or parts; nothing: all of them.
        baselines: what needs no learning gives on the same samples, by name.
    """

    dataset: str
    metric: str
    value: float | None
    unit: str
    better: str
    samples: int
    subset: str = ""
    baselines: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A named picture, PNG, with what stands under it."""

    name: str
    png: bytes
    caption: str = ""


@dataclass(frozen=True)
class Result:
    """All that an evaluation measured, with what else is worth keeping (`about`, plain JSON)."""

    rows: tuple[Row, ...]
    pictures: tuple[Picture, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""  # what stands under the table: what the rows mean
