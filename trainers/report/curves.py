"""The curves of a training run: loss, and end-point error on held-out videos beside the baselines."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from common_fate.errors import UserError
from trainers.report.figures import BLUE, FAINT, GREEN, ORANGE, STYLE, note, svg
from trainers.report.results import Curve, FlowRow, read_curve

SMOOTHED = 0.04  # the window of the running mean, a share of the rows
STEP = 0.7  # a rate that falls below this share of the last is a step


def curves(csv: Path, baselines: FlowRow | None = None) -> bytes:
    """Draws a `curves.csv` as SVG: training loss above, validation below where there was any.

    Args:
        baselines: whose errors of no motion and of the nearest guidance point are drawn beside the validation's.

    Raises:
        UserError: the file is missing or cannot be read.
    """
    curve = read_curve(csv)
    if curve is None:
        raise UserError(f"{csv}: there is no such file: train a model first")
    validated = any(value is not None for value in curve.epe)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 6.4 if validated else 3.4), layout="constrained")
        panels = list(figure.subplots(1 + validated, 1, sharex=True, squeeze=False)[:, 0])
        _loss(panels[0], curve)
        if validated:
            _error(panels[1], curve, baselines)
        panels[-1].set_xlabel("iteration")
        panels[-1].xaxis.set_major_formatter(EngFormatter(sep=""))
        panels[-1].set_xlim(0, curve.iteration[-1])
        return svg(figure)


def _loss(axes: Axes, curve: Curve) -> None:
    iterations, losses = _measured(curve.iteration, curve.loss)
    axes.set_title("training loss")
    axes.plot(iterations, losses, color=BLUE, alpha=0.28, linewidth=0.9, label="as measured")
    axes.plot(iterations, smoothed(losses), color=BLUE, label="running mean")
    for iteration, rate in rate_steps(curve):
        note(axes, iteration, f"learning rate {rate:g}")
    axes.legend(loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=2)
    # The first iterations may be far above all others: they would flatten what matters.
    if len(losses) > 20:
        top, low = float(np.percentile(losses, 99)), float(losses.min())
        axes.set_ylim(low - 0.05 * (top - low), top + 0.25 * (top - low))


def _error(axes: Axes, curve: Curve, baselines: FlowRow | None) -> None:
    iterations, errors = _measured(curve.iteration, curve.epe)
    axes.set_title("end-point error on held-out videos, pixels")
    axes.plot(iterations, errors, color=BLUE, marker="o", markersize=3.5, label="model", clip_on=False)
    if baselines:
        for error, name, color in (
            (baselines.epe_no_motion, "no motion", FAINT),
            (baselines.epe_nearest, "nearest guidance point", ORANGE),
        ):
            axes.axhline(error, color=color, linewidth=1.2, linestyle=(0, (5, 3)), label=f"{name}: {error:.2f}")
    best = int(errors.argmin())
    axes.plot(
        iterations[best], errors[best], "o", color=GREEN, markersize=6, clip_on=False, label=f"best: {errors[best]:.2f}"
    )
    axes.set_ylim(0, None)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4)


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The running mean over a window centred on each value; at the ends, over as much of it as there is."""
    half = max(1, round(len(values) * SMOOTHED / 2))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    start, end = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    means: NDArray[np.float64] = (sums[end] - sums[start]) / (end - start)
    return means


def rate_steps(curve: Curve) -> list[tuple[int, float]]:
    """Where the learning rate drops at once: the first iteration of each lower rate, and that rate.

    A rate that was falling already, as a polynomial schedule's does, makes no step.
    """
    iterations, rates = _measured(curve.iteration, curve.learning_rate)
    steady = np.concatenate([[True], rates[1:-1] == rates[:-2]])
    drops = np.flatnonzero(steady[: len(rates) - 1] & (rates[1:] < STEP * rates[:-1])) + 1
    return [(int(iterations[drop]), float(rates[drop])) for drop in drops]


def _measured(iterations: list[int], values: list[float | None]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pairs = [(iteration, value) for iteration, value in zip(iterations, values, strict=True) if value is not None]
    at, of = np.array(pairs, np.float64).reshape(-1, 2).T
    return at, of
