from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from common_fate.errors import SampleError
from pipeline.columns.guidance import STAGE, GuidanceOptions, watershed_points
from pipeline.kernels import grid_points
from pipeline.stages.stage import Failure


def two_halves(height: int, width: int) -> NDArray[np.float32]:
    """The left half stands still, the right half moves right by 5 pixels."""
    flow = np.zeros((2, height, width), np.float32)
    flow[0, :, width // 2 :] = 5
    return flow


def defined_points(flow: NDArray[np.float32], options: GuidanceOptions) -> list[tuple[float, float, float]]:
    """The published sampler's steps in SciPy and NumPy, with our rule for ties."""
    size = options.kernel_size
    edge = np.zeros(flow.shape[1:])
    for channel in flow.astype(float):
        edge += np.sqrt(ndimage.sobel(channel, 1, mode="reflect") ** 2 + ndimage.sobel(channel, 0, mode="reflect") ** 2)
    is_edge = edge / max(edge.max(), 0.01) > options.edge_threshold
    if not is_edge.any():
        return []
    squared = np.rint(ndimage.distance_transform_edt(~is_edge) ** 2).astype(int)
    candidate = (squared == ndimage.maximum_filter(squared, size)) & (squared > 0)
    candidate[[0, -1]] = candidate[:, [0, -1]] = False
    kept: list[tuple[int, int]] = []
    for y, x in sorted(np.argwhere(candidate).tolist(), key=lambda p: (-squared[tuple(p)], p)):
        if all(abs(y - b) >= (size - 1) / 2 or abs(x - a) >= (size - 1) / 2 for b, a in kept):
            kept.append((y, x))
    return [(y, x, float(np.float32(np.sqrt(squared[y, x])))) for y, x in kept]


def test_a_moving_part_gets_a_point_at_its_middle():
    flow = np.zeros((2, 96, 128), np.float32)
    flow[0, 30:61, 50:91] = 5  # edges in rows 29, 30, 60 and 61: its middle is 15 from the nearest
    points = watershed_points(flow, GuidanceOptions(kernel_size=41))
    inside = [(y, x, d) for y, x, d in points.tolist() if 30 <= y < 61 and 50 <= x < 91]
    assert inside == [(45, 65, 15)]


def test_points_on_image_borders_are_removed():
    assert watershed_points(two_halves(64, 128), GuidanceOptions(kernel_size=41)).shape == (0, 3)


@settings(deadline=None)  # the first call compiles
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 96), st.integers(1, 96)),
    options=st.builds(GuidanceOptions, st.sampled_from([3, 15, 41, 81]), st.sampled_from([0.1, 0.4, 0.9])),
    blocky=st.booleans(),
)
def test_agrees_with_the_definition(seed: int, shape: tuple[int, int], options: GuidanceOptions, blocky: bool):
    random = np.random.default_rng(seed)
    if blocky:
        flow = np.kron(random.integers(-1, 2, (2, 4, 4)), np.ones((24, 24)))[:, : shape[0], : shape[1]]
    else:
        flow = ndimage.gaussian_filter(random.normal(size=(2, *shape)), (0, 8, 8))
    flow = flow.astype(np.float32)
    points = watershed_points(flow, options)
    assert points.dtype == np.float32
    assert [tuple(point) for point in points.tolist()] == defined_points(flow, options)


@pytest.mark.parametrize("value", [0, 7.25, -300])
def test_a_field_of_one_value_has_no_key_points(value: float):
    points = watershed_points(np.full((2, 64, 64), value, np.float32), GuidanceOptions())
    assert (points.shape, points.dtype) == ((0, 3), np.float32)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2), (2, 50)])
def test_a_field_that_is_all_border_has_no_key_points(shape: tuple[int, int]):
    flow = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    assert watershed_points(flow, GuidanceOptions()).shape == (0, 3)


def test_in_a_field_smaller_than_the_window_the_farthest_point_stays():
    flow = np.zeros((2, 21, 31), np.float32)
    flow[0, 0], flow[0, -1], flow[0, :, 0], flow[0, :, -1] = 5, 5, 5, 5  # two rings of edges
    points = watershed_points(flow, GuidanceOptions(kernel_size=81))
    np.testing.assert_array_equal(points, [(10, 10, 9)])


def test_a_field_that_is_all_edges_has_no_key_points():
    flow = np.stack(np.meshgrid(np.arange(40.0), np.arange(30.0))).astype(np.float32)
    assert watershed_points(flow, GuidanceOptions()).shape == (0, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(0, 0, 0), (1, 30, 30), (1, 63, 63)])
def test_a_value_that_is_not_finite_fails_the_sample(bad: float, where: tuple[int, int, int]):
    flow = two_halves(64, 64)
    flow[where] = bad
    with pytest.raises(SampleError, match="not finite"):
        watershed_points(flow, GuidanceOptions())


def test_the_stage_gives_points_or_a_reason():
    flow = two_halves(64, 128)
    samples: list[tuple[str, dict[str, Any]]] = [
        ("a-000001", {"flow.b2": flow}),
        ("a-000002", {"flow.b2": np.full_like(flow, np.nan)}),
    ]
    (key, made), failure = STAGE.run(iter(samples), GuidanceOptions(kernel_size=41))
    assert key == "a-000001"
    assert STAGE.measure(made) == {"points": len(made["guidance.npy"])}
    assert failure == Failure("a-000002", "the flow has values that are not finite")


@pytest.mark.parametrize("kernel_size", [80, 2, 1, 0, -3])
def test_a_window_without_a_centre_is_refused(kernel_size: int):
    with pytest.raises(ValueError, match=f"kernel_size is {kernel_size}.*odd number from 3"):
        GuidanceOptions(kernel_size=kernel_size)


@pytest.mark.parametrize("threshold", [0, 1, -0.1, 2, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold: float):
    with pytest.raises(ValueError, match=r"edge_threshold is .* above 0 and below 1"):
        GuidanceOptions(edge_threshold=threshold)


@pytest.mark.parametrize(
    ("side", "stride", "count"),
    [(384, 200, 4), (384, 80, 25), (320, 80, 16), (320, 165, 4), (256, 133, 4), (384, 131, 9)],
)
def test_the_grid_has_as_many_points_as_published(side: int, stride: int, count: int):
    assert grid_points(side, side, stride).shape == (count, 2)


def test_the_grid_is_centred_and_goes_line_by_line():
    points = grid_points(384, 500, 200)
    np.testing.assert_array_equal(points, [(92, 50), (92, 250), (92, 450), (292, 50), (292, 250), (292, 450)])
    assert points.dtype == np.int32


def test_the_grid_of_an_image_smaller_than_its_stride_is_the_middle():
    np.testing.assert_array_equal(grid_points(50, 61, 200), [(25, 30)])


def test_a_grid_without_stride_is_refused():
    with pytest.raises(ValueError, match="stride is 0"):
        grid_points(10, 10, 0)
