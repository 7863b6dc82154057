from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SampleError, UserError
from pipeline.flow import FlowOptions, create_estimator
from pipeline.flow.stage import STAGE

pytestmark = pytest.mark.slow  # importing ptlflow alone takes ten seconds

BROKEN = ["liteflownet", "liteflownet2", "liteflownet2_pseudoreg"]


def images(batch: int, height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth colour images and the same moved by some pixels."""
    import cv2

    noise = np.random.default_rng(seed).random((batch, height + 16, width + 16, 3)).astype(np.float32)
    smooth = np.stack([cv2.normalize(cv2.GaussianBlur(n, (0, 0), 3), None, 0, 1, cv2.NORM_MINMAX) for n in noise])
    smooth = smooth.transpose(0, 3, 1, 2)
    return smooth[..., 8:-8, 8:-8], smooth[..., 6:-10, 11:-5]


def network(model: str):
    """A network with seeded random weights, scaled so that the flow varies by pixels."""
    import torch

    from pipeline.flow.ptlflow_models import create_network

    torch.manual_seed(0)
    return create_network(model).eval()


def estimator(model: str):
    from pipeline.flow.ptlflow_models import estimator_of

    return estimator_of(network(model), model)


def stock_estimator(model: str):
    """The same weights in ptlflow's own model, without our correction."""
    import ptlflow

    from pipeline.flow.ptlflow_models import estimator_of

    stock = ptlflow.get_model(model)
    stock.load_state_dict(network(model).state_dict())
    return estimator_of(stock, model)


def test_liteflownet_has_the_parameters_of_the_paper():
    assert sum(p.numel() for p in network("liteflownet").parameters()) == 5_379_613


@pytest.mark.parametrize("model", [*BROKEN, "liteflownet3", "raft_small"])
def test_a_batch_of_four_equals_four_batches_of_one(model: str):
    first, second = images(4, 64, 96)
    estimate = estimator(model)
    alone = np.concatenate([estimate(first[i : i + 1], second[i : i + 1]) for i in range(4)])
    spread = alone.std(axis=0).mean()
    assert spread > 0  # the samples differ, so mixing them would show
    np.testing.assert_allclose(estimate(first, second), alone, atol=1e-3 * spread, rtol=1e-4)


@pytest.mark.parametrize("model", BROKEN)
def test_ptlflows_own_model_mixes_samples(model: str):
    """What is corrected. Once this fails, ptlflow has corrected it, and `PairWarp` can go."""
    first, second = images(2, 64, 96)
    with pytest.raises(RuntimeError, match=r"size of tensor a \(3\) must match the size of tensor b \(2\)"):
        stock_estimator(model)(first, second)


@pytest.mark.parametrize("model", BROKEN)
def test_the_correction_changes_colour_alone(model: str):
    """Where the channels are equal to the network, which subtracts a mean from each, green stands for all of them."""
    first, second = images(1, 64, 96)
    ours, stock = estimator(model), stock_estimator(model)
    assert np.abs(ours(first, second) - stock(first, second)).max() > 1e-6
    mean = np.array([0.411618, 0.434631, 0.454253], np.float32).reshape(3, 1, 1)  # red, green, blue
    grey = [image[:, :1] * np.float32(0.5) - np.float32(0.25) + mean for image in (first, second)]
    np.testing.assert_allclose(ours(*grey), stock(*grey), atol=1e-6)


def test_the_brightness_error_of_identical_colour_frames_is_zero():
    """The corrected line itself: what reaches the first convolution of the regularization."""
    import torch

    regularization = network("liteflownet").regularization_nets[0]
    seen = []
    regularization.feat_net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 0]))
    still = torch.rand(3, 1, 3, 6, 8, generator=torch.Generator().manual_seed(0)).expand(-1, 2, -1, -1, -1)
    regularization(still, torch.zeros(3, 2, 192, 6, 8), torch.zeros(3, 2, 6, 8))
    assert seen[0].abs().max() < 1e-5  # not exactly zero: the warp samples between pixels, rounded
    moved = still.clone()
    moved[1, 1] += 0.5
    regularization(moved, torch.zeros(3, 2, 192, 6, 8), torch.zeros(3, 2, 6, 8))
    expected = 0.5 * 3**0.5 * torch.ones(6, 8)
    inner = (slice(1, -1), slice(1, -1))
    torch.testing.assert_close(seen[1][1][inner], expected[inner], atol=1e-4, rtol=0)
    assert seen[1][[0, 2]].abs().max() < 1e-5


