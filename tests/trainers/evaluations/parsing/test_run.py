"""Parsing end to end, on figures whose arms look alike: which is the left one, their place says."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from common_fate.errors import UserError
from trainers.cli import app
from trainers.engine import loop
from trainers.engine.checkpoints import read_checkpoint
from trainers.evaluations.options import evaluation_options
from trainers.evaluations.parsing.evaluation import EVALUATION
from trainers.evaluations.result import Measurement, read_result
from trainers.models.encoders import create_encoder, save_encoder

COLOURS = np.array([[40, 40, 40], [60, 70, 220], [210, 160, 120], [210, 160, 120]], np.uint8)
CLASSES = ["ground", "body", "left arm", "right arm"]
TRAINING = {"batch_size": 4, "learning_rate": 0.05, "checkpoint_every": 5}


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for number in range(16):
        labels = np.zeros((40, 48), np.uint8)
        y, x = rng.integers(2, 14), rng.integers(10, 20)
        labels[y : y + 24, x : x + 16] = 1
        labels[y : y + 16, x - 8 : x] = 3  # who faces us has the right arm on our left
        labels[y : y + 16, x + 16 : x + 24] = 2
        image = np.clip(COLOURS[labels] + rng.normal(0, 8, (40, 48, 3)), 0, 255).astype(np.uint8)
        for folder, picture in (("images", image[..., ::-1]), ("masks", labels)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{number:02d}.png"), picture)
    paths = {"images": str(tmp_path / "images"), "masks": str(tmp_path / "masks")}
    return {"kind": "folder", **paths, "classes": CLASSES, "hold_out": 0.25, "name": "figures"}


def run(
    to: Path, data: dict[str, Any], start: str = "scratch", training: dict[str, Any] = TRAINING, **more: Any
) -> Any:
    options = {
        "data": data,
        "transforms": {"crop": 33, "scale": [0.9, 1.1]},
        "swaps": [["left arm", "right arm"]],
        "training": training,
        "pictured": 0,
        **more,
    }
    words = ["evaluate", "parsing", "--method", "cmp", "--method-options", '{"model": {"encoder": "resnet18"}}']
    words += ["--start", start, "--to", str(to), "--options", json.dumps(options), "--workers", "0", "--threads", "1"]
    outcome = CliRunner().invoke(app, words)
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


def values(measured: Measurement) -> dict[tuple[str, str], float | None]:
    return {(row.metric, row.subset): row.value for row in measured.result.rows}


@pytest.mark.slow
def test_parts_are_learnt_and_an_ensemble_is_measured_beside(data: dict[str, Any], tmp_path: Path):
    torch.manual_seed(3)
    save_encoder(tmp_path / "other.safetensors", create_encoder("resnet18"))
    other = str(tmp_path / "other.safetensors")
    to = tmp_path / "small/evaluations/parsing"
    measured = run(to / "scratch.json", data, epochs=8, ensemble_with=other)
    found = values(measured)
    trained = measured.result.about["images"]
    assert measured.result.about["iterations"] == round(8 * trained / 4)
    assert {row.dataset for row in measured.result.rows} == {"figures"}
    assert measured.result.rows[0].metric == "mean IoU"
    assert found["mean IoU", ""] > 25, "one class everywhere would have less than a fifth"
    assert found["mean IoU of the ensemble", ""] > 25
    assert found["IoU of the ensemble", "body"] != found["IoU", "body"]
    assert f"trained from {other} in the same way" in measured.result.note
    runs = {path.name for path in (to / "runs").iterdir()}
    assert len(runs) == 2
    # As a start of its own it is the same training, which is done.
    alone = run(to / "other.json", data, other, epochs=8)
    assert {path.name for path in (to / "runs").iterdir()} == runs
    assert [row.metric for row in alone.result.rows] == ["mean IoU", *["IoU"] * 4]


class Killed(Exception):
    pass


@pytest.mark.slow
def test_a_hypercolumn_learns_in_two_stages_and_goes_on_where_it_was_killed(
    data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its first stage has 8 steps and checkpoints at 5 and 8, its second 16 and at 5, 10, 15 and 16."""
    options: dict[str, Any] = {"head": "hypercolumn", "head_first": 0.5, "hypercolumn": {"hidden": 32, "pixels": 128}}
    training = TRAINING | {"iterations": 16}
    whole = run(tmp_path / "whole/a.json", data, training=training, **options)
    assert values(whole)["mean IoU", ""] > 25, "one class everywhere would have less than a fifth"
    write = loop.write_checkpoint

    def until(last: int) -> Callable[..., None]:
        counted = count(1)

        def writing(*given: Any) -> None:
            write(*given)
            if next(counted) == last:
                raise Killed

        return writing

    for last in (1, 3):  # in the first stage, and in the second at 10
        monkeypatch.setattr(loop, "write_checkpoint", until(last))
        with pytest.raises(Killed):
            run(tmp_path / "killed/a.json", data, training=training, **options)
    monkeypatch.undo()
    killed = run(tmp_path / "killed/a.json", data, training=training, **options)
    assert killed.result.rows == whole.result.rows
    (mine,), (theirs,) = ([*(tmp_path / name / "runs").iterdir()] for name in ("whole", "killed"))
    for stage in (".", "head"):
        weights, others = (read_checkpoint(path / stage)["task"] for path in (mine, theirs))
        assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_the_papers_recipe_is_epochs_of_one_person_or_several():
    lip, cihp, ours = (
        evaluation_options(EVALUATION, "resnet50", {"data": data})
        for data in ({"path": "LIP"}, {"kind": "cihp", "path": "CIHP"}, {"path": "LIP", "name": "mine"})
    )
    assert (lip.data.kind, lip.epochs, cihp.epochs, ours.epochs) == ("lip", 50, 120, 50)
    assert lip.iterations(30_462) == round(50 * 30_462 / 16)
    assert (lip.training.schedule, lip.training.power, lip.training.learning_rate) == ("polynomial", 0.9, 0.01)
    assert lip.transforms.flip
    assert lip.swapped == ((14, 15), (16, 17), (18, 19))
    short = evaluation_options(EVALUATION, "alexnet", {"data": {"path": "LIP"}, "training": {"iterations": 7}})
    assert (short.epochs, short.iterations(30_462), short.training.schedule) == (None, 7, "polynomial")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"swaps": [["left arm", "right leg"]]}, r"swaps\[0\]: there is no class 'right leg': should be one of ground"),
        ({"swaps": [["left arm", "right arm"], ["body", "left arm"]]}, r"swaps\[1\]: 'left arm' changes places twice"),
        ({"swaps": [["left arm"]]}, r"swaps\[0\] is \['left arm'\]: should be 2 values"),
        ({"epochs": 0}, "epochs is 0.0: above 0"),
        (
            {"head": "hypercolumn", "hypercolumn": {"layers": ["fc7"]}},
            "hypercolumn.layers: resnet18 has no layer 'fc7'",
        ),
        ({"hypercolumn": {"pixels": 64}}, "hypercolumn has options, and head is linear"),
        ({"head": "fcn"}, "head is 'fcn'"),
        ({"head": "hypercolumn", "frozen": True}, "head is hypercolumn: has a meaning with frozen: false alone"),
        ({"head_first": -1}, "head_first is -1.0"),
        ({"training": TRAINING | {"warmup": 30}, "epochs": 1}, "training.warmup is 30: from 0 to less"),
        ({"training": TRAINING | {"iterations": 3}, "epochs": 1}, "epochs and training.iterations both say how long"),
        ({"ensemble_with": "nowhere.pth"}, r"nowhere\.pth: there is no such file"),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, Any], tmp_path: Path, more: dict[str, Any], says: str):
    with pytest.raises(UserError, match=says):
        run(tmp_path / "a.json", data, **more)


def test_clothes_of_real_photos(shared_data: Path, tmp_path: Path):
    root = shared_data / "ccp_parsing"
    classes = [line.split(maxsplit=1)[1] for line in (root / "labels.txt").read_text().splitlines()]
    for image in sorted((root / "images").iterdir())[:12]:
        for path in (image, root / "masks" / f"{image.stem}.png"):
            link = tmp_path / path.parent.name / path.name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(path)
    data = {"kind": "folder", "images": f"{tmp_path}/images", "masks": f"{tmp_path}/masks", "classes": classes}
    training = TRAINING | {"iterations": 3, "batch_size": 2}
    measured = run(tmp_path / "a.json", data | {"hold_out": 0.2}, training=training, swaps=[])
    assert len(measured.result.rows) == 1 + 59
    assert measured.result.rows[0].value > 0
