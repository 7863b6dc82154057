"""The experiments of a grid beside each other: one axis varied at a time, as in Figures 4 and 5 of Zhan et al."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from common_fate.tables import html_table
from trainers.report.figures import BLUE, FAINT, ORANGE, STYLE, svg
from trainers.report.results import FlowRow, headline, read_flow, read_json, read_segmentations

START = "encoder"  # the segmentation that says how good the learned encoder is
PANEL = 3.4, 2.6  # inches
NOTE = (
    "Samples: trained on. End-point errors in pixels; nearest point: each pixel moves as the nearest guidance point. "
    "Better: how far the model's error is below that. mIoU: of semantic segmentation after fine-tuning."
)


@dataclass(frozen=True)
class Variant:
    """One experiment of a grid; None is what has not been measured."""

    axis: str
    name: str
    training: dict[str, Any]
    flow: FlowRow | None
    mean_iou: float | None  # a share

    @property
    def percent(self) -> float | None:
        """Mean IoU."""
        return None if self.mean_iou is None else 100 * self.mean_iou

    @property
    def better(self) -> float | None:
        """Than the motion of the nearest guidance point, percent."""
        return self.flow.better_than_nearest if self.flow else None


def compare(experiments: Sequence[Path], to: Path, title: str) -> None:
    """Writes `comparison.html`, a row for each experiment, and `comparison.svg`, a panel for each axis, into `to`.

    Args:
        experiments: folders named GRID-AXIS-VARIANT, variants in the order of their axis.

    Raises:
        UserError: a folder is not named so or not there, nothing has been measured, or a file cannot be read.
    """
    variants = [_read(experiment) for experiment in experiments]
    if not any(variant.flow or variant.mean_iou is not None for variant in variants):
        raise UserError(f"{title}: nothing has been measured of these experiments: evaluate them first")
    write_atomic(to / "comparison.html", _page(title, variants).encode())
    write_atomic(to / "comparison.svg", _picture(title, variants))


def _read(experiment: Path) -> Variant:
    parts = experiment.name.split("-", 2)
    if len(parts) < 3 or not all(parts):
        raise UserError(f"{experiment}: should be named GRID-AXIS-VARIANT, as the experiments of a grid are")
    if not experiment.is_dir():
        raise UserError(f"{experiment}: there is no such experiment: train it first")
    rows = read_flow(experiment / "flow.json")
    segmentation = experiment / "segmentation" / f"{START}.json"
    segmented = read_segmentations([segmentation] if segmentation.exists() else [])
    facts = read_json(experiment / "train.json") or {}
    return Variant(
        parts[1], parts[2], facts, headline(rows) if rows else None, segmented[0].mean_iou if segmented else None
    )


def _page(title: str, variants: Sequence[Variant]) -> str:
    cells: dict[str, Callable[[Variant], Any]] = {
        "samples": lambda variant: variant.training.get("samples"),
        "guidance points": lambda variant: variant.flow and variant.flow.points,
        "decoder parameters": lambda variant: (variant.training.get("parameters") or {}).get("decoder"),
        "error": lambda variant: variant.flow and variant.flow.epe,
        "nearest point": lambda variant: variant.flow and variant.flow.epe_nearest,
        "better, %": lambda variant: variant.better,
        "mIoU, %": lambda variant: variant.percent,
    }
    shown = {name: cell for name, cell in cells.items() if any(cell(variant) is not None for variant in variants)}
    rows = [[variant.axis, variant.name, *(cell(variant) for cell in shown.values())] for variant in variants]
    return html_table(title, ["axis", "variant", *shown], rows, NOTE)


def _picture(title: str, variants: Sequence[Variant]) -> bytes:
    """Panels: a column for each axis, a row for each measure that any variant has."""
    axes = list(dict.fromkeys(variant.axis for variant in variants))
    measures: dict[str, tuple[Callable[[Variant], float | None], str]] = {
        "segmentation, mIoU %": (lambda variant: variant.percent, BLUE),
        "better than nearest point, %": (lambda variant: variant.better, ORANGE),
    }
    shown = {name: how for name, how in measures.items() if any(how[0](variant) is not None for variant in variants)}
    with matplotlib.rc_context(STYLE):
        size = PANEL[0] * len(axes), PANEL[1] * len(shown) + 0.5
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        panels = figure.subplots(len(shown), len(axes), sharey="row", squeeze=False)
        for row, (name, (measure, color)) in zip(panels, shown.items(), strict=True):
            for panel, axis in zip(row, axes, strict=True):
                _panel(panel, [variant for variant in variants if variant.axis == axis], measure, color)
            row[0].set_ylabel(name)
        for panel, axis in zip(panels[-1], axes, strict=True):
            panel.set_xlabel(axis.replace("_", " "))
        return svg(figure)


def _panel(axes: Axes, variants: Sequence[Variant], measure: Callable[[Variant], float | None], color: str) -> None:
    measured = [(place, value) for place, variant in enumerate(variants) if (value := measure(variant)) is not None]
    axes.plot([place for place, _ in measured], [value for _, value in measured], "o-", color=color, markersize=5)
    for place, value in measured:
        axes.annotate(
            f"{value:.1f}", (place, value), (0, 8), textcoords="offset points", ha="center", color=FAINT, fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    axes.set_xticks(range(len(variants)), [variant.name for variant in variants])
    axes.set_xlim(-0.5, len(variants) - 0.5)
    axes.margins(y=0.2)
    axes.yaxis.set_major_locator(MaxNLocator(5))
