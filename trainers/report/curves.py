"""The curves of a training run, whatever they are called: a panel for the losses, one for each other column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from trainers.report.experiment_files import LOSS, RATE, VALIDATION, Curves
from trainers.report.figures import BLUE, COLORS, DASHES, FAINT, GREEN, STYLE, drawable, note, svg, written
from trainers.report.page import element

SMOOTHED = 0.04  # the window of the running mean, a share of the rows
STEP = 0.7  # a rate that falls below this share of the last is a step
PANEL = 6.6, 3.5  # inches
MOST_PANELS = 32
MOST_LOSSES = 12  # in their panel
MOST_NOTES = 12  # of steps of the learning rate: one that has more is drawn


@dataclass(frozen=True)
class Reference:
    """What a validation metric can be held against: its unit, the better direction, and baselines by name."""

    unit: str = ""
    better: str = ""  # higher, lower, or nothing where that is not known
    baselines: Mapping[str, float] = field(default_factory=dict)


def curve_panels(curves: Curves, references: Mapping[str, Reference]) -> list[str]:
    """Draws a panel for the losses, one for each `validation.METRIC`, and one for any other column, as SVG.

    A learning rate that falls in a few steps is noted in the panel of the losses; any other that changes has its own.
    How many curves are left out, where there are too many, is said at the end.

    Args:
        references: by the name of the metric.
    """
    with matplotlib.rc_context(STYLE):
        names = [name for name in curves.columns if curves.measured(name)[0]]
        losses = [name for name in names if name == LOSS or name.startswith(f"{LOSS}.")]
        others = [name for name in names if name not in losses and name != RATE]
        panels = [_losses(curves, losses[:MOST_LOSSES])] if losses else []
        for name in others[:MOST_PANELS]:
            metric = name.removeprefix(VALIDATION)
            panels.append(_metric(curves, name, metric, references.get(metric, Reference()), len(panels)))
        rates = curves.measured(RATE)[1]
        if not 0 < len(rate_steps(curves)) <= MOST_NOTES and len(set(rates)) > 1:
            panels.append(_metric(curves, RATE, "learning rate", Reference(), len(panels)))
        if left := max(0, len(losses) - MOST_LOSSES) + max(0, len(others) - MOST_PANELS):
            panels.append(element("p", f"Left out: {left} more curves", kind="note"))
        return panels


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the running mean over a window centred on each value; at the ends, over as much of it as there is."""
    half = max(1, round(len(values) * SMOOTHED / 2))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    start, end = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    means: NDArray[np.float64] = (sums[end] - sums[start]) / (end - start)
    return means


def rate_steps(curves: Curves) -> list[tuple[int, float]]:
    """Returns where the learning rate drops at once: the first iteration of each lower rate, and that rate.

    A rate that was falling already, as a polynomial schedule's does, makes no step.
    """
    at, of = curves.measured(RATE)
    rates = np.array(of, np.float64)
    steady = np.concatenate([[True], rates[1:-1] == rates[:-2]])
    drops = np.flatnonzero(steady[: max(len(rates) - 1, 0)] & (rates[1:] < STEP * rates[:-1])) + 1
    return [(at[drop], of[drop]) for drop in drops]


def _losses(curves: Curves, names: Sequence[str]) -> str:
    figure, axes = _panel("training loss", curves)
    for name, color in zip(names, COLORS * len(names), strict=False):
        iterations, values = curves.measured(name)
        if not iterations:
            continue
        if name == LOSS:
            axes.plot(iterations, values, color=color, alpha=0.28, linewidth=0.9)
            label = "sum" if len(names) > 1 else "running mean"
        else:
            label = written(name.removeprefix(f"{LOSS}."))
        axes.plot(
            iterations, smoothed(np.array(values)), color=color, label=label, linewidth=1.8 if name == LOSS else 1.3
        )
    steps = rate_steps(curves)
    for number, (iteration, rate) in enumerate(steps if len(steps) <= MOST_NOTES else []):
        note(axes, iteration, f"learning rate {rate:g}", line=number % 4)
    every = [value for name in names for value in curves.measured(name)[1]]
    # The first iterations may be far above all others: they would flatten what matters.
    if len(every) > 20:
        top, low = float(np.percentile(every, 99)), min(every)
        if top > low:
            axes.set_ylim(low - 0.05 * (top - low), top + 0.2 * (top - low))
    _legend(figure, axes)
    return svg(figure, "curve-loss")


def _metric(curves: Curves, column: str, name: str, reference: Reference, number: int) -> str:
    held_out = column.startswith(VALIDATION)
    unit = f", {written(reference.unit)}" if reference.unit else ""
    name = written(name)
    figure, axes = _panel(f"{name}{unit}{' on held-out videos' if held_out else ''}", curves)
    iterations, values = curves.measured(column)
    marker = {"marker": "o", "markersize": 3.5} if len(values) <= 100 else {}
    last = f"{name}: {values[-1]:.4g} at last"
    axes.plot(iterations, values, color=BLUE, label=last, clip_on=False, **marker)  # type: ignore[arg-type]
    if reference.better:
        best = int(np.argmax(values) if reference.better == "higher" else np.argmin(values))
        label = f"best: {values[best]:.4g}"
        axes.plot(iterations[best], values[best], "o", color=GREEN, markersize=6, clip_on=False, label=label)
    colors = (FAINT, *COLORS[1:2], *COLORS[3:])
    baselines = {one: value for one, of in reference.baselines.items() if (value := drawable(of)) is not None}
    for (baseline, value), color, dash in zip(baselines.items(), colors * 4, DASHES * 8, strict=False):
        axes.axhline(value, color=color, linewidth=1.3, linestyle=(0, dash), label=f"{written(baseline)}: {value:.4g}")
    shown = [*values, *baselines.values()]
    if held_out and min(shown) >= 0:
        axes.set_ylim(0, 1.08 * max(shown) or None)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    _legend(figure, axes)
    return svg(figure, f"curve-{number}")


def _panel(title: str, curves: Curves) -> tuple[Figure, Axes]:
    figure = Figure(figsize=PANEL, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(0, max(curves.iteration[-1], 1))
    return figure, axes


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the axes, so that it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max((len(label) for label in labels), default=0)
    columns = max(1, min(4, 84 // (longest + 8)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
