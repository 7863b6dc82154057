"""From an experiment to the model that is used where none is given."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from common_fate.datasets.catalog import write_catalog
from common_fate.errors import UserError
from common_fate.shards.record import file_sha256
from pipeline.sources.synthetic import SOURCE, SyntheticOptions
from trainers.data.split import Split
from trainers.engine.options import build
from trainers.evaluations.result import Measurement, Result, Row, write_result
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions
from trainers.models import ship_model as room
from trainers.models.saving import load_model, save_model
from trainers.models.ship_model import ship_model

MACHINE = "two cores of a x86-64 machine, no GPU"
OPTIONS = build(
    CMPOptions,
    {
        "model": {"encoder": "resnet18_c4", "decoder": "skip", "width": 8},
        "loss": {"bins": 9},
        "transforms": {"crop": 64},
    },
)


def experiment(results: Path, name: str, start: str | None = None) -> Path:
    """What training and evaluating left, with random weights."""
    folder = results / "experiments" / name
    torch.manual_seed(len(name))
    save_model(folder / "model.safetensors", CMPNet(OPTIONS.model, OPTIONS.loss), METHOD, OPTIONS, Split(0.1))
    trained = {"method": "cmp", "options": {}, "iterations": 30, "batch_size": 2, "samples": 4, "videos": 2}
    trained |= {"datasets": [str(results / "made/shards/cmp")], "device": "CPU", "seconds": 9.5, "start": start}
    (folder / "train.json").write_text(json.dumps(trained))
    result = Result((Row("made", "epe", 1.5, "px", "lower", 4, "", {"nearest guidance point": 2.0}),))
    measured = Measurement("propagation", 1, name, "model", {}, "all", ("results/made/shards/cmp",), result, 3.0)
    write_result(folder / "evaluations/propagation/model.json", measured)
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_catalog(tmp_path / "results/made/catalog.parquet", SOURCE.videos(SyntheticOptions(videos=2, seed=7), ""))
    return tmp_path / "results"


def test_the_model_is_the_same_in_half_the_bytes_and_says_what_it_came_from(results: Path, tmp_path: Path):
    first = experiment(results, "first")
    last = experiment(results, "last", file_sha256(first / "model.safetensors"))
    to = tmp_path / "cmp.safetensors"
    record = ship_model([first, last], "propagation", MACHINE, to)
    assert json.loads(to.with_suffix(".json").read_text()) == record
    assert (record["sha256"], record["bytes"]) == (file_sha256(to), to.stat().st_size)
    assert [one["experiment"] for one in record["trained"]] == ["first", "last"]
    assert "seed=7" in record["trained"][0]["data"][0]["rendered"][0]
    assert record["quality"]["rows"][0]["baselines"] == {"nearest guidance point": 2.0}
    assert str(tmp_path) not in json.dumps(record)
    given, kept = load_model(last / "model.safetensors"), load_model(to)
    assert kept.options == given.options
    assert not any("num_batches_tracked" in name for name in load_file(to))
    for name, weight in given.net.state_dict().items():
        if weight.dtype == torch.float32:
            assert torch.equal(kept.net.state_dict()[name], weight.half().float())
    assert to.stat().st_size < 0.6 * (last / "model.safetensors").stat().st_size


def test_later_training_goes_on_from_what_ships(results: Path, tmp_path: Path):
    to = tmp_path / "cmp.safetensors"
    ship_model([experiment(results, "one")], "propagation", MACHINE, to)
    again = experiment(results, "again", file_sha256(to))
    record = ship_model([again], "propagation", MACHINE, to)
    assert [one["experiment"] for one in record["trained"]] == ["one", "again"]


def test_what_cannot_ship_is_one_line_and_leaves_nothing(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, to = experiment(results, "one"), tmp_path / "cmp.safetensors"
    with pytest.raises(UserError, match=r"annotation/model\.json: .*run the evaluation first"):
        ship_model([folder], "annotation", MACHINE, to)
    monkeypatch.setattr(room, "MAX_BYTES", 1000)
    with pytest.raises(UserError, match="bytes to ship: at most 1,000"):
        ship_model([folder], "propagation", MACHINE, to)
    path = folder / "model.safetensors"
    weights = load_file(path) | {"reduce.bias": torch.full((256,), 1e6)}
    about = json.dumps({"method": "cmp", "options": {}})
    save_file(weights, path, {"about": about})
    with pytest.raises(UserError, match=r"reduce\.bias has weights that are too large for 16 bits"):
        ship_model([folder], "propagation", MACHINE, to)
    assert not list(tmp_path.glob("cmp.*"))
