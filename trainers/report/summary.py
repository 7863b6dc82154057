"""All that was measured of one experiment, for people and for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from trainers.report.curves import curves
from trainers.report.results import (
    Curve,
    headline,
    last,
    read_curve,
    read_flow,
    read_json,
    read_segmentations,
    with_improvements,
)
from trainers.report.tables import flow_page, segmentation_page


def summarise(experiment: Path, segmentations: Sequence[Path], to: Path) -> None:
    """Collects an experiment's measurements.

    Writes `metrics.json` into the experiment's folder, and `flow.html`, `segmentation.html` and `curves.svg` into `to`;
    what has not been measured is left out.

    Args:
        experiment: `results/experiments/NAME`, with some of `train.json`, `curves.csv` and `flow.json`.
        segmentations: those of its `segmentation/START.json` that count: others may be left over.

    Raises:
        UserError: there is none of these files, or one cannot be read.
    """
    name = experiment.name
    metrics: dict[str, Any] = {"experiment": name}
    if facts := read_json(experiment / "train.json"):
        metrics["training"] = facts
    rows = read_flow(experiment / "flow.json")
    if curve := read_curve(experiment / "curves.csv"):
        metrics["curve"] = _ends(curve)
        write_atomic(to / "curves.svg", curves(experiment / "curves.csv", headline(rows) if rows else None))
    if rows:
        metrics["flow"] = [with_improvements(row) for row in rows]
        write_atomic(to / "flow.html", flow_page(name, rows).encode())
    if found := read_segmentations(segmentations):
        metrics["segmentation"] = {one.start: asdict(one) for one in found}
        write_atomic(to / "segmentation.html", segmentation_page(name, found).encode())
    if len(metrics) == 1:
        raise UserError(f"{experiment}: has nothing to report: train and evaluate it first")
    write_atomic(experiment / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())


def _ends(curve: Curve) -> dict[str, Any]:
    """What training came to: the last and the lowest of what was measured."""
    measured = [error for error in curve.epe if error is not None]
    return {
        "iterations": curve.iteration[-1],
        "loss": last(curve.loss),
        "epe": last(curve.epe),
        "lowest_epe": min(measured, default=None),
    }
