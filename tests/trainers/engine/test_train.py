"""A training run of any method: what it starts from, who teaches it, and when it is another run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from common_fate.errors import UserError
from tests.support.made_dataset import make_dataset
from trainers.data.split import Split
from trainers.declarations import Method
from trainers.engine.loop import Run
from trainers.engine.options import Machine, build
from trainers.engine.task import Batch
from trainers.engine.train import create_task, train
from trainers.methods.cmp.method import METHOD as CMP
from trainers.methods.cmp.options import CMPOptions
from trainers.methods.cmp.task import CMP as CMPTask
from trainers.models.saving import save_model

OPTIONS: dict[str, Any] = {
    "model": {"encoder": "resnet18"},
    "loss": {"bins": 9},
    "guidance": {"points": "none", "grid_stride": 16},
    "transforms": {"shorter_side": 32, "crop": 32},
    "training": {"iterations": 1, "batch_size": 2, "learning_rate": 0.01},
}


class Pupil(CMPTask):
    """Also learns to say what its teacher says."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        told = (batch["image"], batch["guidance"])
        difference = self.net(*told) - self.teacher(*told)
        return super().forward(batch) | {"teacher": difference.square().mean()}


PUPIL = replace(CMP, name="pupil", task=f"{__name__}:Pupil", teachers=("cmp",))


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "small") / "shards" / "cmp"


@pytest.fixture(scope="module")
def model(view: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one iteration made."""
    to = tmp_path_factory.mktemp("first")
    trained(view, to)
    return to / "model.safetensors"


def trained(view: Path, to: Path, method: Method = CMP, **how: Any) -> Path:
    """The experiment's folder."""
    options = build(CMPOptions, OPTIONS | how.pop("changed", {}))
    split = how.pop("split", Split())
    train(method, [view], [], options, split, to, Machine(workers=0, threads=1), **how)
    return to


def test_whatever_decides_about_the_weights_is_another_run(
    view: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    other = tmp_path / "other.safetensors"
    weights = load_file(model)
    save_model(other, create_task(CMP, build(CMPOptions, OPTIONS)).net, CMP, build(CMPOptions, OPTIONS), Split())
    assert any(not torch.equal(value, weights[name]) for name, value in load_file(other).items())
    runs: list[Path] = []

    def noted(*arguments: Any, **more: Any) -> Run:
        runs.append(arguments[4])
        return {"rows": [], "seconds": 1.0, "waiting": 0.0}

    monkeypatch.setattr("trainers.engine.train.fit", noted)
    ways: list[dict[str, Any]] = [
        {},
        {"changed": {"loss": {"bins": 9, "limit": 20}}},
        {"split": Split(train_share=0.9)},
        {"method": replace(CMP, version=99)},
        {"start": model},
        {"start": other},
        {"method": PUPIL, "teacher": model},
        {"method": PUPIL, "teacher": other},
    ]
    for way in ways:
        trained(view, tmp_path, **way)
    assert len(set(runs)) == len(ways)
    trained(view, tmp_path, **ways[-1])
    assert runs[-1] == runs[-2], "and the same are the same run"


def test_a_run_says_what_it_is_a_run_of(model: Path):
    [about] = model.parent.glob("runs/*/run.json")
    found = json.loads(about.read_text())
    assert found["method"] == "cmp"
    assert build(CMPOptions, found["options"]) == build(CMPOptions, OPTIONS)


def test_a_run_goes_on_from_the_weights_that_it_starts_from(model: Path):
    task = create_task(CMP, build(CMPOptions, OPTIONS), start=model)
    weights = load_file(model)
    assert all(torch.equal(value, weights[name]) for name, value in task.net.state_dict().items())


def test_a_teacher_teaches_and_is_not_saved(view: Path, model: Path, tmp_path: Path):
    to = trained(view, tmp_path, PUPIL, teacher=model)
    assert (to / "curves.csv").read_text().startswith("iteration,learning_rate,loss,loss.propagation,loss.teacher\n1,")
    saved, taught_by = load_file(to / "model.safetensors"), load_file(model)
    assert saved.keys() == taught_by.keys()
    task = create_task(PUPIL, build(CMPOptions, OPTIONS), teacher=model)
    assert isinstance(task.teacher, nn.Module)
    assert all(torch.equal(value, taught_by[name]) for name, value in task.teacher.state_dict().items())


def test_a_teacher_of_a_method_that_cannot_teach_is_refused(model: Path):
    options = build(CMPOptions, OPTIONS)
    with pytest.raises(UserError, match=r"model.safetensors: cmp cannot teach cmp, which takes no teacher"):
        create_task(CMP, options, teacher=model)
    with pytest.raises(UserError, match="cmp cannot teach pupil, which takes selflow"):
        create_task(replace(PUPIL, teachers=("selflow",)), options, teacher=model)
