import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.utils import flow_to_image

from common_fate.pictures import color_wheel_legend, flow_to_color, typical_maximum
from common_fate.pictures.flow_colors import WHEEL


def uniform(u: float, v: float, height: int = 60, width: int = 80) -> np.ndarray:
    return np.broadcast_to(np.array([u, v], np.float32)[:, None, None], (2, height, width)).copy()


def test_the_wheel_has_the_published_hues():
    assert len(WHEEL) == 55
    first_of_arc = np.rint(WHEEL[[0, 15, 21, 25, 36, 49]] * 255).astype(int).tolist()
    red, yellow, green, cyan = [255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255]
    blue, magenta = [0, 0, 255], [255, 0, 255]
    assert first_of_arc == [red, yellow, green, cyan, blue, magenta]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), speed=st.sampled_from([1e-3, 1.0, 300.0]))
def test_agrees_with_torchvision(seed: int, speed: float):
    flow = (np.random.default_rng(seed).normal(size=(2, 24, 31)) * speed).astype(np.float32)
    other = flow_to_image(torch.from_numpy(flow)).permute(1, 2, 0).numpy().astype(int)
    picture = flow_to_color(flow)
    difference = np.abs(picture - other)
    # torchvision's fastest pixel may be rounded below 0 and wrap around to 255; ours has a full hue.
    fastest = np.unravel_index(np.hypot(*flow).argmax(), flow.shape[1:])
    difference[fastest] = 0
    assert picture[fastest].max() >= 254
    # A value on the edge of a grey level may fall to either side.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_standing_still_is_white():
    assert (flow_to_color(np.zeros((2, 5, 6), np.float32)) == 255).all()
    assert (flow_to_color(np.zeros((2, 5, 6), np.float32), max_magnitude=0) == 255).all()


@pytest.mark.parametrize(
    ("u", "v", "strong", "weak"),
    [(1, 0, "R", "GB"), (0, 1, "RG", "B"), (-1, 0, "GB", "R"), (0, -1, "B", "RG")],
)
def test_the_four_directions_have_the_published_hues(u: float, v: float, strong: str, weak: str):
    """Right is red, down yellow, left cyan to blue, up blue to violet."""
    color = dict(zip("RGB", flow_to_color(uniform(u, v))[0, 0].tolist(), strict=True))
    assert max(color.values()) == 255
    assert min(color[c] for c in strong) > max(color[c] for c in weak)
    assert min(color[c] for c in weak) < 100


def test_a_negative_zero_does_not_cross_the_seam():
    assert flow_to_color(uniform(1, -0.0))[0, 0].tolist() == [255, 0, 0]
    np.testing.assert_array_equal(flow_to_color(uniform(-0.0, 1)), flow_to_color(uniform(0.0, 1)))


def test_faster_is_more_saturated_and_beyond_the_maximum_darker():
    flow = np.zeros((2, 1, 101), np.float32)
    flow[0] = np.linspace(0, 10, 101)
    picture = flow_to_color(flow, max_magnitude=8)[0].astype(int)
    saturation = picture.max(axis=-1) - picture.min(axis=-1)
    inside = flow[0, 0] <= 8
    assert (np.diff(saturation[inside]) > 0).all()
    assert (picture[inside].max(axis=-1) == 255).all()
    assert (picture[~inside] == [191, 0, 0]).all()


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf, 1.6e9])
def test_what_is_not_known_is_black_and_does_not_pale_the_rest(unknown: float):
    flow = uniform(2, 1)
    clean = flow_to_color(flow)
    flow[1, 3, 4] = unknown
    valid = np.ones((60, 80), bool)
    valid[0, 0] = False
    flow[:, 0, 0] = 100
    picture = flow_to_color(flow, valid)
    clean[3, 4] = clean[0, 0] = 0
    np.testing.assert_array_equal(picture, clean)


def test_the_typical_maximum_is_the_maximum_unless_few_pixels_run_away():
    flow = uniform(3, 4)
    flow[:, 0, 0] = (6, 4)
    assert typical_maximum(flow) == pytest.approx(np.hypot(6, 4))
    flow[:, 0, 0] = (300, 400)
    assert typical_maximum(flow) == pytest.approx(5)
    assert typical_maximum(uniform(0.1, 0)) == 1
    assert typical_maximum(np.full((2, 4, 4), np.nan, np.float32)) == 1


def test_the_legend_shows_each_direction_in_its_colour():
    legend = color_wheel_legend(81)
    assert legend.shape == (81, 81, 3)
    assert (legend[0, 0] == 255).all()
    assert legend[40, 40].min() > 240
    for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        # Half a pixel off the axis, so that both stand on one side of the seam.
        expected = flow_to_color(uniform(36 * dx, 36 * dy + 0.5, 1, 1), max_magnitude=40)[0, 0]
        assert np.abs(legend[40 + 36 * dy, 40 + 36 * dx] - expected.astype(int)).max() < 30
