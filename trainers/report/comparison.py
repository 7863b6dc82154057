"""The experiments of a grid beside each other: one axis varied at a time, as in Figures 4 and 5 of Zhan et al."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from trainers.evaluations.result import Row, headlines
from trainers.report.experiment_files import Metrics, number, read_metrics
from trainers.report.figures import BLUE, COLORS, DASHES, FAINT, GREEN, STYLE, drawable, svg, written
from trainers.report.page import cell, decimals_of, element, numeral, page, table, text
from trainers.report.rows import ARROWS, signed
from trainers.report.summary import PAGE

HEIGHT = 3.1  # inches, of a plot
SCALE = 115  # pixels of the page for each of its inches, at most
TICK = 0.18  # half of a baseline's line, in variants
WIDTH = 1.0, 3.2  # of a variant in it, and of an axis at least
MOST_HEADLINES = 16  # of all evaluations together: columns of the table, and figures
NOTE = (
    "One axis is varied at a time, with all else as the experiment has it. Bold: the best of its axis. The share is "
    "how much better a variant is than the best baseline on the same samples; where an axis changes what the baselines "
    "are told, that share is what can be compared. Samples: trained on."
)

Headline = tuple[str, str]  # evaluation, metric


@dataclass(frozen=True)
class VariantResult:
    """One experiment of a grid, with the headlines of what was measured of it."""

    axis: str
    name: str
    training: dict[str, Any]
    rows: dict[Headline, Row]


def compare(experiments: Sequence[Path], to: Path, title: str) -> None:
    """Writes `index.html` into `to`: a table with a row for each experiment, and plots by axis.

    Of each evaluation the first start counts: what the experiment trained.

    Args:
        experiments: folders named GRID-AXIS-VARIANT, with their `metrics.json`, variants in the order of their axis.

    Raises:
        UserError: a folder is not named so or not there, nothing has been measured, or a file cannot be read.
    """
    variants = [_read(experiment) for experiment in experiments]
    found: dict[Headline, Row] = {}
    for variant in variants:
        for headline, row in variant.rows.items():
            found.setdefault(headline, row)
    if not found:
        raise UserError(f"{title}: nothing has been measured of these experiments: evaluate them first")
    left, found = len(found) - MOST_HEADLINES, dict(list(found.items())[:MOST_HEADLINES])
    plots = []
    for count, (headline, row) in enumerate(found.items()):
        values = [drawable(one.value) for variant in variants if (one := variant.rows.get(headline))]
        if any(value is not None for value in values):
            plots += [
                element("h3", text(_title(headline, row))),
                _plot(variants, headline, row, count),
            ]
    parts = [
        element("h1", text(title)),
        element("p", text(_lead(variants)), kind="lead"),
        _table(variants, found),
        element("p", text(NOTE), kind="note"),
        *([element("p", text(f"Left out: {left} more metrics"), kind="note")] if left > 0 else []),
        *plots,
    ]
    write_atomic(to / PAGE, page(title, *parts))


def _read(experiment: Path) -> VariantResult:
    parts = experiment.name.split("-", 2)
    if len(parts) < 3 or not all(parts):
        raise UserError(f"{experiment}: should be named GRID-AXIS-VARIANT, as the experiments of a grid are")
    if not experiment.is_dir():
        raise UserError(f"{experiment}: there is no such experiment: train it first")
    metrics = read_metrics(experiment / "metrics.json")
    return VariantResult(parts[1], parts[2], metrics.training, first_headlines(metrics))


def first_headlines(metrics: Metrics) -> dict[Headline, Row]:
    """Returns the headlines of each evaluation's first start, by evaluation and metric."""
    found: dict[Headline, Row] = {}
    for evaluation, starts in metrics.evaluations.items():
        for rows in list(starts.values())[:1]:
            found |= {(evaluation, row.metric): row for row in headlines(rows)}
    return found


def _lead(variants: Sequence[VariantResult]) -> str:
    axes = list(dict.fromkeys(variant.axis for variant in variants))
    return f"{len(variants)} experiments on {'one axis' if len(axes) == 1 else f'{len(axes)} axes'}: {', '.join(axes)}"


def _title(headline: Headline, row: Row) -> str:
    evaluation, metric = headline
    unit = f", {row.unit}" if row.unit else ""
    return f"{evaluation}: {metric} {ARROWS[row.better]}{unit}, {row.dataset}{f', {row.subset}' if row.subset else ''}"


