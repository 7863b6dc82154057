import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.errors import SampleError
from pipeline.columns.flow.networks.matching.interpolation import interpolate
from pipeline.columns.flow.networks.matching.matches import Matches, fill


def matches_of(seed: int, rows: int, columns: int, share: float, first: int, step: int) -> Matches:
    generator = np.random.default_rng(seed)
    flow = generator.normal(size=(2, rows, columns)).astype(np.float32)
    score = generator.permutation(rows * columns).reshape(rows, columns).astype(np.float32)
    return Matches(flow, score, generator.random((rows, columns)) < share, first, step)


@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.2, 1.0]), st.integers(0, 3), st.integers(1, 6), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_a_pixel_moves_as_its_nearest_match_and_of_equally_near_ones_the_surest(
    seed: int, share: float, first: int, step: int, radius: int
):
    matches = matches_of(seed, 3, 4, share, first, step)
    height, width = first + 2 * step + 3, first + 3 * step + 5
    flow, found = fill(matches, height, width, radius)
    x, y = matches.points()
    for row, column in np.ndindex(height, width):
        distance = np.maximum(abs(y - row), abs(x - column))
        near = [
            (distance[at], -matches.score[at], at)
            for at in np.ndindex(distance.shape)
            if matches.verified[at] and distance[at] <= radius
        ]
        assert found[row, column] == bool(near)
        expected = matches.flow[(slice(None), *min(near)[2])] if near else 0
        np.testing.assert_array_equal(flow[:, row, column], expected)


def test_flow_between_matches_of_one_affine_motion_is_that_motion():
    generator = np.random.default_rng(0)
    image = generator.integers(0, 255, (64, 80, 3), dtype=np.uint8)
    at = Matches(np.zeros((2, 8, 10), np.float32), np.ones((8, 10), np.float32), np.ones((8, 10), bool), 4, 8)
    motion = np.array([[0.05, -0.02], [0.03, 0.04]], np.float32)
    constant = np.array([3, -2], np.float32)
    moved = Matches(
        np.einsum("ij,jrc->irc", motion, at.points()) + constant[:, None, None], at.score, at.verified, 4, 8
    )
    y, x = np.mgrid[:64, :80].astype(np.float32)
    expected = np.einsum("ij,jrc->irc", motion, np.stack([x, y])) + constant[:, None, None]
    flow = interpolate(moved, image, image)
    assert flow.dtype == np.float32
    assert abs(flow - expected)[:, 8:-8, 8:-8].max() < 0.1
    np.testing.assert_array_equal(flow, interpolate(moved, image, image))


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_flow_is_not_made_of_a_handful_of_matches(share: float):
    image = np.zeros((64, 80, 3), np.uint8)
    with pytest.raises(SampleError, match="too few matches for deep matching"):
        interpolate(matches_of(0, 8, 10, share, 4, 8), image, image)
