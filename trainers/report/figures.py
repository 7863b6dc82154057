"""How the report's figures look, and their SVG, to stand within a page."""

import io
import itertools
import math
import re
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common_fate.errors import printable

LONGEST = 80  # characters of a text in a figure
LARGEST, SMALLEST = 1e30, 1e-30  # of what is drawn: matplotlib fails at numbers near what a float can hold
INK, FAINT, RULE = "#202124", "#5f6368", "#dadce0"
BLUE, ORANGE, GREEN, RED = "#1a66c2", "#d9730d", "#2e7d32", "#b3261e"
COLORS = (BLUE, ORANGE, GREEN, "#7b3fa0", "#00838f", RED, "#8d6e63", "#c2185b")
DASHES = ((5, 3), (1, 1.5), (6, 2, 1, 2), (2, 2))
STYLE: Any = {
    "svg.hashsalt": "common fate",  # else the file's ids are random
    "text.parse_math": False,  # a name may have a dollar
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": FAINT,
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


def written(value: object) -> str:
    """Returns a text from elsewhere as a figure may have it: one line, printable, cut where it is long."""
    line = printable(" ".join(str(value)[: 2 * LONGEST].split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def drawable(value: float | None) -> float | None:
    """Returns a number as a figure can have it; None where it is not finite, or far beyond anything measured."""
    if value is None or not abs(value) < LARGEST or math.isnan(value):
        return None
    return float(value) if abs(value) > SMALLEST else 0.0


def svg(figure: Figure, name: str) -> str:
    """Returns the figure as an `<svg>` element; the same figure and name give the same text.

    Args:
        name: that no other figure of the page has: the ids within follow from it.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": f"common fate {name}"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Figures and axes are numbered from 1 in each, and glyphs are the same in all: on one page each needs its own.
    number = itertools.count()
    ids = {found: f"{name}-{next(number)}" for found in dict.fromkeys(re.findall(r' id="([^"]+)"', text))}
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{ids[found[1]]}"', text)
    return re.sub(r'(xlink:href="#|url\(#)([^")]+)', lambda found: found[1] + ids.get(found[2], found[2]), text)


def note(axes: Axes, x: float, text: str, line: int = 0) -> None:
    """Draws a dotted line at an x of the axes, named at its top, so many lines of text below it."""
    axes.axvline(x, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)))
    low, high = axes.get_xlim()
    side, shift = ("right", -4) if x - low > 0.75 * (high - low) else ("left", 4)  # it stays within the axes
    axes.annotate(
        text, (x, 1), (shift, -2 - 11 * line), xycoords=("data", "axes fraction"), textcoords="offset points",
        color=FAINT, fontsize=8, va="top", ha=side,
    )  # fmt: skip
