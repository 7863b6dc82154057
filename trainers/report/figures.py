"""How the report's figures look, and their bytes."""

import io
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FAINT, RULE = "#202124", "#5f6368", "#dadce0"
BLUE, ORANGE, GREEN, RED = "#1a66c2", "#d9730d", "#2e7d32", "#b3261e"
STYLE: Any = {
    "svg.hashsalt": "common fate",  # else the file's ids are random
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#eceff1",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
}


def svg(figure: Figure) -> bytes:
    """The figure as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def note(axes: Axes, x: float, text: str) -> None:
    """A dotted line at an x of the axes, named at its top."""
    axes.axvline(x, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.annotate(
        text, (x, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points", color=FAINT, fontsize=8,
        va="top",
    )  # fmt: skip
