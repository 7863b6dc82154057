from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.errors import UserError
from tests.support.coloured_net import ColouredNet, canvas, lively, options
from trainers.methods.cmp.apps.predict import as_image, model_size, predict_flow, shortened
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions, LossOptions, ModelOptions


def test_motion_spreads_over_what_is_told_and_no_further():
    picture = canvas()
    picture[10:30, 20:50] = (200, 10, 10)
    flow = predict_flow(ColouredNet(), options(), as_image(picture), [[15, 25, -3.5, 6]])
    assert flow.shape == (2, 64, 80)
    inside = torch.zeros(64, 80, dtype=torch.bool)
    inside[10:30, 20:50] = True
    assert (flow[0, inside] == 6).all()
    assert (flow[1, inside] == -3.5).all()
    assert not flow[:, ~inside].any()


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(16, 150),
    width=st.integers(16, 150),
    crop=st.sampled_from([32, 48]),
    u=st.floats(-8, 8),
    v=st.floats(-8, 8),
)
def test_motion_keeps_its_pixels_at_any_size(height: int, width: int, crop: int, u: float, v: float):
    picture = np.full((height, width, 3), 200, np.uint8)
    net = ColouredNet(stride=8)
    flow = predict_flow(net, options(crop), as_image(picture), [[height - 1, 0, v, u]])
    assert flow.shape == (2, height, width)
    assert torch.allclose(flow, torch.tensor([u, v])[:, None, None].float(), atol=1e-4)
    small = net.image.shape[-2:]
    assert not any(side % 8 for side in small)
    assert min(small) == crop
    assert max(small) == pytest.approx(max(height, width) * crop / min(height, width), abs=4.01)


def test_guidance_is_scaled_to_what_the_network_sees():
    net = ColouredNet(stride=8)
    predict_flow(net, options(32), as_image(canvas(64, 120)), [[33, 119, 4, -6]])  # seen as 32 x 56 or 64
    small = net.guidance.shape[-2:]
    assert small in ((32, 56), (32, 64))
    told = net.guidance[0, 2].nonzero().tolist()
    assert told == [[16, small[1] - 1]]  # the centre of line 33 lies at 33.5 / 2 = 16.75, in line 16
    u, v, mask = net.guidance[0, :, 16, small[1] - 1].tolist()
    assert (v, mask) == (2, 1)
    assert u == pytest.approx(-6 * small[1] / 120)


def test_vectors_on_one_pixel_are_averaged_and_no_guidance_is_allowed():
    net = ColouredNet()
    predict_flow(net, options(), as_image(canvas()), [[5, 6, 2, 8], [5.2, 6, 4, -2], [9, 9, 0, 0]])
    assert net.guidance[0, :, 5, 6].tolist() == [3, 3, 1]
    assert net.guidance[0, :, 9, 9].tolist() == [0, 0, 1]
    assert net.guidance[0, 2].sum() == 2
    assert not predict_flow(net, options(), as_image(canvas()), []).any()
    assert not net.guidance.any()


def test_the_image_is_seen_whole_and_as_it_is():
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (160, 128), interpolation=cv2.INTER_CUBIC)
    net = ColouredNet()
    predict_flow(net, options(64), as_image(picture), [])
    halved = picture.reshape(64, 2, 80, 2, 3).mean(axis=(1, 3)) / 255
    assert net.image.shape == (1, 3, 64, 80)
    assert np.allclose(net.image[0].permute(1, 2, 0).numpy(), halved, atol=1e-5)
    predict_flow(net, options(256), as_image(picture), [])
    assert net.image.shape == (1, 3, 256, 320)
    assert torch.equal(net.image, net.image.clamp(0, 1))


def test_vectors_beyond_the_limit_keep_their_direction():
    limited = shortened(
        ColouredNet(), options(32, limit=10), (64, 64), [[1, 2, 30, -40], [3, 4, 12, 16], [5, 6, 0, 20]]
    )
    assert limited.tolist() == [[1, 2, 15, -20], [3, 4, 12, 16], [5, 6, 0, 20]]  # 10 px of 32 are 20 px of 64
    net = ColouredNet()
    predict_flow(net, options(32, limit=10), as_image(canvas(64, 64)), [[1, 2, 30, -40]])
    assert net.guidance[0, :2].flatten(1).sum(dim=1).tolist() == [-10, 7.5]


@pytest.mark.parametrize("point", [(64, 5), (5, 80), (-1, 5), (5, -0.5), (63.5, 0)])
def test_guidance_outside_is_refused_with_the_size(point: tuple[float, float]):
    with pytest.raises(UserError, match="outside the image, which is 80 wide and 64 high") as refusal:
        predict_flow(ColouredNet(), options(), as_image(canvas()), [[3, 3, 0, 0], [*point, 1, 1]])
    assert "\n" not in str(refusal.value)
    assert f"{point[0]:g},{point[1]:g},1,1" in str(refusal.value)


@pytest.mark.parametrize("guidance", [[[1, 2, 3]], [1, 2, 3, 4], [[[1, 2, 3, 4]]]])
def test_malformed_guidance_is_refused(guidance: list[object]):
    with pytest.raises(UserError, match="rows of y, x, dy, dx"):
        predict_flow(ColouredNet(), options(), as_image(canvas()), guidance)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("column", range(4))
def test_guidance_that_is_not_finite_is_refused(column: int, value: float):
    row = [5.0, 5.0, 1.0, 1.0]
    row[column] = value
    with pytest.raises(UserError, match="finite"):
        predict_flow(ColouredNet(), options(), as_image(canvas()), [row])


def test_a_strip_is_refused():
    with pytest.raises(UserError, match=r"2 wide and 480 high.*at most 16 times"):
        predict_flow(ColouredNet(), options(), torch.zeros(3, 480, 2), [])


@pytest.mark.parametrize("decoder", ["plain", "skip"])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_real_network(decoder: str, kind: str):
    torch.manual_seed(0)
    chosen = CMPOptions(ModelOptions("resnet18", decoder), LossOptions(kind, bins=9, limit=20))
    chosen = replace(chosen, transforms=options(32).transforms)
    net = lively(CMPNet(chosen.model, chosen.loss))
    picture = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)
    assert model_size(net, chosen, (45, 70)) == (32, 48)
    flow = predict_flow(net, chosen, as_image(picture), [[10, 10, 5, 5]])
    assert flow.shape == (2, 45, 70)
    assert flow.dtype == torch.float32
    assert not flow.requires_grad
    assert torch.isfinite(flow).all()
    other = predict_flow(net, chosen, as_image(picture), [[10, 10, -5, 9]])
    assert not torch.equal(flow, other)
