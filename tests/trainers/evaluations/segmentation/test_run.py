"""Fine-tuning end to end, on images whose classes are colours."""

import json

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from common_fate.errors import UserError
from trainers.cli import app
from trainers.data.split import Split
from trainers.evaluations.result import read_result
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.options import ModelOptions
from trainers.models.encoders import create_encoder, save_encoder
from trainers.models.saving import create_network, save_model
from trainers.models.weights_file import extract_encoder

COLOURS = np.array([[30, 30, 30], [220, 40, 40], [40, 60, 220]], np.uint8)
TRAINING = {"iterations": 30, "batch_size": 4, "learning_rate": 0.05, "checkpoint_every": 10}


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(16):
        labels = np.zeros((40, 56), np.uint8)
        for label in (1, 2):
            y, x = rng.integers(0, 20), rng.integers(0, 30)
            labels[y : y + 20, x : x + 24] = label
        image = np.clip(COLOURS[labels] + rng.normal(0, 10, (40, 56, 3)), 0, 255).astype(np.uint8)
        labels[:2] = 255
        for folder, picture in (("images", image[..., ::-1]), ("masks", labels)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{i:02d}.png"), picture)
    return {
        "kind": "folder",
        "images": str(tmp_path / "images"),
        "masks": str(tmp_path / "masks"),
        "classes": ["ground", "red", "blue", "never"],
        "hold_out": 0.25,
    }


def run(to, data, *more, **training):
    options = {
        "data": data,
        "transforms": {"crop": 33, "scale": [0.9, 1.2]},
        "training": TRAINING | training,
    }
    words = ["evaluate", "segmentation", "--method", "cmp", "--method-options", '{"model": {"encoder": "resnet18"}}']
    words += ["--to", str(to), "--options", json.dumps(options), "--workers", "0", "--threads", "1"]
    outcome = CliRunner().invoke(app, [*words, *more])
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


@pytest.mark.slow
def test_fine_tuning_learns_the_classes(data, tmp_path):
    to = tmp_path / "small/evaluations/segmentation/scratch.json"
    measured = run(to, data, "--start", "scratch")
    assert (measured.experiment, measured.start, measured.views) == ("small", "scratch", ())
    mean, *classes = measured.result.rows
    assert (mean.metric, mean.unit, mean.better, mean.subset) == ("mean IoU", "%", "higher", "")
    assert [row.subset for row in classes] == data["classes"]
    assert {row.metric for row in classes} == {"IoU"}
    assert classes[3].value is None
    assert mean.value == pytest.approx(np.mean([row.value for row in classes[:3]]))
    assert mean.value > 50  # one class everywhere would have less than a third
    assert measured.result.about == {"iterations": 30, "images": 16 - mean.samples}
    assert 1 <= mean.samples <= 10
    (picture,) = measured.result.pictures
    assert picture.size[0] > 1000
    (kept,) = (to.parent / "runs").iterdir()
    to.unlink()
    assert run(to, data, "--start", "scratch").result == measured.result  # from the checkpoint alone
    assert [kept] == list((to.parent / "runs").iterdir())


def test_each_start_has_its_own_run(data, tmp_path):
    encoder = create_encoder("resnet18")
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    torch.save({"fc.weight": torch.zeros(2, 512), **encoder.state_dict()}, tmp_path / "published.pth")
    starts = {
        "scratch": ("--start", "scratch", "--weights", str(tmp_path / "encoder.safetensors")),
        "encoder": ("--weights", str(tmp_path / "encoder.safetensors")),
        "published": ("--start", str(tmp_path / "published.pth")),
        "named": ("--start", "named", "--weights", str(tmp_path / "published.pth")),
    }
    results = {name: run(tmp_path / f"{name}.json", data, *words, iterations=1) for name, words in starts.items()}
    assert [result.start for result in results.values()] == list(starts)
    assert len(list((tmp_path / "runs").iterdir())) == 3, "the published weights are one run, whatever they are called"
    assert results["encoder"].result.rows == results["published"].result.rows  # the same weights, from two files
    assert results["named"].result.rows == results["published"].result.rows


def test_an_experiment_is_enough(data, tmp_path):
    options = METHOD.options(model=ModelOptions(encoder="resnet18"))
    folder = tmp_path / "experiments/small"
    save_model(folder / "model.safetensors", create_network(METHOD, options), METHOD, options, Split())
    extract_encoder(folder / "model.safetensors", folder / "encoder.safetensors")
    values = {"data": data, "transforms": {"crop": 33}, "training": TRAINING | {"iterations": 1}, "pictured": 0}
    to = folder / "evaluations/segmentation/encoder.json"
    words = ["evaluate", "segmentation", "--model", str(folder), "--to", str(to), "--workers", "0", "--threads", "1"]
    assert CliRunner().invoke(app, [*words, "--options", json.dumps(values)]).exception is None
    measured = read_result(to)
    assert (measured.experiment, measured.start, measured.result.pictures) == ("small", "encoder", ())
    assert measured.options["training"]["batch_size"] == 4
    assert measured.options["training"]["schedule"] == "polynomial", "the rest is the encoder's recipe"


def test_what_cannot_be_trained_is_refused(data, tmp_path):
    to = tmp_path / "a.json"
    with pytest.raises(UserError, match="--start encoder needs --weights"):
        run(to, data)
    with pytest.raises(UserError, match=r"--options: data\.classes has 1 names"):
        run(to, data | {"classes": ["a"]})
    save_encoder(tmp_path / "other.safetensors", create_encoder("vgg16"))
    with pytest.raises(UserError, match=r"other\.safetensors: the encoder in it is vgg16"):
        run(to, data, "--start", str(tmp_path / "other.safetensors"))
    with pytest.raises(UserError, match=r"nowhere\.pth: there is no such file"):
        run(to, data, "--start", str(tmp_path / "nowhere.pth"))
    with pytest.raises(UserError, match="label 2 is unknown"):
        run(to, data | {"classes": ["ground", "red"]}, "--start", "scratch")
    with pytest.raises(UserError, match="all pixels are ignored"):
        run(to, data | {"ignore": [0, 1, 2, 255]}, "--start", "scratch", iterations=1)
    assert not to.exists()
