"""Curves for the page: whole ones, or what is new since it asked last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from common_fate.errors import UserError
from trainers.page.experiments.listing import CURVES, Experiments
from trainers.page.experiments.series import thinned
from trainers.report.experiment_files import read_curves


def curves_of(experiments: Experiments, name: str, source: str, generation: int, after: int) -> dict[str, Any]:
    """Returns an experiment's curves by column, thinned; of a run that goes on only what is new.

    Args:
        source: a run's name, or `curves`: the table of a training that is done.
        generation, after: what the last answer said of itself; -1 and 0 for all. Where points were taken back since, or
            it is another table, all are given again.

    Raises:
        UserError: there is no such experiment or source, or the table cannot be read.
    """
    if source == CURVES:
        return _table(experiments.table(name), generation)
    runs = experiments.runs(experiments.folder(name))
    if source not in runs:
        raise UserError(f"{name}: there is no run {source} (any more)")
    events, wrong = experiments.events(runs[source])
    whole = generation != events.generation
    found = {}
    for column, measured in events.columns.items():
        at, values = measured.since(0 if whole else after)
        if len(at):
            found[column] = thinned(at, values)
    return {
        "generation": events.generation,
        "after": events.points,
        "whole": whole,
        "columns": found,
        "error": wrong,
    }


def _table(path: Path, generation: int) -> dict[str, Any]:
    stamp = path.stat().st_mtime_ns // 1000  # a number that JavaScript has, too
    if stamp == generation:
        return {"generation": stamp, "after": 0, "whole": False, "columns": {}, "error": ""}
    curves = read_curves(path)
    if curves is None:
        raise UserError(f"{path}: is not there (any more)")
    found = {}
    for column in curves.columns:
        at, values = curves.measured(column)
        if at:
            found[column] = thinned(np.array(at, np.int64), np.array(values, np.float64))
    return {"generation": stamp, "after": 0, "whole": True, "columns": found, "error": ""}
