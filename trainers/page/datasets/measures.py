"""Numbers of samples to filter by: guidance points from the manifest, motion from the samples themselves.

The members' sizes say how many points there are. Motion is in each sample's `json`, or has to be computed from its
flow: a thread does so, from when it is first asked for, and what is known so far can be used.
"""

import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.pictures.flow_colors import speeds_of
from common_fate.shards.members import member
from trainers.page.datasets.opened import View
from trainers.page.datasets.reading import Reader

POINTS = "guidance.npy"
MEAN = "magnitude_mean"
MOST_MEASURED = 2
_NPY_HEADER, _POINT = 128, 12  # bytes: NumPy's header of a table of a few numbers, three float32


def points_of(view: View) -> NDArray[np.float32] | None:
    """Returns how many guidance points each sample has, `(made,)`; None of a view without."""
    if POINTS not in view.extensions:
        return None
    sizes = view.sizes[:, view.extensions.index(POINTS)]
    return ((sizes - _NPY_HEADER) // _POINT).astype(np.float32)


def flow_of(view: View) -> str | None:
    """Returns the member that says how a view's samples move; None where none does."""
    flows = [extension for extension in view.extensions if member(extension).geometry == "flow"]
    return next((extension for extension in sorted(flows, key=len) if "backward" not in extension), None)


class Motion:
    """The mean motion of each sample of a view, pixels: `speeds (made,)`, NaN where not known (yet), and how many are
    `done`.
    """

    def __init__(self, view: View, reader: Reader) -> None:
        self.speeds = np.full(view.made, np.nan, np.float32)
        self.done = 0
        self._view, self._reader = view, reader
        self._stopped = threading.Event()
        threading.Thread(target=self._measure, name="motion", daemon=True).start()

    def stop(self) -> None:
        """Ends the measuring."""
        self._stopped.set()

    def _measure(self) -> None:
        for row in range(self._view.made):
            if self._stopped.is_set():
                return
            with suppress(UserError):  # a damaged sample has no motion; opening it says what is wrong with it
                self.speeds[row] = self._speed(row)
            self.done = row + 1

    def _speed(self, row: int) -> float:
        view, reader = self._view, self._reader
        if "json" in view.extensions:
            told = reader.member(view, row, "json").get(MEAN)
            if type(told) in (int, float):
                return float(told)
        flow = flow_of(view)
        if flow is None:
            return float("nan")
        mask = flow.removesuffix("flow.b2") + "valid.png"
        valid = reader.member(view, row, mask) > 0 if mask in view.extensions else None
        speeds = speeds_of(reader.member(view, row, flow), valid)
        return float(speeds.mean()) if speeds.size else float("nan")


class Motions:
    """The motion of the views that were asked for last."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: OrderedDict[tuple[Path, str], Motion] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, view: View) -> Motion:
        """Returns a view's motion, as far as it is known; begins to measure it where that was not done before."""
        with self._lock:
            key = (view.folder, view.version)
            if key not in self._known:
                self._known[key] = Motion(view, self._reader)
                while len(self._known) > MOST_MEASURED:
                    self._known.popitem(last=False)[1].stop()
            self._known.move_to_end(key)
            return self._known[key]
