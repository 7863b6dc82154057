"""Linear classifiers on frozen layers, end to end, on images whose classes are colours."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from common_fate.errors import UserError
from tests.support.labelled import COLOURS, coloured, write_classes
from trainers.cli import app
from trainers.engine import loop
from trainers.engine.checkpoints import read_checkpoint
from trainers.evaluations.result import read_result
from trainers.models.encoders import create_encoder, save_encoder

TRAINING = {"iterations": 24, "batch_size": 9, "learning_rate": 0.05, "checkpoint_every": 8}


@pytest.fixture
def data(tmp_path):
    train, validation = write_classes(tmp_path / "set/train", 12), write_classes(tmp_path / "set/val", 5, first=12)
    return {"path": str(train), "validation": str(validation)}


def run(to, data, *more, layers=("conv1", "layer2"), crop=32, **training):
    options = {"data": data, "transforms": {"shorter_side": None, "crop": crop}, "training": TRAINING | training}
    options |= {"layers": list(layers), "pictured": 6}
    words = ["evaluate", "linear", "--method", "cmp", "--method-options", '{"model": {"encoder": "resnet18"}}']
    words += ["--to", str(to), "--options", json.dumps(options), "--workers", "0", "--threads", "1"]
    outcome = CliRunner().invoke(app, [*words, *more])
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


def test_colours_are_told_from_frozen_layers_and_a_killed_run_goes_on_exactly(data, tmp_path, monkeypatch):
    torch.manual_seed(0)
    encoder = create_encoder("resnet18")
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    words = "--weights", str(tmp_path / "encoder.safetensors")
    whole = run(tmp_path / "a/evaluations/linear/encoder.json", data, *words)
    best, *layers = whole.result.rows
    assert (best.metric, best.subset, best.samples, best.unit) == ("top-1 of the best layer", "", 15, "%")
    assert [(row.metric, row.subset) for row in layers] == [("top-1", "conv1"), ("top-1", "layer2")]
    assert best.value == max(row.value for row in layers) > 80
    assert best.baselines == {"chance": pytest.approx(100 / 3), "most frequent classes": pytest.approx(100 / 3)}
    assert whole.result.about["elements"] == {"conv1": 64 * 12 * 12, "layer2": 128 * 4 * 4}
    assert [picture.name for picture in whole.result.pictures] == ["images", "confusion"]
    (kept,) = (tmp_path / "a/evaluations/linear/runs").iterdir()
    state = read_checkpoint(kept)["task"]
    for name, tensor in encoder.state_dict().items():  # weights, and the statistics of normalisations
        assert torch.equal(state[f"net.encoder.{name}"], tensor), name

    real, steps = loop._step, []

    def dying(step, *how):
        if step == 13 and not steps:
            steps.append(step)
            raise RuntimeError("killed")
        return real(step, *how)

    monkeypatch.setattr(loop, "_step", dying)
    to = tmp_path / "b/evaluations/linear/encoder.json"
    with pytest.raises(RuntimeError, match="killed"):
        run(to, data, *words)
    assert run(to, data, *words).result.rows == whole.result.rows
    (other,) = (to.parent / "runs").iterdir()
    again = read_checkpoint(other)
    assert again["rows"] == read_checkpoint(kept)["rows"]
    assert all(torch.equal(state[name], one) for name, one in again["task"].items() if isinstance(one, torch.Tensor))


def test_images_that_cannot_be_read_are_counted_and_do_not_count(data, tmp_path):
    for folder, number in (("train", 3), ("val", 13)):
        place = tmp_path / f"set/{folder}/red/{number:03d}.jpg"
        place.write_bytes(place.read_bytes()[:200])
    measured = run(tmp_path / "a.json", data, "--start", "scratch", layers=["conv1"])
    assert measured.result.rows[0].samples == 14
    assert "1 of the images to train on, such as red/003.jpg (" in measured.result.note
    assert "1 of the images held out, such as red/013.jpg (" in measured.result.note
    assert np.isfinite(measured.result.rows[0].value)


def test_of_many_classes_one_of_five_guesses_counts_as_well(tmp_path):
    for number in range(20):
        for side, first in (("train", 0), ("val", 3)):
            folder = tmp_path / side / f"{number:02d}"
            folder.mkdir(parents=True)
            for i in range(first, first + 3):
                colour = list(COLOURS.values())[number % 3]
                (folder / f"{i}.jpg").write_bytes(coloured(colour, 100 * number + i, side=32))
    data = {"path": str(tmp_path / "train"), "validation": str(tmp_path / "val")}
    measured = run(tmp_path / "a.json", data, "--start", "scratch", layers=["conv1"], batch_size=20)
    best, five, *_ = measured.result.rows
    assert (best.metric, five.metric) == ("top-1 of the best layer", "top-5 of the best layer")
    assert five.baselines == {"chance": 25.0, "most frequent classes": 25.0}
    assert five.value > 40 > best.value, "a third of the classes share each colour"


def test_what_cannot_be_learnt_is_refused(data, tmp_path):
    with pytest.raises(UserError, match="--options: layers: resnet18 has no layer 'conv9': should be some of"):
        run(tmp_path / "a.json", data, "--start", "scratch", layers=["conv9"])
    with pytest.raises(UserError, match=r"training.batch_size is 4: activations are normalised over a batch"):
        run(tmp_path / "a.json", data, "--start", "scratch", batch_size=4, accumulation=4)
    with pytest.raises(UserError, match=r"data.kind is voc: linear is of single labels"):
        run(tmp_path / "a.json", {"kind": "voc", "path": "VOC2007"}, "--start", "scratch")
    with pytest.raises(UserError, match="batch_size is 64, and there are 36 samples to train on"):
        run(tmp_path / "a.json", data, "--start", "scratch", batch_size=64)


def test_real_small_images(shared_data, tmp_path):
    tiny = shared_data / "tiny_imagenet10"
    data = {"kind": "table", "path": str(tiny / "images"), "table": str(tiny / "labels.csv"), "hold_out": 0.1}
    data |= {"classes": ["lemon", "school bus", "African elephant"]}
    measured = run(tmp_path / "a.json", data, "--start", "scratch", layers=["layer1"], crop=64, iterations=20)
    assert measured.result.rows[0].value > 50
    assert measured.result.rows[0].dataset == "tiny_imagenet10"
