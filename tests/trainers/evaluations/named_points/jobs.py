"""Jobs on the made view, with networks whose answers are known."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.pointed_view import Coordinates
from trainers.engine.options import Machine, build
from trainers.evaluations.job import Job
from trainers.evaluations.named_points.vectors import Vectors
from trainers.evaluations.options import evaluation_options
from trainers.registry import EVALUATIONS, METHODS

TRANSFORMS = {"shorter_side": None, "crop": 40}


def job_of(
    evaluation: str, views: list[Path], method: str = "grouping", share: float = 0.4, margin: int = 0, **options: Any
) -> Job:
    warp = {"warp": {"margin": margin}} if margin else {}
    return Job(
        experiment="mine",
        method=method,
        method_options=build(METHODS[method].options, {"transforms": TRANSFORMS} | warp),
        start="scratch",
        weights=None,
        options=evaluation_options(EVALUATIONS[evaluation], None, options),
        views=tuple(map(str, views)),
        side="held out" if share else "all",
        validation_share=share,
        runs=Path("runs"),
        machine=Machine(0, 1),
    )


def know_coordinates(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    """Has an evaluation measure the embedding that is the object's own coordinate."""
    monkeypatch.setattr(module, "load_vectors", lambda *_: Vectors(Coordinates(), 1, 0.0))