class Recorder:
    """Stands for a ptlflow network: keeps its input; the flow is the red channel's first frame and the green's."""

    def __new__(cls, stride: int, frames: int = 1):
        import torch

        class Network(torch.nn.Module):
            output_stride = stride

            def forward(self, inputs):
                self.seen = inputs["images"]
                flow = torch.stack([self.seen[:, 0, 2], self.seen[:, 1, 1]], dim=1)
                return {"flows": flow[:, None].expand(-1, frames, -1, -1, -1)}

        return Network()


@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 97), (33, 127)])
def test_images_go_in_as_ptlflow_wants_them_and_flow_comes_back_in_place(height: int, width: int):
    from pipeline.flow.ptlflow_models import estimator_of

    recorder = Recorder(stride=32)
    first, second = np.random.default_rng(0).random((2, 2, 3, height, width), np.float32)
    flow = estimator_of(recorder, "recorder")(first, second)
    assert flow.dtype == np.float32
    np.testing.assert_array_equal(flow, np.stack([first[:, 0], second[:, 1]], axis=1))
    seen = recorder.seen.cpu().numpy()
    assert seen.shape[-2] % 32 == seen.shape[-1] % 32 == 0
    assert seen.shape[-2] - height < 32
    assert seen.shape[-1] - width < 32
    # Padding repeats the border: no value that the image does not have, and its corners in the corners.
    corners = seen[:, 0, ::-1, (0, 0, -1, -1), (0, -1, 0, -1)]
    np.testing.assert_array_equal(corners, first[:, :, (0, 0, -1, -1), (0, -1, 0, -1)].transpose(2, 0, 1))


def test_a_model_of_more_frames_than_two_is_refused():
    from pipeline.flow.ptlflow_models import estimator_of

    with pytest.raises(SampleError, match="ptlflow:videoflow does not estimate one flow from two frames"):
        estimator_of(Recorder(stride=8, frames=3), "videoflow")(*images(1, 64, 64))


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(UserError, match="no model 'liteflownett': did you mean liteflownet"):
        create_estimator("ptlflow:liteflownett", checkpoint="things")


def test_missing_weights_stop_the_stage_before_its_first_sample(tmp_path: Path):
    options = FlowOptions("ptlflow:liteflownet", checkpoint="things", checkpoint_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"liteflownet-things-a4d066e2\.ckpt is missing.*academic research.*https://"):
        STAGE.run(iter(()), options)
    with pytest.raises(UserError, match="liteflownet-things-a4d066e2"):
        STAGE.provenance(options)


def test_a_backbone_is_not_fetched_silently_either():
    import torch

    from pipeline.flow.ptlflow_models import create_network

    if list((Path(torch.hub.get_dir()) / "checkpoints").glob("resnet18-*")):
        pytest.skip("the backbone is on this machine already")
    with pytest.raises(UserError, match=r"ptlflow:sea_raft_s is built on https://.*resnet18.*: save it as .*resnet18"):
        create_network("sea_raft_s")


def saved(path: Path, content: object) -> str:
    import torch

    torch.save(content, path)
    return str(path)


def test_a_checkpoint_file_gives_its_weights(tmp_path: Path):
    weights = network("liteflownet").state_dict()
    path = saved(tmp_path / "mine.ckpt", {"state_dict": weights, "hyper_parameters": {"train_size": [384, 768]}})
    pair = images(1, 64, 64)
    expected = estimator("liteflownet")(*pair)
    np.testing.assert_array_equal(create_estimator("ptlflow:liteflownet", checkpoint=path)(*pair), expected)


@pytest.mark.parametrize("content", ["plain", "other", "code", "garbage", "cut"])
def test_what_is_no_checkpoint_of_the_model_is_refused_in_one_line(tmp_path: Path, content: str):
    weights = network("liteflownet").state_dict()
    path = tmp_path / "mine.ckpt"
    if content == "plain":
        saved(path, weights)
    elif content == "other":
        saved(path, {"state_dict": network("raft_small").state_dict()})
    elif content == "code":
        saved(path, {"state_dict": weights, "callback": Recorder})
    else:
        saved(path, {"state_dict": weights})
        path.write_bytes(b"PK\x03\x04 garbage" if content == "garbage" else path.read_bytes()[:100_000])
    with pytest.raises(UserError) as raised:
        create_estimator("ptlflow:liteflownet", checkpoint=str(path))
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert {"plain": "no 'state_dict'", "other": "not a checkpoint of ptlflow:liteflownet", "code": "refused"}.get(
        content, ""
    ) in message


@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="needs a GPU")
def test_the_gpu_gives_the_same_flow_as_the_cpu_and_twice_the_same(monkeypatch: pytest.MonkeyPatch):
    import torch

    pair = images(3, 64, 96)
    on_gpu = estimator("liteflownet")
    found = on_gpu(*pair)
    np.testing.assert_array_equal(on_gpu(*pair), found)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    np.testing.assert_allclose(found, estimator("liteflownet")(*pair), atol=1e-3)