def _table(variants: Sequence[VariantResult], found: Mapping[Headline, Row]) -> str:
    columns = ["axis", "variant", "samples", "parameters"]
    for headline, row in found.items():
        columns.append(_title(headline, row))
        if _has_baselines(variants, headline):
            columns.append("than the best baseline, %")
    best = _best(variants, found)
    shown = {
        headline: decimals_of(variant.rows[headline].value for variant in variants if headline in variant.rows)
        for headline in found
    }
    rows = []
    for place, variant in enumerate(variants):
        again = place > 0 and variants[place - 1].axis == variant.axis
        total = variant.training.get("parameters")
        cells = [
            cell("" if again else variant.axis),
            cell(variant.name),
            cell(number(variant.training.get("samples"))),
            cell(number(total.get("total")) if isinstance(total, dict) else None),
        ]
        for headline in found:
            one = variant.rows.get(headline)
            is_best = one is not None and one.value is not None and best.get((variant.axis, headline)) == one.value
            cells.append(cell(one.value if one else None, shown[headline], "best" if is_best else ""))
            if _has_baselines(variants, headline):
                better = one.improvement() if one else None
                cells.append(element("td", text(signed(better)), kind="number") if better is not None else cell(None))
        rows.append(cells)
    return table(columns, rows, range(2, len(columns)))


def _has_baselines(variants: Sequence[VariantResult], headline: Headline) -> bool:
    return any(variant.rows[headline].baselines for variant in variants if headline in variant.rows)


def _best(variants: Sequence[VariantResult], found: Mapping[Headline, Row]) -> dict[tuple[str, Headline], float]:
    """The best value on each axis, where there are several."""
    best = {}
    for headline, row in found.items():
        for axis in dict.fromkeys(variant.axis for variant in variants):
            of_axis = [
                variant.rows[headline] for variant in variants if variant.axis == axis and headline in variant.rows
            ]
            values = [one.value for one in of_axis if one.value is not None]
            if len(values) > 1:
                best[axis, headline] = (max if row.better == "higher" else min)(values)
    return best


def _plot(variants: Sequence[VariantResult], headline: Headline, row: Row, count: int) -> str:
    """A panel for each axis, on one scale."""
    axes = list(dict.fromkeys(variant.axis for variant in variants if headline in variant.rows))
    of_axis = [[variant for variant in variants if variant.axis == axis] for axis in axes]
    widths = [max(WIDTH[1], WIDTH[0] * len(these)) for these in of_axis]
    decimals = decimals_of(variant.rows[headline].value for variant in variants if headline in variant.rows)
    with matplotlib.rc_context(STYLE):
        width = max(sum(widths), 2 * WIDTH[1])
        figure = Figure(figsize=(width, HEIGHT), layout="constrained")
        panels = figure.subplots(1, len(axes), sharey=True, squeeze=False, width_ratios=widths)[0]
        for panel, axis, these in zip(panels, axes, of_axis, strict=True):
            _panel(panel, these, headline, row.better, decimals)
            panel.set_title(written(axis.replace("_", " ")))
        panels[0].set_ylabel(f"{written(row.metric)}{f', {written(row.unit)}' if row.unit else ''}")
        handles = {
            label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, len(handles)))
        style = f"max-width: min(1440px, {SCALE * width:.0f}px)"
        return element("div", svg(figure, f"comparison-{count}"), kind="wide", style=style)


def _panel(axes: Axes, variants: Sequence[VariantResult], headline: Headline, better: str, decimals: int) -> None:
    rows = [variant.rows.get(headline) for variant in variants]
    measured = [(place, value) for place, row in enumerate(rows) if row and (value := drawable(row.value)) is not None]
    for name, color, dash in zip(
        dict.fromkeys(name for row in rows if row for name in row.baselines),
        (FAINT, *COLORS[1:2], *COLORS[3:]) * 4,
        DASHES * 8,
        strict=False,
    ):
        told = [(place, drawable(row.baselines.get(name))) for place, row in enumerate(rows) if row]
        known = [(place, value) for place, value in told if value is not None]
        axes.plot(*zip(*known, strict=True), color=color, linewidth=1.2, linestyle=(0, dash), label=written(name))
        # A short line at each variant stands over what was measured: where they are equal, both are seen.
        for place, value in known:
            axes.plot([place - TICK, place + TICK], [value, value], color=color, linewidth=1.6, zorder=2.5)
    axes.plot([place for place, _ in measured], [value for _, value in measured], "o-", color=BLUE, label="trained")
    if len(measured) > 1:
        place, value = (max if better == "higher" else min)(measured, key=lambda one: one[1])
        axes.plot(place, value, "o", color=GREEN, markersize=9, label="best of its axis")
    for place, value in measured:
        axes.annotate(
            numeral(value, decimals), (place, value), (0, 9), textcoords="offset points", ha="center", color=FAINT,
            fontsize=8, zorder=4, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    axes.set_xticks(range(len(variants)), [written(variant.name) for variant in variants])
    axes.set_xlim(-0.5, len(variants) - 0.5)
    axes.margins(y=0.2)
    axes.yaxis.set_major_locator(MaxNLocator(5))
