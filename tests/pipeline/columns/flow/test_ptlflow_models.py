import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from common_fate.errors import SampleError, UserError
from pipeline.cli.app import app
from pipeline.columns.flow import FlowOptions, create_estimator
from pipeline.columns.flow.stage import STAGE

pytestmark = pytest.mark.slow  # importing ptlflow alone takes ten seconds


def images() -> np.ndarray:
    return np.random.default_rng(0).random((1, 2, 3, 64, 64), np.float32)


def random_weights(model: str) -> dict[str, Any]:
    import torch

    from pipeline.columns.flow.networks.ptlflow_models import create_network

    torch.manual_seed(0)
    return create_network(model).state_dict()


class Code:
    """What a checkpoint of weights alone has no place for."""


def recorder(stride: int | None, flows: int = 1):
    """Stands for a network: keeps its input; u is the first frame's red and v the second's green."""
    import torch

    class Network(torch.nn.Module):
        output_stride = stride

        def forward(self, inputs):
            self.seen = inputs["images"]
            flow = torch.stack([self.seen[:, 0, 2], self.seen[:, 1, 1]], dim=1)
            return {"flows": flow[:, None].expand(-1, flows, -1, -1, -1)}

    return Network()


@pytest.mark.parametrize("stride", [1, 8, 32, None])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 97), (33, 127)])
def test_images_go_in_as_ptlflow_wants_them_and_flow_comes_back_in_place(height: int, width: int, stride: int | None):
    from pipeline.columns.flow.networks.ptlflow_models import estimator_of

    network = recorder(stride)
    frames = np.random.default_rng(0).random((2, 2, 3, height, width), np.float32)
    first, second = frames[:, 0], frames[:, 1]
    flow = estimator_of(network, "recorder")(frames)
    assert flow.dtype == np.float32
    np.testing.assert_array_equal(flow, np.stack([first[:, 0], second[:, 1]], axis=1))
    seen = network.seen.cpu().numpy()
    for padded, length in zip(seen.shape[-2:], (height, width), strict=True):
        assert padded == -(-length // (stride or 1)) * (stride or 1)
    # Padding repeats the border, so the corners stand in the corners; blue comes first.
    for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        np.testing.assert_array_equal(seen[:, 0, ::-1, y, x], first[:, :, y, x])
        np.testing.assert_array_equal(seen[:, 1, ::-1, y, x], second[:, :, y, x])


def test_a_model_that_gives_several_flows_is_refused():
    from pipeline.columns.flow.networks.ptlflow_models import estimator_of

    with pytest.raises(SampleError, match="ptlflow:memfof does not estimate one flow from 2 frames"):
        estimator_of(recorder(stride=8, flows=3), "memfof")(images())


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(UserError, match="no model 'liteflownett': did you mean liteflownet"):
        create_estimator("ptlflow:liteflownett", checkpoint="things")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("ptlflow:raft_smal", ["--checkpoint=things"], "ptlflow has no model 'raft_smal': did you mean raft_small"),
        ("ptlflow:raft", [], "ptlflow:raft needs a checkpoint: .*things"),
        ("ptlflow:raft", ["--checkpoint=thing"], "has no checkpoint 'thing': there is no such file, and published are"),
        ("ptlflow:raft", ["--checkpoint=things"], "raft-things-802bbcfd.ckpt is missing: .*fetch-weights ptlflow:raft"),
        ("dis", [], None),
    ],
)
def test_an_estimator_is_checked_in_one_line(tmp_path: Path, name: str, options: list[str], says: str | None):
    arguments = ["check-estimator", name, *options, f"--checkpoint-dir={tmp_path}"]
    done = CliRunner().invoke(app, arguments)
    assert done.output == ""
    if says is None:
        assert done.exit_code == 0
    else:
        assert isinstance(done.exception, UserError)
        assert re.search(says, str(done.exception))


def test_missing_weights_stop_the_stage_before_its_first_sample(tmp_path: Path):
    options = FlowOptions("ptlflow:liteflownet", checkpoint="things", checkpoint_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"liteflownet-things-a4d066e2\.ckpt is missing.*academic research.*https://"):
        STAGE.run(iter(()), options)
    with pytest.raises(UserError, match="liteflownet-things-a4d066e2"):
        STAGE.provenance(options)


def test_a_backbone_is_not_fetched_silently_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from pipeline.columns.flow.networks.ptlflow_models import create_network

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # where it might lie already
    with pytest.raises(UserError, match=r"ptlflow:memfof is built on https://.*resnet34.*: save it as .*resnet34"):
        create_network("memfof")


def test_a_model_that_needs_more_than_is_installed_says_so():
    from pipeline.columns.flow.networks.ptlflow_models import create_network

    if find_spec("torch_scatter"):
        pytest.skip("torch_scatter is installed")
    with pytest.raises(UserError, match=r"^ptlflow:scv4 cannot be built here: .*torch_scatter not found"):
        create_network("scv4")


def saved(path: Path, content: object) -> str:
    import torch

    torch.save(content, path)
    return str(path)


def test_a_checkpoint_file_gives_its_weights(tmp_path: Path):
    from pipeline.columns.flow.networks.ptlflow_models import create_network, estimator_of

    weights = random_weights("liteflownet")
    path = saved(tmp_path / "mine.ckpt", {"state_dict": weights, "hyper_parameters": {"train_size": [384, 768]}})
    found = create_estimator("ptlflow:liteflownet", checkpoint=path)(images())

    network = create_network("liteflownet")
    assert not np.array_equal(estimator_of(network, "liteflownet")(images()), found)
    network.load_state_dict(weights)
    np.testing.assert_array_equal(estimator_of(network, "liteflownet")(images()), found)


@pytest.mark.parametrize("content", ["plain", "other", "code", "garbage", "cut"])
def test_what_is_no_checkpoint_of_the_model_is_refused_in_one_line(tmp_path: Path, content: str):
    path = tmp_path / "mine.ckpt"
    if content == "garbage":
        path.write_bytes(b"not weights")
    elif content == "other":
        saved(path, {"state_dict": random_weights("raft_small")})
    else:
        weights = random_weights("liteflownet")
        saved(
            path, {"plain": weights, "code": {"state_dict": weights, "x": Code()}}.get(content, {"state_dict": weights})
        )
    if content == "cut":
        path.write_bytes(path.read_bytes()[:100_000])
    reasons = {
        "plain": "it has no 'state_dict'",
        "other": "not a checkpoint of ptlflow:liteflownet",
        "code": "refused: not a file of weights alone",
        "garbage": "refused: not a file of weights alone",
        "cut": "not a checkpoint of ptlflow:liteflownet",
    }
    with pytest.raises(UserError) as raised:
        create_estimator("ptlflow:liteflownet", checkpoint=str(path))
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert reasons[content] in message
    assert "\n" not in message
