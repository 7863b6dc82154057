"""Which rows of a view are shown, and in which order."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from trainers.page.answers import number
from trainers.page.datasets.measures import Motions, points_of
from trainers.page.datasets.opened import View

ALL_FAILED = "*"
MOST_KEPT = 4
BY_MOTION = "motion"
_MOST = 1e9

Range = tuple[float, float]
_EVERY: Range = (-math.inf, math.inf)


@dataclass(frozen=True)
class Filter:
    """What is asked for.

    Args:
        video: an id, or a part of some.
        failure: a reason as it is counted, "*" for all failures; empty: samples that were made.
        motion, points: least and most; of samples that were made.
        order: "motion": samples that were made are ordered by it, the largest first; empty: as in the manifest.
    """

    video: str = ""
    failure: str = ""
    motion: Range = _EVERY
    points: Range = _EVERY
    order: str = ""

    @property
    def moves(self) -> bool:
        """Whether the motion of the samples has to be known."""
        return not self.failure and (self.motion != _EVERY or self.order == BY_MOTION)

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        """Returns the filter of an address. Raises UserError where a number is none, or there is no such order."""
        order = query.get("order", "")
        if order not in ("", BY_MOTION):
            raise UserError(f"samples are ordered by {BY_MOTION}, or as in the manifest")
        return cls(
            query.get("video", "").strip()[:200],
            query.get("failure", ""),
            _range(query, "motion"),
            _range(query, "points"),
            order,
        )


def _range(query: Mapping[str, str], name: str) -> Range:
    ends = (query.get(f"{name}_{end}") for end in ("from", "to"))
    low, high = (number(end, name, 0, _MOST) if end else None for end in ends)
    return (-math.inf if low is None else low, math.inf if high is None else high)


class Rows:
    """Finds the rows of filters, and keeps those that were asked for last."""

    def __init__(self, motions: Motions) -> None:
        self._motions = motions
        self._known: OrderedDict[Any, NDArray[np.int64]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, view: View, asked: Filter) -> NDArray[np.int64]:
        """Returns the rows that a filter lets through, in its order; by motion, those whose motion is known so far.

        Ordered by motion, those whose motion is not known (yet) come last.

        Raises:
            UserError: the view has no such numbers, or no such failure.
        """
        done = self._motions.of(view).done if asked.moves else 0
        key = (view.folder, view.version, asked, done)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._found(view, asked)
                while len(self._known) > MOST_KEPT:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]

    def _found(self, view: View, asked: Filter) -> NDArray[np.int64]:
        rows = _of_failure(view, asked.failure)
        if asked.video:
            exact = asked.video in view.videos
            text = asked.video.lower()
            wanted = [video == asked.video if exact else text in video.lower() for video in view.videos]
            rows = rows[np.array(wanted, np.bool_)[view.video[rows]]]
        if not asked.failure and asked.points != _EVERY:
            points = points_of(view)
            if points is None:
                raise UserError(f"{view.dataset} {view.name}: its samples have no guidance points to filter by")
            rows = _within(rows, points, asked.points)
        if not asked.failure and asked.motion != _EVERY:
            rows = _within(rows, self._motions.of(view).speeds, asked.motion)
        if asked.moves and asked.order == BY_MOTION:
            rows = rows[np.argsort(-self._motions.of(view).speeds[rows], kind="stable")]  # NaN last
        return rows


def _of_failure(view: View, failure: str) -> NDArray[np.int64]:
    if not failure:
        return np.arange(view.made)
    if failure == ALL_FAILED:
        return np.arange(view.made, len(view))
    wanted = np.array([told == failure for told in view.told], np.bool_)
    if not wanted.any():
        raise UserError("nothing failed for this reason (any more)")
    return view.made + np.flatnonzero(wanted[view.reason[view.made :]])


def _within(rows: NDArray[np.int64], values: NDArray[np.float32], ends: Range) -> NDArray[np.int64]:
    """Rows whose values lie between both ends; what is not known does not."""
    low, high = ends
    found = values[rows]
    return rows[(found >= low) & (found <= high)]
