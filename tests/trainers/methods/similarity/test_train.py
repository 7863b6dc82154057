"""Flow similarity as the engine trains it, on a small view: what is written, and what is best by."""

import csv
from pathlib import Path

import pytest
import torch

from tests.support.small_view import make_view
from trainers.data.split import Split
from trainers.engine.options import Machine, build
from trainers.engine.train import train
from trainers.methods.similarity.method import METHOD
from trainers.methods.similarity.options import SimilarityOptions
from trainers.methods.similarity.task import Similarity
from trainers.models.saving import load_model

OPTIONS = {
    "view": "cmp",
    "model": {"encoder": "resnet18", "layers": ["conv1"], "hidden": 8},
    "loss": {"pixels": 40},
    "transforms": {"shorter_side": None, "crop": 24},
    "training": {"iterations": 6, "batch_size": 4, "validate_every": 2, "checkpoint_every": 3, "learning_rate": 1e-2},
}


@pytest.mark.parametrize("kind", ["ce", "direct"])
def test_a_run_writes_the_network_that_was_best_and_finished(tmp_path: Path, monkeypatch, kind: str):
    seen: list[float] = []

    def finished(task: Similarity) -> None:
        seen.append(float(task.net.last.weight.detach().sum()))
        with torch.no_grad():
            task.net.last.weight.add_(1)

    monkeypatch.setattr(Similarity, "finished", finished)
    view = make_view(tmp_path / "results/made/shards/cmp")
    options = build(SimilarityOptions, OPTIONS | {"loss": OPTIONS["loss"] | {"kind": kind}})
    assert options.training.keep == "best"
    train(METHOD, [view.folder], [], options, Split(0.4), tmp_path / "out", Machine(workers=0, threads=1))
    rows = list(csv.DictReader((tmp_path / "out/curves.csv").open()))
    measured = {"ce": ["loss", "alignment", "correlation"], "direct": ["loss", "accuracy"]}[kind]
    assert [name for name in rows[0] if name.startswith("validation")] == [f"validation.{name}" for name in measured]
    saved = load_model(tmp_path / "out/model.safetensors")
    (before,) = seen
    weight = saved.net.last.weight.detach()
    assert float(weight.sum()) == pytest.approx(before + weight.numel(), abs=1e-2)
    state = torch.load(next((tmp_path / "out/runs").glob("*/last.ckpt")), weights_only=True)
    best = min(float(row["validation.loss"]) for row in rows if row["validation.loss"])
    assert state["best"]["value"] == pytest.approx(best)
    assert float(state["best"]["weights"]["last.weight"].sum()) == pytest.approx(before, abs=1e-2)
