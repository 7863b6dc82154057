"""Kernels by their command, on a small view: the alignment, and the pictures."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from common_fate.errors import UserError
from common_fate.torch.dataset import ShardDataset
from tests.support.small_view import make_view
from trainers.cli import app
from trainers.engine.options import build
from trainers.evaluations.kernels.neurons import favourites, last_convolution, variation
from trainers.evaluations.kernels.pictures import Seen, chosen
from trainers.evaluations.result import read_result
from trainers.methods.similarity.kernels import embedding_kernel, flow_kernel, normalised_flow
from trainers.methods.similarity.method import METHOD
from trainers.methods.similarity.options import SimilarityOptions
from trainers.methods.similarity.samples import SimilarityTransform
from trainers.models.encoders import create_encoder
from trainers.models.saving import create_network

OPTIONS = {
    "view": "cmp",
    "model": {"encoder": "resnet18", "hidden": 8},
    "loss": {"pixels": 40},
    "transforms": {"shorter_side": None, "crop": 24},
}
FEW = {"pictured": 2, "neurons": 3, "steps": 2, "side": 32}


def run(to, *words, method="similarity", of=OPTIONS, **options):
    more = ("--method", method, "--method-options", json.dumps(of), "--start", "scratch", "--workers", "0")
    words = ["evaluate", "kernels", *map(str, words), "--to", str(to), "--options", json.dumps(options), *more]
    outcome = CliRunner().invoke(app, [*words, "--threads", "1"])
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


def test_alignment_is_measured_and_pictures_are_drawn(tmp_path):
    view = make_view(tmp_path / "results/made/shards/cmp")
    measured = run(tmp_path / "first/a.json", view.folder, "--side", "all", **FEW)
    options = build(SimilarityOptions, OPTIONS)
    net, transform = create_network(METHOD, options).eval(), SimilarityTransform(options, train=False)
    samples, found = ShardDataset(view.folder, transform, members=transform.needs), []
    for index in range(len(samples)):
        sample = samples[index]
        counted = sample["counted"]
        with torch.no_grad():
            mine = embedding_kernel(net(sample["image"][None], sample["points"][None])[0][counted]).double().numpy()
        flow = normalised_flow(sample["flow"][counted], options.loss.limit)
        theirs = flow_kernel(flow, options.loss.variance).double().numpy()
        ones = np.ones_like(theirs)
        found.append([(one * theirs).sum() / np.sqrt((one**2).sum() * (theirs**2).sum()) for one in (mine, ones)])
    row, related = measured.result.rows
    assert (row.dataset, row.metric, row.better, row.samples) == ("made", "alignment", "higher", 22)
    assert [row.value, row.baselines["all alike"]] == pytest.approx(np.mean(found, axis=0).tolist(), abs=1e-4)
    assert (related.metric, related.samples) == ("correlation", 22)
    assert -1 < related.value < 1
    assert [picture.name for picture in measured.result.pictures] == ["embeddings", "kernels", "neurons"]
    for picture in measured.result.pictures:
        drawn = np.asarray(Image.open(io.BytesIO(picture.png)))
        assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 100
    assert run(tmp_path / "again/a.json", view.folder, "--side", "all", **FEW).result == measured.result


def test_pixels_are_one_that_moves_as_most_and_one_that_does_not():
    moved = np.zeros((6, 8, 2), np.float32)
    moved[2:4, 3:6] = 0.5
    known = np.ones((6, 8), bool)
    known[0] = False
    image = np.zeros((24, 32, 3), np.float32)
    one = Seen("key", image, np.zeros((2, 24, 32)), known, np.zeros((6, 8, 16)), moved, known)
    near, _, far = chosen(one)
    assert moved[near].tolist() == [0, 0]
    assert moved[far].tolist() == [0.5, 0.5]
    none = np.zeros((6, 8), bool)
    assert chosen(Seen("key", image, np.zeros((2, 24, 32)), none, np.zeros((6, 8, 16)), moved, none)) == []


def test_pictures_of_neurons_make_them_more_active_and_are_the_same_again():
    torch.manual_seed(0)
    encoder = create_encoder("resnet18").eval()
    assert last_convolution(encoder) == "layer4"
    assert last_convolution(create_encoder("alexnet_torchvision")) == "conv5"
    few, many = (favourites(encoder, "layer1", [1, 5], steps, 32, seed=0) for steps in (1, 12))
    active = [encoder.activations(one, ["layer1"])["layer1"][[0, 1], [1, 5]].mean(dim=(1, 2)) for one in (few, many)]
    assert (active[1] > active[0]).all()
    assert torch.equal(many, favourites(encoder, "layer1", [1, 5], 12, 32, seed=0))
    assert many.min() >= 0
    assert many.max() <= 1
    assert variation(torch.zeros(1, 3, 8, 8)).item() == 0


def test_what_has_no_kernels_is_refused(tmp_path):
    view = make_view(tmp_path / "results/made/shards/cmp", counts=(2,))
    with pytest.raises(UserError, match="kernels"):
        run(tmp_path / "a.json", view.folder, method="cmp", of={})
    with pytest.raises(UserError, match="steps is 0: from 1 to 10000"):
        run(tmp_path / "a.json", view.folder, steps=0)
