import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.columns.guidance import GuidanceOptions as StageOptions
from pipeline.columns.guidance import watershed_points
from trainers.methods.cmp.guidance import guidance_map, guidance_points
from trainers.methods.cmp.options import CropGuidanceOptions

seeds = st.integers(0, 2**32 - 1)
sides = st.integers(12, 60)


def smooth_flow(height: int, width: int, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=(2, height, width))
    return (ndimage.gaussian_filter(noise, (0, 3, 3)) * 20).astype(np.float32)


def chosen(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None, *, seed: int = 0, column=None, **options):
    """Rows as a list, to be compared with others."""
    valid = np.ones(flow.shape[1:], bool) if valid is None else valid
    options = CropGuidanceOptions(**{"kernel_size": 15, "grid_stride": None} | options)
    return guidance_points(flow, valid, options, np.random.default_rng(seed), column).tolist()


def grid(height: int, width: int, stride: int) -> set[tuple[int, int]]:
    y, x = (range(side % stride // 2, side, stride) for side in (height, width))
    return {(a, b) for a in y for b in x}


@given(height=sides, width=sides, seed=seeds, size=st.sampled_from([3, 15, 41]), threshold=st.sampled_from([0.1, 0.4]))
@settings(deadline=None)
def test_watershed_points_are_those_that_the_stage_finds(height, width, seed, size, threshold):
    flow = smooth_flow(height, width, seed)
    stage = watershed_points(flow, StageOptions(size, threshold))[:, :2].astype(int)
    assert chosen(flow, kernel_size=size, edge_threshold=threshold) == sorted(stage.tolist())


@pytest.mark.parametrize(("side", "stride", "count"), [(384, 200, 4), (384, 80, 25), (320, 80, 16), (384, 131, 9)])
def test_constant_flow_has_the_grid_alone(side: int, stride: int, count: int):
    """As many points as the published code has."""
    flow = np.full((2, side, side), 3, np.float32)
    points = chosen(flow, grid_stride=stride)
    assert len(points) == count
    assert set(map(tuple, points)) == grid(side, side, stride)
    assert chosen(flow) == []


@given(height=sides, width=sides, seed=seeds, stride=st.integers(1, 70))
@settings(deadline=None)
def test_each_pixel_is_told_once(height, width, seed, stride):
    flow = smooth_flow(height, width, seed)
    both = chosen(flow, grid_stride=stride)
    expected = grid(height, width, stride) | set(map(tuple, chosen(flow)))
    assert both == sorted(map(list, expected))


@given(height=sides, width=sides, seed=seeds, top=st.integers(0, 20), left=st.integers(0, 20), fill=st.floats(-9, 9))
@settings(deadline=None)
def test_padding_moves_the_points_and_makes_none(height, width, seed, top, left, fill):
    flow = smooth_flow(height, width, seed)
    padded = np.full((2, 80, 80), fill, np.float32)
    valid = np.zeros((80, 80), bool)
    box = np.s_[top : top + height, left : left + width]
    padded[:, *box], valid[box] = flow, True
    for options in ({}, {"grid_stride": 17}):
        unpadded = chosen(flow, **options)
        assert chosen(padded, valid, **options) == [[y + top, x + left] for y, x in unpadded]


def test_a_gap_in_what_is_known_is_no_motion_edge():
    """A frame of zero flow in a field that moves as one: taken for motion, it has a point in its middle."""
    valid = np.ones((60, 60), bool)
    valid[10:50, 10:50] = False
    valid[14:46, 14:46] = True
    flow = np.full((2, 60, 60), 5, np.float32) * valid
    assert chosen(flow) != []
    assert chosen(flow, valid) == []
    flow[:, 20:40, 20:40] = -5  # but what moves apart is found
    assert chosen(flow, valid) != []


@given(
    seed=seeds, points=st.sampled_from(["watershed", "random", "column", "none"]), share=st.sampled_from([0, 0.3, 1])
)
@settings(deadline=None)
def test_points_are_on_valid_pixels_only(seed, points, share):
    rng = np.random.default_rng(seed)
    valid = rng.random((30, 40)) < share
    column = rng.integers(0, 30, (20, 2))
    options = {"points": points, "grid_stride": 7, "column": column, "number": 20}
    found = chosen(smooth_flow(30, 40, seed), valid, **options)
    assert all(valid[y, x] for y, x in found)
    assert len(found) > 5 or share < 1


@given(seed=seeds, number=st.integers(0, 40))
@settings(deadline=None)
def test_random_points_are_as_many_as_asked_for_and_spread_evenly(seed, number):
    flow = smooth_flow(20, 30, 0)
    points = chosen(flow, seed=seed, points="random", number=number)
    assert len(points) == number
    assert points == chosen(flow, seed=seed, points="random", number=number)
    few = np.zeros((20, 30), bool)
    few[3, 4:9] = True
    assert len(chosen(flow, few, points="random", number=number)) == min(number, 5)


def test_random_points_are_anywhere():
    flow = np.zeros((2, 20, 20), np.float32)
    found = np.array([chosen(flow, seed=seed, points="random", number=5) for seed in range(200)]).reshape(-1, 2)
    assert len({tuple(point) for point in found.tolist()}) > 350  # of 400; a thousand draws miss a pixel with 8 %
    np.testing.assert_allclose(found.mean(axis=0), 9.5, atol=0.6)


def test_the_column_s_points_are_taken_as_they_are():
    flow = smooth_flow(30, 40, 0)
    column = np.array([[5, 6], [20, 7], [5, 6], [0, 39]])
    assert chosen(flow, points="column", column=column) == [[0, 39], [5, 6], [20, 7]]
    assert chosen(flow, points="column", column=np.empty((0, 2), np.int64)) == []
    with pytest.raises(ValueError, match="no column"):
        chosen(flow, points="column")


def test_none_is_none():
    assert chosen(smooth_flow(30, 40, 0), points="none") == []
    assert set(map(tuple, chosen(smooth_flow(30, 40, 0), points="none", grid_stride=10))) == grid(30, 40, 10)


@given(limit=st.integers(0, 30))
@settings(deadline=None)
def test_too_many_points_are_thinned_by_chance(limit):
    flow = smooth_flow(40, 50, 1)
    every = chosen(flow, grid_stride=12)
    assert len(every) == 28  # so that limits on both sides are tried
    some = [chosen(flow, seed=seed, grid_stride=12, max_points=limit) for seed in range(30)]
    assert all(len(points) == min(limit, len(every)) for points in some)
    assert all(point in every for points in some for point in points)
    if 3 <= limit <= 20:
        assert {tuple(point) for points in some for point in points} == set(map(tuple, every))


@given(seed=seeds, number=st.integers(0, 9))
@settings(deadline=None)
def test_the_map_tells_flow_at_the_points_and_nothing_elsewhere(seed, number):
    flow = smooth_flow(20, 30, seed)
    points = np.random.default_rng(seed).integers(0, (20, 30), (number, 2))
    told = guidance_map(points, flow)
    assert told.shape == (3, 20, 30)
    assert told.dtype == np.float32
    expected = np.zeros((3, 20, 30), np.float32)
    for y, x in points:
        expected[:, y, x] = [flow[0, y, x], flow[1, y, x], 1]
    np.testing.assert_array_equal(told, expected)
