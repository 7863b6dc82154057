"""Object frames of sticks through the command line: what is learnt, and a view that lacks what is read."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainers.methods.objects.sticks import SIDE, write_view
from trainers.data.split import Split
from trainers.data.views import open_views
from trainers.engine.options import build
from trainers.engine.train import create_task
from trainers.methods.objects.method import METHOD
from trainers.methods.objects.options import ObjectsOptions
from trainers.models.saving import load_model

ROOT = Path(__file__).resolve().parents[4]
HELD = {"validation_share": 0.3}
TRAINING = {"iterations": 60, "batch_size": 4, "optimizer": "adam", "learning_rate": 3e-3, "weight_decay": 0.0}
OPTIONS = {"transforms": {"crop": SIDE}, "training": TRAINING | {"validate_every": 60, "checkpoint_every": 60}}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_view(tmp_path_factory.mktemp("sticks") / "shards" / "objects_truth")


def trained(view: Path, to: Path, **changed: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainers", "train", "objects", str(view), "--to", str(to), "--workers", "0"]
    command += ["--threads", "1", "--options", json.dumps(OPTIONS | changed), "--split", json.dumps(HELD)]
    return subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )


@pytest.mark.slow
def test_sticks_are_learnt(view: Path, tmp_path: Path):
    """The loss falls, and held-out pixels are found nearer to where they are than by random weights."""
    done = trained(view, tmp_path / "sticks")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "sticks" / "curves.csv").open()))
    losses = [float(row["loss"]) for row in rows]
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])
    model = load_model(tmp_path / "sticks" / "model.safetensors")
    assert model.net.embed(torch.rand(1, 3, 64, 64)).shape == (1, 3, 32, 32)

    options = build(ObjectsOptions, OPTIONS)
    task = create_task(METHOD, options).eval()
    transform = task.samples(train=False)
    held_out = open_views([view], transform, Split(**HELD), "held out", needs=transform.needs, reads=transform.needs)
    error = {}
    for name, net in (("random", task.net), ("trained", model.net)):
        metrics = task.metrics()
        with torch.no_grad():
            for number in range(len(held_out)):
                task.measure(net, torch.utils.data.default_collate([held_out[number]]), metrics)
        error[name] = float(metrics["matching_error"].compute())
    assert error["trained"] < 0.6 * error["random"]
    assert error["trained"] == pytest.approx(float(rows[-1]["validation.matching_error"]), rel=1e-3)


@pytest.mark.slow
def test_a_view_without_truth_is_refused(view: Path, tmp_path: Path):
    done = trained(view, tmp_path / "sticks", pairs="flow")
    assert done.returncode != 0
    assert "has no flow: its samples are of" in done.stderr
    assert "Traceback" not in done.stderr
