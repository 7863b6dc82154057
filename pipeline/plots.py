"""Plots of the report, as SVG."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

COLORS = ("#1a73e8", "#e8710a", "#12b5cb", "#9334e6", "#e52592", "#7cb342")
# Element ids come from the salt and text becomes outlines, so that the same numbers make the same bytes.
STYLE = {"svg.hashsalt": "common-fate", "svg.fonttype": "path", "font.size": 10}


def histogram(values_by_label: Mapping[str, ArrayLike], xlabel: str, path: Path) -> None:
    """Writes an SVG of the distribution of each label's values, as shares, in common bins.

    The last bin also counts what lies beyond the 99.5th percentile, and the axis says so; whole numbers get a bin
    each while there are at most 60. Values that are not finite are left out. The same values make the same bytes.
    """
    groups = {label: _finite(values) for label, values in values_by_label.items()}
    edges, whole, cut = _bins(np.concatenate([np.empty(0), *groups.values()]))
    with rc_context(STYLE):
        figure = Figure(figsize=(7, 3.2), layout="constrained")
        axes = figure.subplots()
        for i, (label, values) in enumerate(groups.items()):
            counts = np.histogram(np.minimum(values, edges[-1]), edges)[0]
            color = COLORS[i % len(COLORS)]
            name = f"{label} (n = {len(values):,})"
            axes.stairs(counts / max(1, len(values)), edges, fill=True, color=color, alpha=0.18)
            axes.stairs(counts / max(1, len(values)), edges, color=color, linewidth=1.6, label=name)
        axes.set_xlabel(f"{xlabel} (last bin: and above)" if cut else xlabel)
        axes.set_ylabel("share")
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=whole))
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eceff1")
        axes.set_axisbelow(True)
        if groups:
            axes.legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    flat = np.asarray(values, np.float64).ravel()
    return flat[np.isfinite(flat)]


def _bins(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool, bool]:
    """The edges of the bins, whether each is a whole number's, and whether values lie beyond the last."""
    if not values.size:
        return np.array([0.0, 1.0]), False, False
    low, high = float(values.min()), float(np.percentile(values, 99.5, method="higher"))
    if (values == np.rint(values)).all() and high - low < 60:
        return np.arange(low, high + 2) - 0.5, True, bool(values.max() > high)
    edges = np.linspace(low, high if high > low else low + 1, 41)
    return edges, False, bool(values.max() > edges[-1])
