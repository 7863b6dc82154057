"""Networks that were trained here as estimators: `network:PATH`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file as save_arrays

from common_fate.errors import UserError
from pipeline.columns.flow import FlowOptions, create_estimator
from pipeline.columns.flow.estimator_families import check_estimator, scales_of
from pipeline.columns.flow.networks import NETWORKS
from pipeline.columns.flow.networks.trained_file import FlowNetwork, read_about
from pipeline.columns.flow.stage import STAGE
from pipeline.config.load import load
from pipeline.stages.stage import Failure

SCALED = "tests.pipeline.columns.flow.scaled_network:scaled"
"""A network of one weight over two frames or three, which stands for those that methods bring."""


@pytest.fixture(autouse=True)
def scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "scaled", SCALED)


def about(frames: int = 2, name: str = "scaled", **more: Any) -> dict[str, Any]:
    return {"flow_network": {"name": name, "frames": frames} | more}


def saved(path: Path, what: dict[str, Any], weights: dict[str, np.ndarray] | None = None) -> Path:
    """A model.safetensors as a trainer writes it."""
    weights = {"scale": np.array([3], np.float32)} if weights is None else weights
    save_arrays(weights, path, metadata={"about": json.dumps(what)})
    return path


def network(path: Path) -> str:
    return f"network:{path}"


def frames(count: int, batch: int = 2, height: int = 33, width: int = 50) -> np.ndarray:
    return np.random.default_rng(0).random((batch, count, 3, height, width), np.float32)


@pytest.mark.parametrize("count", [2, 3])
def test_a_network_gets_two_frames_or_three_padded_to_its_stride(tmp_path: Path, count: int):
    path = saved(tmp_path / "model.safetensors", about(count, options={"stride": 16}))
    batch = frames(count)
    flow = create_estimator(network(path), refinement=0)(batch)
    assert (flow.dtype, flow.shape) == (np.float32, (2, 2, 33, 50))
    # u: the weight times red of the first frame less that of the last; v: the number of frames.
    np.testing.assert_allclose(flow[:, 0], 3 * (batch[:, 0, 0] - batch[:, -1, 0]), rtol=1e-6)
    assert (flow[:, 1] == count).all()


def test_weights_may_stand_under_a_prefix_beside_others(tmp_path: Path):
    weights = {"net.flow.scale": np.array([2], np.float32), "net.other.bias": np.zeros(5, np.float32)}
    path = saved(tmp_path / "model.safetensors", about(prefix="net.flow."), weights)
    batch = frames(2)
    found = create_estimator(network(path), refinement=0)(batch)[:, 0]
    np.testing.assert_allclose(found, 2 * (batch[:, 0, 0] - batch[:, 1, 0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("what", "weights", "says"),
    [
        ({"method": "cmp"}, None, "it says of no flow network, and so is of a method that trains none"),
        ({"flow_network": {"name": "scaled"}}, None, "no flow network can be made of it: .*frames"),
        (about(4), None, "frames is 4: a flow network reads 2, or 3"),
        (
            about(name="os.system"),
            None,
            "there is no network 'os.system': it is of liteflownet, matching, ptlflow, selflow, small, scaled",
        ),
        (about(options=[1]), None, "options is a mapping"),
        (about(more=1), None, "more"),
        (about(options={"strid": 8}), None, "the network scaled cannot be made with {'strid': 8}"),
        (about(), {}, r"1 differ, the first is scale: none in the file, \(1,\) in the network"),
        (about(), {"scale": np.zeros(2, np.float32)}, r"scale: \(2,\) in the file, \(1,\) in the network"),
        (about(), {"scale": np.zeros(1), "more": np.zeros(1)}, r"more: \(1,\) in the file, none in the network"),
        (about(prefix="net."), None, r"the first is net\.scale: none in the file"),
    ],
)
def test_what_is_no_flow_network_of_ours_is_one_line(tmp_path: Path, what: Any, weights: Any, says: str):
    path = saved(tmp_path / "model.safetensors", what, weights)
    with pytest.raises(UserError, match=says) as raised:
        check_estimator(network(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"no weights", bytes(8), b"\xff" * 64, (2**60).to_bytes(8, "little")])
def test_a_file_that_is_no_safetensors_is_one_line(tmp_path: Path, content: bytes):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors: no flow network can be made of it"):
        read_about(tmp_path / "model.safetensors")


def test_a_network_that_is_not_trained_yet_is_said_where_it_is_needed(tmp_path: Path):
    options = FlowOptions(estimator=network(tmp_path / "model.safetensors"))
    assert STAGE.neighbours(options) == ("next",)  # a plan may be made before
    for use in (STAGE.provenance, lambda options: STAGE.run(iter(()), options)):
        with pytest.raises(UserError, match="there is no such file: train the experiment first, or name another"):
            use(options)


def test_the_stage_reads_as_many_frames_as_its_network(tmp_path: Path):
    path = saved(tmp_path / "model.safetensors", about(3))
    options = FlowOptions(estimator=network(path))
    assert STAGE.neighbours(options) == ("previous", "next")
    assert (STAGE.weights(options), STAGE.gpu(options)) == ((path,), True)
    pictures = {name: np.full((32, 40, 3), value, np.uint8) for name, value in (("jpg", 9), ("next.jpg", 51))}
    sample = {**pictures, "previous.jpg": np.full((32, 40, 3), 102, np.uint8), "json": {"next": 2, "previous": 0}}
    uneven = {**sample, "previous.jpg": np.zeros((32, 41, 3), np.uint8)}
    (key, made), failed = STAGE.run(iter([("v-000001", sample), ("v-000002", uneven)]), options)
    assert (key, made["json"]["next"]) == ("v-000001", 2)
    assert made["json"]["magnitude_mean"] == pytest.approx(np.hypot(3 * 0.2, 3), abs=1e-3)  # 102 to 51 of 255
    assert failed == Failure("v-000002", "the frames differ in size: 40x32 and 41x32")


def test_three_frames_do_not_look_back(tmp_path: Path):
    path = saved(tmp_path / "model.safetensors", about(3))
    with pytest.raises(UserError, match=r"reads three frames and cannot look back: leave backward out"):
        STAGE.neighbours(FlowOptions(estimator=network(path), backward=True))
    dataset = {"source": {"kind": "synthetic"}, "flow": {"estimator": network(path), "backward": True}}
    with pytest.raises(UserError, match=r"^config\.yaml: datasets\.x\.flow: network:.* reads three frames"):
        load({"datasets": {"x": dataset}})


def test_three_frames_are_seen_at_one_scale(tmp_path: Path):
    name = network(saved(tmp_path / "model.safetensors", about(3)))
    assert scales_of(name, None) == 1
    with pytest.raises(UserError, match=r"network:.* reads three frames, and several scales are for two: leave"):
        create_estimator(name, scales=2)
    with pytest.raises(UserError, match="leave scales out"):
        STAGE.follow(FlowOptions(estimator=name, scales=2))


def test_a_plan_refuses_three_frames_without_triplets(tmp_path: Path):
    estimator = network(saved(tmp_path / "model.safetensors", about(3)))
    dataset = {"source": {"kind": "synthetic"}, "flow": {"estimator": estimator}}
    with pytest.raises(UserError, match=r"x\.views: cmp needs the frame before, too: set frames\.triplets: true"):
        load({"datasets": {"x": dataset}})
    load({"datasets": {"x": dataset | {"frames": {"triplets": True}}}})


def test_the_record_names_the_network_and_its_weights(tmp_path: Path):
    path = saved(tmp_path / "model.safetensors", about())
    facts = STAGE.provenance(FlowOptions(estimator=network(path)))
    assert (facts["network"], facts["checkpoint"]) == ("scaled", "model.safetensors")
    assert len(facts["checkpoint_sha256"]) == 64
    assert set(facts) == {"network", "checkpoint", "checkpoint_sha256", "torch", "opencv", "refinement"}


def test_options_of_other_estimators_are_refused():
    for more in ({"checkpoint": "things"}, {"preset": "fast"}):
        with pytest.raises(ValueError, match=r"is not for the estimator 'network:model\.safetensors'"):
            FlowOptions(estimator="network:model.safetensors", **more)


@pytest.mark.slow  # importing ptlflow alone takes ten seconds
def test_a_ptlflow_architecture_with_trained_weights_estimates_as_ptlflow_s_own(tmp_path: Path):
    import torch
    from safetensors.torch import save_file

    from pipeline.columns.flow.networks import create_network
    from pipeline.columns.flow.networks.ptlflow_models import estimator_of

    torch.manual_seed(0)
    trained = create_network("ptlflow:rapidflow_it1", {})
    path = tmp_path / "model.safetensors"
    save_file(trained.state_dict(), path, metadata={"about": json.dumps(about(name="ptlflow:rapidflow_it1"))})
    batch = frames(2)
    found = create_estimator(network(path), refinement=0)(batch)
    np.testing.assert_array_equal(found, estimator_of(trained.network, "rapidflow_it1")(batch))
    assert np.abs(found).max() > 0
    assert FlowNetwork("ptlflow:rapidflow_it1", 2) == read_about(path)
    with pytest.raises(UserError, match="ptlflow has no model 'fastflow': did you mean fastflownet"):
        create_network("ptlflow:fastflow", {})
