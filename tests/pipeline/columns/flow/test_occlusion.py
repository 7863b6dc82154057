import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.columns.flow.occlusion import occluded_pixels


def by_definition(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """The definition, a pixel at a time, in double precision; nan where rounding could decide either way."""
    _, height, width = forward.shape
    mask = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            u, v = (float(c) for c in forward[:, y, x])
            to_x, to_y = x + u, y + v
            if min(abs(to_x), abs(to_x - width + 1), abs(to_y), abs(to_y - height + 1)) < 1e-4:
                mask[y, x] = np.nan
                continue
            if not (0 <= to_x <= width - 1 and 0 <= to_y <= height - 1):
                mask[y, x] = 1
                continue
            returned = np.zeros(2)
            for corner_y in (int(to_y), int(to_y) + 1):
                for corner_x in (int(to_x), int(to_x) + 1):
                    weight = (1 - abs(to_x - corner_x)) * (1 - abs(to_y - corner_y))
                    if weight > 0:
                        returned += weight * backward[:, corner_y, corner_x]
            gap = (u + returned[0]) ** 2 + (v + returned[1]) ** 2
            bound = 0.01 * (u**2 + v**2 + (returned**2).sum()) + 0.5
            mask[y, x] = np.nan if abs(gap - bound) < 1e-3 else gap > bound
    return mask


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 12), width=st.integers(1, 12), speed=st.floats(0.1, 8))
def test_agrees_with_the_definition(seed: int, height: int, width: int, speed: float):
    rng = np.random.default_rng(seed)
    forward = rng.normal(0, speed, (2, height, width)).astype(np.float32)
    backward = (-forward + rng.normal(0, 0.6, forward.shape)).astype(np.float32)
    expected = by_definition(forward, backward)
    sure = np.isfinite(expected)
    found = occluded_pixels(forward, backward)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found[sure], expected[sure].astype(bool))


def test_a_still_frame_hides_nothing():
    still = np.zeros((2, 6, 7), np.float32)
    assert not occluded_pixels(still, still).any()


def test_a_pan_hides_the_border_it_leaves_by():
    forward = np.zeros((2, 6, 10), np.float32)
    forward[0] = 3
    mask = occluded_pixels(forward, -forward)
    assert mask[:, -3:].all()
    assert not mask[:, :-3].any()


def test_background_that_an_object_moves_over_is_hidden():
    """An object 4 px wide moves right by 4: it hides the 4 px it comes to stand on."""
    forward = np.zeros((2, 12, 20), np.float32)
    backward = np.zeros_like(forward)
    forward[0, 4:8, 4:8] = 4
    backward[0, 4:8, 8:12] = -4
    expected = np.zeros((12, 20), bool)
    expected[4:8, 8:12] = True
    np.testing.assert_array_equal(occluded_pixels(forward, backward), expected)


@pytest.mark.parametrize("value", [1e9, -1e9, 3e38])
def test_flow_far_outside_is_occluded(value: float):
    flow = np.full((2, 4, 4), value, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        assert occluded_pixels(flow, np.zeros_like(flow)).all()
