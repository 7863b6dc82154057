"""From an experiment to the weights that ship: what is in the file and in its record, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from common_fate.datasets.catalog import Video, write_catalog
from common_fate.errors import UserError
from common_fate.shards.record import file_sha256
from pipeline.columns.flow import create_estimator
from pipeline.sources.synthetic import SOURCE, SyntheticOptions
from trainers.data.split import Split
from trainers.engine.options import build
from trainers.evaluations.result import Measurement, Result, Row, write_result
from trainers.methods.selflow.method import METHOD
from trainers.methods.selflow.options import SelFlowOptions
from trainers.methods.selflow.task import SelFlow
from trainers.models import shipping
from trainers.models.saving import load_start, save_model
from trainers.models.shipping import ship_flow

MACHINE = "two cores of a x86-64 machine, no GPU"
RENDERED = SyntheticOptions(videos=2, frames=3, seed=7)


def experiment(results: Path, name: str, dataset: str, **facts: Any) -> Path:
    """What training on a dataset and evaluating left, with random weights."""
    folder = results / "experiments" / name
    options = build(SelFlowOptions, {"network": {"name": "small", "frames": 2}, "transforms": {"crop": 64}})
    torch.manual_seed(len(name))
    save_model(folder / "model.safetensors", SelFlow.network(options), METHOD, options, Split(0.1))
    trained = {"method": "selflow", "options": {"network": {"name": "small"}}, "iterations": 30, "batch_size": 2}
    trained |= {"datasets": [str(results / dataset / "shards/flow")], "samples": 4, "videos": 2}
    trained |= {"device": "CPU", "seconds": 9.5, "start": None}
    (folder / "train.json").write_text(json.dumps(trained | facts))
    rows = (Row("made", "epe", 1.5, "px", "lower", 4, "", {"DIS medium": 2.0}),)
    result = Result(rows, about={"seconds_a_pair": {"made": {"network": 0.1}}})
    measured = Measurement("flow", 1, name, "model", {}, "held out", ("results/made/shards/flow",), result, 3.0)
    write_result(folder / "evaluations/flow/model.json", measured)
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    write_catalog(results / "made/catalog.parquet", SOURCE.videos(RENDERED, ""))
    films = [Video(name, "videos", f"/secret/{name}.mp4", "CC0-1.0") for name in ("a", "b")]
    write_catalog(results / "films/catalog.parquet", [*films, Video("c", "videos", "/secret/c.mp4")])
    return results


def test_the_record_says_what_the_weights_came_from(results: Path, tmp_path: Path):
    first = experiment(results, "first", "made")
    last = experiment(results, "last", "films", start=file_sha256(first / "model.safetensors"))
    to = tmp_path / "flow.safetensors"
    ship_flow([first, last], MACHINE, to)
    record = json.loads(to.with_suffix(".json").read_text())
    assert (record["sha256"], record["bytes"]) == (file_sha256(to), to.stat().st_size)
    assert record["network"] == {"name": "small", "options": {}, "frames": 2}
    assert record["machine"] == MACHINE
    assert [one["experiment"] for one in record["trained"]] == ["first", "last"]
    [made], [films] = (one["data"] for one in record["trained"])
    assert made["kinds"] == ["synthetic"]
    assert "seed=7" in made["rendered"][0]
    assert films["licences"] == {"CC0-1.0": 2, "not known": 1}
    assert (record["trained"][0]["iterations"], record["trained"][0]["device"]) == (30, "CPU")
    assert record["quality"]["rows"][0] | {"samples": 4, "better": "lower"} == record["quality"]["rows"][0]
    assert (record["quality"]["rows"][0]["value"], record["quality"]["videos"]) == (1.5, "held out")
    assert "/secret" not in json.dumps(record)
    assert str(tmp_path) not in json.dumps(record)
    before = to.read_bytes(), to.with_suffix(".json").read_bytes()
    ship_flow([first, last], MACHINE, to)
    assert (to.read_bytes(), to.with_suffix(".json").read_bytes()) == before


def test_the_file_has_the_weights_in_half_the_bytes_and_estimates_the_same(results: Path, tmp_path: Path):
    folder, to = experiment(results, "one", "made"), tmp_path / "flow.safetensors"
    record = ship_flow([folder], MACHINE, to)
    given, kept = load_file(folder / "model.safetensors"), load_file(to)
    assert given.keys() == kept.keys()
    for name, weight in given.items():
        np.testing.assert_array_equal(kept[name], weight.astype(np.float16))
    assert to.stat().st_size < 0.6 * (folder / "model.safetensors").stat().st_size
    frames = np.random.default_rng(0).random((1, 2, 3, 64, 64), np.float32)
    estimates = [
        create_estimator(f"network:{path}", refinement=0)(frames) for path in (folder / "model.safetensors", to)
    ]
    assert 0 < np.abs(estimates[0] - estimates[1]).max() < 0.05
    assert 0 < record["rounding"]["mean"] <= record["rounding"]["largest"]


def test_a_later_training_goes_on_from_the_weights_that_ship_and_from_their_record(results: Path, tmp_path: Path):
    to = tmp_path / "flow.safetensors"
    ship_flow([experiment(results, "one", "made")], MACHINE, to)
    shipped = file_sha256(to)
    options = build(SelFlowOptions, {"network": {"name": "small", "frames": 2}, "transforms": {"crop": 64}})
    net = SelFlow.network(options)
    load_start(to, net, METHOD, options)
    for name, weight in load_file(to).items():
        np.testing.assert_array_equal(net.state_dict()[name].numpy(), weight.astype(np.float32))
    other = build(SelFlowOptions, {"network": {"name": "liteflownet", "frames": 2}, "transforms": {"crop": 64}})
    with pytest.raises(UserError, match="not a model of selflow"):
        load_start(to, SelFlow.network(other), METHOD, other)
    again = experiment(results, "again", "films", start=shipped)
    record = ship_flow([again], MACHINE, to)
    assert [one["experiment"] for one in record["trained"]] == ["one", "again"]
    assert json.loads(to.with_suffix(".json").read_text()) == record


def test_an_experiment_that_started_from_something_else_is_refused(results: Path, tmp_path: Path):
    first, last = (experiment(results, name, "made") for name in ("first", "second"))
    with pytest.raises(UserError, match="second: did not start from the experiment that is named before it"):
        ship_flow([first, last], MACHINE, tmp_path / "flow.safetensors")
    unknown = experiment(results, "unknown", "made", start="0" * 64)
    with pytest.raises(UserError, match=r"started from weights that are not .*flow\.safetensors: name what they"):
        ship_flow([unknown], MACHINE, tmp_path / "flow.safetensors")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "evaluations/flow/model.json").unlink(), r"model\.json: .*run the evaluation first"),
        (lambda folder: (folder / "train.json").write_text("{}"), r"train\.json: not what a training writes: KeyError"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "no flow network can be made of it"),
        (
            lambda folder: (folder.parents[1] / "made/catalog.parquet").unlink(),
            "is missing: weights ship with a record of whose videos trained them",
        ),
    ],
)
def test_what_is_missing_is_one_line_and_nothing_is_written(results: Path, tmp_path: Path, spoil: Any, says: str):
    folder = experiment(results, "one", "made")
    spoil(folder)
    with pytest.raises(UserError, match=says):
        ship_flow([folder], MACHINE, tmp_path / "flow.safetensors")
    assert not list(tmp_path.glob("flow.*"))


def test_what_would_be_too_large_or_not_the_same_flow_is_refused(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, to = experiment(results, "one", "made"), tmp_path / "flow.safetensors"
    monkeypatch.setattr(shipping, "MOST_ROUNDING", 0.0)
    with pytest.raises(UserError, match=r"16 bits change its flow by .* px on average: too much to ship"):
        ship_flow([folder], MACHINE, to)
    monkeypatch.setattr(shipping, "MAX_SHIPPED_BYTES", 1000)
    with pytest.raises(UserError, match="bytes to ship: at most 1,000"):
        ship_flow([folder], MACHINE, to)
    assert not to.exists()
