"""What an evaluation is given: whose weights, which options, which data, and what it may use."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common_fate.remote.cache import Cache
from trainers.engine.options import Machine


@dataclass(frozen=True)
class Job:
    """One evaluation of one start of an experiment.

    Args:
        experiment: its name.
        method: of the experiment, whose network is evaluated.
        method_options: of the experiment, built (the method's dataclass).
        start: what the weights are called: `model`, `encoder`, `scratch`, or a checkpoint's name.
        weights: their file; None for `scratch`, random weights, see `trainers.evaluations.start`.
        options: the evaluation's own dataclass.
        views: folders or addresses of the views to measure on.
        side: `held out`, as the experiment was trained, or `all` of their videos.
        validation_share: the share of videos that the experiment held out.
        runs: a folder for checkpoints of its own, where it trains.
        machine: what it may use.
        cache: for views on other machines.
    """

    experiment: str
    method: str
    method_options: Any
    start: str
    weights: Path | None
    options: Any
    views: tuple[str, ...]
    side: str
    validation_share: float
    runs: Path
    machine: Machine
    cache: Cache | None = None
