"""Curves that grow, and few points for many: what a screen can show."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_SHOWN = 1200  # points of a curve that the page is given


@dataclass
class Column:
    """One measured curve.

    Args:
        iterations: in their order, each once.
        values: at them.
        serials: numbers by which points are known as new.
    """

    iterations: array[int]
    values: array[float]
    serials: array[int]

    def add(self, iteration: int, value: float, serial: int) -> bool:
        """Adds a point; returns whether others were taken back for it, those of this iteration and later ones."""
        place = bisect_left(self.iterations, iteration)
        again = place < len(self.iterations)
        if again:
            del self.iterations[place:], self.values[place:], self.serials[place:]
        self.iterations.append(iteration)
        self.values.append(value)
        self.serials.append(serial)
        return again

    def since(self, serial: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Returns iterations and values of the points with this serial number and later ones."""
        place = bisect_left(self.serials, serial)
        return np.array(self.iterations[place:], np.int64), np.array(self.values[place:], np.float64)


def thinned(iterations: NDArray[np.int64], values: NDArray[np.float64], most: int = MOST_SHOWN) -> dict[str, Any]:
    """Returns a curve as JSON: `at`, its iterations, `mean`, and `low`, `high` where points stand for several.

    More than `most` points are joined in groups of as many neighbours: a spike stays in `high`, whatever its mean.
    """
    every = -(-len(values) // most) if len(values) > most else 1
    if every == 1:
        return {"at": iterations.tolist(), "mean": _short(values)}
    starts = np.arange(0, len(values), every)
    counts = np.diff(np.append(starts, len(values)))
    return {
        "at": iterations[np.append(starts[1:], len(values)) - 1].tolist(),
        "mean": _short(np.add.reduceat(values, starts) / counts),
        "low": _short(np.minimum.reduceat(values, starts)),
        "high": _short(np.maximum.reduceat(values, starts)),
    }


def _short(values: NDArray[np.float64]) -> list[float]:
    """Six digits are more than a screen shows."""
    return [float(f"{value:.6g}") for value in values]
