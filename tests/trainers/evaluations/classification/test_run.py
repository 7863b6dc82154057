"""Fine-tuning for classification end to end, on images whose classes are colours: one of them, or two at once."""

import json

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from common_fate.errors import UserError
from tests.support.labelled import COLOURS, coloured, write_classes, write_voc
from trainers.cli import app
from trainers.data.voc import CLASSES
from trainers.engine import loop
from trainers.engine.checkpoints import read_checkpoint
from trainers.evaluations.result import read_result

TRAINING = {"iterations": 24, "batch_size": 8, "learning_rate": 0.02, "checkpoint_every": 8}


def run(to, data, *more, crop=32, crops=3, loss="softmax", **training):
    options = {"data": data, "transforms": {"shorter_side": None, "crop": crop}, "training": TRAINING | training}
    options |= {"crops": crops, "loss": loss, "pictured": 5}
    words = ["evaluate", "classification", "--method", "cmp", "--method-options", '{"model": {"encoder": "resnet18"}}']
    words += ["--to", str(to), "--options", json.dumps(options), "--workers", "0", "--threads", "1"]
    outcome = CliRunner().invoke(app, [*words, "--start", "scratch", *more])
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


@pytest.fixture
def data(tmp_path):
    train, validation = write_classes(tmp_path / "set/train", 8), write_classes(tmp_path / "set/val", 4, first=8)
    return {"path": str(train), "validation": str(validation)}


@pytest.fixture
def voc(tmp_path):
    """A bottle is red, a sheep green; a third of the images have both, and of some it is hard to tell."""
    root, rng = tmp_path / "VOC2007", np.random.default_rng(0)
    sets, pictures = {}, {}
    for name, first, count in (("trainval", 0, 24), ("test", 100, 12)):
        listed = []
        for image in range(first, first + count):
            kind = image % 3
            shown = {} if kind == 1 else {"bottle": 1}
            shown |= {} if kind == 0 else {"sheep": 1}
            sides = [COLOURS["green" if kind == 1 else "red"], COLOURS["red" if kind == 0 else "green"]]
            halves = [coloured(colour, int(rng.integers(1000)), side=24) for colour in sides]
            pictures[f"{image:06d}"] = halves
            listed.append((f"{image:06d}", shown | ({"cow": 0} if image % 5 == 0 else {})))
        sets[name] = listed
    write_voc(root, sets, CLASSES)
    for image, halves in pictures.items():
        decoded = [np.frombuffer(half, np.uint8) for half in halves]
        whole = np.concatenate([cv2.imdecode(half, cv2.IMREAD_COLOR) for half in decoded], axis=1)
        cv2.imwrite(str(root / f"JPEGImages/{image}.jpg"), whole)
    return {"kind": "voc", "path": str(root)}


def test_fine_tuning_learns_classes_and_a_killed_run_goes_on_exactly(data, tmp_path, monkeypatch):
    whole = run(tmp_path / "a/evaluations/classification/scratch.json", data)
    top, *recalls = whole.result.rows
    assert (top.metric, top.subset, top.samples, top.dataset) == ("top-1", "", 12, "set")
    assert [(row.metric, row.subset, row.samples) for row in recalls] == [
        ("recall", name, 4) for name in sorted(COLOURS)
    ]
    assert top.value == pytest.approx(np.mean([row.value for row in recalls]))
    assert top.value > 66
    assert top.baselines["chance"] == pytest.approx(100 / 3)
    assert [picture.name for picture in whole.result.pictures] == ["images", "confusion"]
    (kept,) = (tmp_path / "a/evaluations/classification/runs").iterdir()

    real, steps = loop._step, []

    def dying(step, *how):
        if step == 13 and not steps:
            steps.append(step)
            raise RuntimeError("killed")
        return real(step, *how)

    monkeypatch.setattr(loop, "_step", dying)
    to = tmp_path / "b/evaluations/classification/scratch.json"
    with pytest.raises(RuntimeError, match="killed"):
        run(to, data)
    assert run(to, data).result.rows == whole.result.rows
    (other,) = (to.parent / "runs").iterdir()
    first, second = read_checkpoint(kept), read_checkpoint(other)
    assert first["rows"] == second["rows"]
    assert all(torch.equal(first["task"][name], one) for name, one in second["task"].items() if torch.is_tensor(one))


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_images_with_several_classes_have_average_precisions(voc, tmp_path, loss):
    measured = run(tmp_path / "a.json", voc, loss=loss, crops=1)
    eleven, area, *each = measured.result.rows
    assert [(row.metric, row.subset) for row in (eleven, area)] == [("mAP, 11 points", ""), ("mAP, area", "")]
    known = {(row.metric, row.subset): row for row in each if row.value is not None}
    assert {subset for _, subset in known} == {"bottle", "sheep"}, "no other class is there"
    for mean, metric in ((eleven, "AP, 11 points"), (area, "AP, area")):
        two = [known[metric, name].value for name in ("bottle", "sheep")]
        assert mean.value == pytest.approx(np.mean(two))
    assert area.baselines["share of positives"] == pytest.approx(100 * 2 / 3)
    assert area.value > 75, "what is told by chance has two thirds"
    assert next(row for row in each if row.subset == "cow").samples == 12 - 3
    assert [picture.name for picture in measured.result.pictures] == ["images"]
    assert "11 recalls" in measured.result.note


def test_what_cannot_be_used_of_voc_is_refused(voc, tmp_path):
    with pytest.raises(UserError, match=r"data\.train_list: there is no ImageSets/Main/aeroplane_train\.txt"):
        run(tmp_path / "a.json", voc | {"train_list": "train"})
    with pytest.raises(UserError, match=r"data\.validation_list: 24 images of trainval, .* are in trainval as well"):
        run(tmp_path / "a.json", voc | {"validation_list": "trainval"})
    with pytest.raises(UserError, match="--options: loss is 'hinge': should be softmax or sigmoid"):
        run(tmp_path / "a.json", voc, loss="hinge")


def test_real_clothes(shared_data, tmp_path):
    clothing = shared_data / "clothing10"
    data = {"path": str(clothing / "train"), "validation": str(clothing / "validation"), "classes": ["pants", "hat"]}
    measured = run(tmp_path / "a.json", data, crop=64, crops=1, iterations=16)
    assert measured.result.rows[0].dataset == "clothing10"
    assert measured.result.rows[0].value > 50
