"""Fine-tuning end to end, on images whose classes are colours."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from typer.testing import CliRunner

from common_fate.errors import UserError
from trainers.cli import app
from trainers.data.split import Split
from trainers.engine.checkpoints import read_checkpoint
from trainers.engine.options import Machine
from trainers.evaluations import start
from trainers.evaluations.job import Job
from trainers.evaluations.options import evaluation_options
from trainers.evaluations.result import read_result
from trainers.evaluations.segmentation.evaluation import EVALUATION
from trainers.evaluations.segmentation.run import create_segmenter
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.options import ModelOptions
from trainers.models import saving
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


def run(to, data, *more, frozen=False, **training):
    options = {
        "data": data,
        "frozen": frozen,
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


def test_frozen_features_stay_as_they_are_and_their_head_learns(data, tmp_path):
    torch.manual_seed(0)
    encoder = create_encoder("resnet18")
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    to = tmp_path / "evaluations/frozen/encoder.json"
    measured = run(to, data, "--weights", str(tmp_path / "encoder.safetensors"), frozen=True)
    assert measured.result.rows[0].value > 40, "one class everywhere would have less than a third"
    assert "frozen" in measured.result.note
    (kept,) = (to.parent / "runs").iterdir()
    state = {name.removeprefix("net."): tensor for name, tensor in read_checkpoint(kept)["task"].items()}
    features = {name.removeprefix("features.net."): one for name, one in state.items() if "features." in name}
    assert features.keys() == encoder.state_dict().keys()
    for name, tensor in encoder.state_dict().items():  # weights, and the statistics of normalisations
        assert torch.equal(features[name], tensor), name
    torch.manual_seed(0)  # of training
    fresh = DeepLabHead(512, 4, (12, 24, 36)).state_dict()
    assert state.keys() == {f"features.net.{name}" for name in features} | {f"head.{name}" for name in fresh}
    assert not any(torch.equal(state[f"head.{name}"], fresh[name]) for name in fresh if name.endswith("weight"))


def test_frozen_features_may_be_an_embedding_or_of_a_stride(data, tmp_path, monkeypatch):
    options = METHOD.options(model=ModelOptions(encoder="resnet18"))
    net = create_network(METHOD, options).eval()
    monkeypatch.setattr(type(net), "embed", lambda net, images: net.encoder(images)[4][:, :5], raising=False)
    for module in (start, saving):
        monkeypatch.setitem(module.METHODS, "cmp", dataclasses.replace(METHOD, embeds=True))
    save_model(tmp_path / "model.safetensors", net, METHOD, options, Split())
    save_encoder(tmp_path / "encoder.safetensors", net.encoder)

    def segmenter(weights, **more):
        chosen = evaluation_options(EVALUATION, "resnet18", {"data": data, "frozen": True, **more})
        job = Job("mine", "cmp", options, "model", weights, chosen, (), "all", 0, tmp_path, Machine())
        return create_segmenter(job)

    image = torch.rand(1, 3, 64, 72)
    with torch.no_grad():
        embedded = segmenter(tmp_path / "model.safetensors")
        assert torch.equal(embedded.features(image), net.embed(image))
        assert embedded.stride == 4
        assert embedded.train()(torch.rand(2, 3, 37, 50)).shape == (2, 4, 37, 50)
        random = segmenter(None)  # as training starts, which is what was saved here
        assert torch.equal(random.features(image), net.embed(image))
        halved = segmenter(tmp_path / "model.safetensors", stride=2)
        assert torch.equal(halved.features(image), net.encoder(image)[2])
        theirs = segmenter(tmp_path / "encoder.safetensors")
        assert torch.equal(theirs.features(image), net.encoder(image)[8])
    with pytest.raises(UserError, match="resnet18 has no features at stride 3: should be one of 2, 4, 8"):
        segmenter(tmp_path / "encoder.safetensors", stride=3)


def test_a_head_on_hypercolumns_may_stand_on_published_strides(data, tmp_path):
    encoder = create_encoder("resnet18")
    save_encoder(tmp_path / "encoder.safetensors", encoder)

    def segmenter(weights, strided):
        head = {"head": "hypercolumn", "hypercolumn": {"strided": strided}}
        options = evaluation_options(EVALUATION, "resnet18", {"data": data, **head})
        method = METHOD.options(model=ModelOptions(encoder="resnet18"))
        job = Job("mine", "cmp", method, "encoder", weights, options, (), "all", 0, tmp_path, Machine())
        return create_segmenter(job)

    found = {one: segmenter(tmp_path / "encoder.safetensors", one) for one in (False, True)}
    assert [layer.stride for layer in found[False].encoder.layers.values()] == [2, 4, 8, 8, 8]
    assert [layer.stride for layer in found[True].encoder.layers.values()] == [2, 4, 8, 16, 32]
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(found[True].encoder.state_dict()[name], tensor), name
    random = {one: segmenter(None, one).state_dict() for one in (False, True)}
    assert all(torch.equal(tensor, random[True][name]) for name, tensor in random[False].items())
    with pytest.raises(
        ValueError, match=r"hypercolumn\.strided is for resnet18, resnet34, resnet50, and not for vgg16"
    ):
        evaluation_options(EVALUATION, "vgg16", {"data": data, "head": "hypercolumn", "hypercolumn": {"strided": True}})


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
