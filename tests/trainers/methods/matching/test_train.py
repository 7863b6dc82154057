"""Deep matching from the encoder of another experiment, and on every kind of pairs: trained, measured, and as flow."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from common_fate.errors import UserError
from pipeline.columns.flow import create_estimator
from tests.trainers.methods.matching.moved import write_view
from trainers.data.split import Split
from trainers.engine.options import Machine, build
from trainers.engine.train import train
from trainers.evaluations.correspondence.evaluation import CorrespondenceOptions
from trainers.evaluations.correspondence.run import run
from trainers.evaluations.job import Job
from trainers.methods.matching.method import METHOD
from trainers.methods.matching.options import VIEWS, MatchingOptions
from trainers.methods.matching.task import Matching
from trainers.models.encoders import load_encoder
from trainers.models.saving import create_network, load_model, load_start, save_model
from trainers.models.weights_file import extract_encoder
from trainers.registry import METHODS

SPLIT = Split(0.3)
SMALL: dict[str, Any] = {
    "pyramid": {"levels": 2, "radius": 8, "alpha": 4, "beta": 2, "delta": 4},
    "transforms": {"shorter_side": None, "crop": 40},
    "training": {"iterations": 4, "learning_rate": 1e-3, "validate_every": 2, "checkpoint_every": 4},
}
ENCODER = {"descriptor": {"name": "encoder", "encoder": "resnet18", "layer": "layer1"}}


def trained(folder: Path, view: Path, start: Path | None = None, **options: Any) -> Path:
    made = build(MatchingOptions, SMALL | options)
    train(METHOD, [view], [], made, SPLIT, folder, Machine(workers=0, threads=1), start=start)
    return folder / "model.safetensors"


def similar(path: Path, encoder: str = "resnet18") -> Path:
    """The network of an experiment of another method, with statistics of its own."""
    method = METHODS["similarity"]
    options = build(method.options, {"model": {"encoder": encoder, "layers": ["conv1"]}})
    net = create_network(method, options)
    for name, buffer in net.encoder.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.add_(0.1)
    save_model(path, net, method, options, SPLIT)
    return path


def test_an_encoder_of_another_experiment_describes_is_trained_measured_and_estimates_flow(tmp_path: Path):
    view = write_view(tmp_path / "results/made/shards/flow", "flow")
    start = similar(tmp_path / "similar.safetensors")
    model = trained(tmp_path / "one", view, start, **ENCODER)

    before = load_model(start).net.encoder.state_dict()
    net = load_model(model).net
    after = net.encoder.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert {name.partition(".")[0] for name in changed} == {"conv1", "bn1", "layer1"}
    assert not any("running" in name or "num_batches" in name for name in changed)

    extract_encoder(model, tmp_path / "encoder.safetensors")
    again = load_encoder(tmp_path / "encoder.safetensors", "resnet18").state_dict()
    assert all(torch.equal(after[name], again[name]) for name in after)

    options = build(MatchingOptions, SMALL | ENCODER)
    machine, given = Machine(workers=0), CorrespondenceOptions(pictured=0)
    job = Job("one", "matching", options, "model", model, given, (str(view),), "all", 0.3, tmp_path, machine)
    rows = {(row.metric, row.subset): row for row in run(job).rows}
    assert rows["acc@5", ""].value > 60

    frames = np.random.default_rng(0).random((1, 2, 3, 40, 48), np.float32)
    flow = create_estimator(f"network:{model}")(np.concatenate([frames[:, :1], frames[:, :1]], 1))
    assert flow.shape == (1, 2, 40, 48)
    assert np.median(abs(flow)) < 0.1


@pytest.mark.parametrize("pairs", VIEWS)
def test_every_kind_of_pairs_teaches(tmp_path: Path, pairs: str):
    view = write_view(tmp_path / "view", VIEWS[pairs])
    model = trained(tmp_path / "one", view, pairs=pairs, descriptor={"widths": [4, 8]})
    rows = list(csv.DictReader((tmp_path / "one/curves.csv").open()))
    assert all(float(row["loss"]) > 0 for row in rows)
    assert float(rows[-1]["validation.accuracy_10"]) > 0.3
    start = Matching(build(MatchingOptions, SMALL | {"descriptor": {"widths": [4, 8]}})).net.exponents
    assert not torch.equal(load_model(model).net.exponents, start)


def test_a_pair_by_warp_is_where_the_flow_says():
    options = build(MatchingOptions, SMALL | {"pairs": "warp", "warp": {"margin": 4}})
    image = torch.linspace(0, 1, 60).expand(3, 50, 60) + torch.linspace(0, 1, 50)[:, None]
    sample = {"key": "a-000000", "epoch": 3, "image": image.contiguous() / 2}
    made = Matching(options).samples(train=True)(sample)
    assert made["frames"].shape == (2, 3, 32, 32)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    place = torch.stack([x, y], -1) + made["flow"].permute(1, 2, 0)
    there = torch.nn.functional.grid_sample(made["frames"][1:], (2 * place / 31 - 1)[None], align_corners=True)[0]
    inner = made["valid"] & ((place > 1) & (place < 30)).all(-1)
    assert inner.float().mean() > 0.3
    assert (there - made["frames"][0])[:, inner].abs().median() < 0.01
    again, centred = Matching(options).samples(train=True)(sample), Matching(options).samples(train=False)(sample)
    assert torch.equal(made["flow"], again["flow"])
    assert not torch.equal(made["flow"], centred["flow"])


def test_a_checkpoint_of_torchvision_s_is_a_start(tmp_path: Path):
    published = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(published, tmp_path / "resnet18.pth")
    options = build(MatchingOptions, SMALL | ENCODER)
    net = Matching.network(options)
    load_start(tmp_path / "resnet18.pth", net, METHOD, options)
    found = net.encoder.state_dict()
    assert all(torch.equal(found[name], published[name]) for name in found)


def test_a_start_of_another_encoder_is_refused(tmp_path: Path):
    view = write_view(tmp_path / "view", "flow")
    start = similar(tmp_path / "similar.safetensors", "resnet34")
    with pytest.raises(UserError, match="its image encoder is resnet34, and this experiment's is resnet18"):
        trained(tmp_path / "one", view, start, **ENCODER)
    with pytest.raises(UserError, match="not a model of matching, which here has no image encoder"):
        trained(tmp_path / "two", view, start)
