"""The estimator `network`: the weights that come with the project, and what is said where there are none."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from common_fate.errors import UserError
from common_fate.shards.column import Shard
from common_fate.shards.record import file_sha256
from pipeline.cli import app
from pipeline.columns.flow import FlowOptions, create_estimator, estimator_families
from pipeline.columns.flow.estimator_families import MAX_SHIPPED_BYTES, SHIPPED
from pipeline.columns.flow.networks import create_network
from pipeline.columns.flow.networks.trained_file import read_about
from pipeline.columns.flow.stage import STAGE
from pipeline.config.load import load

DATASET: dict[str, Any] = {"source": {"kind": "synthetic", "videos": 1, "frames": 3, "height": 64, "width": 96}}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights where the project's would be, kept in 16 bits as those are."""
    path = tmp_path / "flow.safetensors"
    torch.manual_seed(0)
    weights = {name: weight.half() for name, weight in create_network("small", {}).state_dict().items()}
    save_file(weights, path, metadata={"about": json.dumps({"flow_network": {"name": "small", "frames": 2}})})
    monkeypatch.setattr(estimator_families, "SHIPPED", path)
    create_estimator.cache_clear()
    return path


def command(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> None:
    """`python -m pipeline`, within this process."""
    monkeypatch.setattr(sys, "argv", ["pipeline", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert not ended.value.code


def test_without_weights_a_plan_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(estimator_families, "SHIPPED", tmp_path / "flow.safetensors")
    says = (
        r"the estimator 'network' takes the weights that come with this project, and none are in this copy: use 'dis'"
    )
    with pytest.raises(UserError, match=rf"^config\.yaml: datasets\.x\.flow\.estimator: {says}") as raised:
        load({"datasets": {"x": DATASET | {"flow": {"estimator": "network"}}}})
    assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match=says):
        create_estimator("network")


def test_the_command_makes_flow_with_them_and_the_record_names_their_sha256(
    shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    data, tar = tmp_path / "x", "000000.tar"
    command(monkeypatch, "catalog", data, "--source", json.dumps(DATASET["source"]))
    command(monkeypatch, "frames", data / "plan.json", "--to", data / "frames" / tar)
    command(
        *(monkeypatch, "flow", data / "frames" / tar, "--to", data / "flow" / tar),
        *("--options", '{"estimator": "network", "refinement": 0, "scales": 1}'),
    )
    with Shard(data / "flow" / tar) as flow, Shard(data / "frames" / tar) as frames:
        assert flow.record.options["estimator"] == "network"
        assert flow.record.provenance["checkpoint_sha256"] == file_sha256(shipped)
        assert str(tmp_path) not in json.dumps(vars(flow.record))
        first, second, _ = frames
        key, _ = flow
        pair = [frames[name]["jpg"].transpose(2, 0, 1) for name in (first, second)]
        network = create_network("small", {})
        network.load_state_dict({name: weight.float() for name, weight in load_file(shipped).items()})
        with torch.inference_mode():
            expected = network.eval()(torch.from_numpy(np.stack(pair)[None]).float() / 255)[0].numpy()
        np.testing.assert_allclose(flow[key]["flow.b2"], expected, atol=1 / 64)


def test_a_plan_takes_them_and_other_weights_are_seen(shipped: Path):
    [dataset] = load({"datasets": {"x": DATASET | {"flow": {"estimator": "network"}}}}).values()
    assert dataset.weights("flow") == (shipped,)  # whose digest is in the rule's parameters
    options = FlowOptions(estimator="network")
    assert (STAGE.neighbours(options), STAGE.gpu(options)) == (("next",), True)
    with pytest.raises(ValueError, match="preset is not for the estimator 'network'"):
        FlowOptions(estimator="network", preset="fast")


def test_what_ships_is_small_and_its_record_says_how_it_came_about():
    record = json.loads(SHIPPED.with_suffix(".json").read_text())
    assert SHIPPED.stat().st_size <= MAX_SHIPPED_BYTES
    assert record["sha256"] == file_sha256(SHIPPED)
    network = read_about(SHIPPED)
    assert record["network"] == {"name": network.name, "options": network.options, "frames": network.frames}
    assert record["machine"]
    for trained in record["trained"]:
        assert trained["iterations"] > 0
        assert trained["options"]["network"]["name"] == network.name
        assert trained["data"]
        assert all(data["licences"] for data in trained["data"])
    rows = {(row["metric"], row["subset"]) for row in record["quality"]["rows"]}
    assert {("epe", ""), ("epe", "occluded"), ("Fl", "")} <= rows
    assert all(row["value"] is not None and "DIS medium" in row["baselines"] for row in record["quality"]["rows"])
    assert record["rounding"]["mean"] <= 0.01
    create_estimator.cache_clear()
    assert np.isfinite(create_estimator("network")(np.zeros((1, network.frames, 3, 64, 64), np.float32))).all()
