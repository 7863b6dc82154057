"""Runs an evaluation of detectors through the command line, small."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from trainers.cli import app
from trainers.engine.checkpoints import read_checkpoint
from trainers.evaluations.result import Measurement, read_result

SMALL = {
    "size": 64,
    "sizes": [64],
    "longest": 128,
    "anchors": [8, 20, 28, 48, 96],
    "channels": 32,
    "width": 64,
    "rois": 32,
    "proposals": 60,
}
LEARNING = {"iterations": 45, "warmup": 3}
"""Of training: long enough to find shapes, some 20 s of one core."""

TRAINING = {
    "batch_size": 4,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "warmup": 0,
    "milestones": [0.7],
    "checkpoint_every": 100,
}


def evaluate(
    evaluation: str,
    to: Path,
    data: dict[str, Any],
    *more: str,
    encoder: str = "resnet18",
    training: dict[str, Any] | None = None,
    **options: Any,
) -> Measurement:
    """Runs an evaluation from scratch, or as `more` says, and returns what it measured."""
    values = SMALL | options | {"data": data, "training": TRAINING | (training or {})}
    words = ["evaluate", evaluation, "--method", "cmp", "--to", str(to), "--options", json.dumps(values)]
    words += ["--method-options", json.dumps({"model": {"encoder": encoder}}), "--workers", "0", "--threads", "1"]
    outcome = CliRunner().invoke(app, [*words, *(more or ("--start", "scratch"))])
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


def runs(to: Path) -> list[Path]:
    """Returns the folders of the runs beside a result."""
    return sorted(path for path in (to.parent / "runs").iterdir() if path.name != "proposals")


def losses(to: Path) -> list[float]:
    """Returns the losses of the only run beside a result."""
    (run,) = runs(to)
    state = read_checkpoint(run)
    assert state is not None
    return [row["loss"] for row in state["rows"]]
