import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.kernels import distance_to_edges, motion_edges, window_maxima

shapes = st.tuples(st.integers(1, 50), st.integers(1, 50))
seeds = st.integers(0, 2**32 - 1)


def defined_edges(flow: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Motion edges by SciPy's Sobel, in double precision."""
    gradients = [[ndimage.sobel(channel, axis, mode="reflect") for axis in (1, 0)] for channel in flow.astype(float)]
    edge = sum(np.sqrt(gx**2 + gy**2) for gx, gy in gradients)
    return edge / max(edge.max(), 0.01) > threshold


def defined_distance(edges: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The squared distance to the edge that SciPy finds nearest."""
    y, x = ndimage.distance_transform_edt(~edges, return_distances=False, return_indices=True)
    rows, columns = np.indices(edges.shape)
    return (y - rows) ** 2 + (x - columns) ** 2


def defined_maxima(distance: NDArray[np.integer], size: int) -> NDArray[np.float32]:
    """Window maxima by SciPy's maximum filter, eliminated one by one, farthest first, then by y, then by x."""
    candidate = (distance == ndimage.maximum_filter(distance, size)) & (distance > 0)
    candidate[[0, -1]] = candidate[:, [0, -1]] = False
    kept: list[tuple[int, int]] = []
    for y, x in sorted(np.argwhere(candidate).tolist(), key=lambda p: (-distance[tuple(p)], p)):
        if all(abs(y - b) >= (size - 1) / 2 or abs(x - a) >= (size - 1) / 2 for b, a in kept):
            kept.append((y, x))
    return np.array([(y, x, np.sqrt(distance[y, x])) for y, x in kept], np.float32).reshape(-1, 3)


@settings(deadline=None)  # the first call compiles
@given(shape=shapes, seed=seeds, kind=st.sampled_from(["smooth", "blocks", "integers", "extreme"]))
def test_edges_are_the_definition_s_to_the_last_pixel(shape: tuple[int, int], seed: int, kind: str):
    random = np.random.default_rng(seed)
    if kind == "smooth":
        flow = ndimage.gaussian_filter(random.normal(size=(2, *shape)), (0, 4, 4)) * 20
    elif kind == "blocks":
        flow = np.kron(random.normal(size=(2, 7, 7)), np.ones((8, 8)))[:, : shape[0], : shape[1]]
    elif kind == "integers":
        flow = random.integers(-2, 3, (2, *shape))
    else:
        flow = random.normal(size=(2, *shape)) * 10.0 ** random.integers(-30, 37, (2, *shape))
    flow = flow.astype(np.float32)
    for threshold in (0.1, 0.5):
        np.testing.assert_array_equal(motion_edges(flow, threshold), defined_edges(flow, threshold))


@pytest.mark.parametrize("value", [0, 3.5, -511, 1e30])
def test_a_constant_field_has_no_edges(value: float):
    assert not motion_edges(np.full((2, 20, 30), value, np.float32), 0.1).any()


def test_differences_far_below_the_floor_are_no_edges():
    flow = np.zeros((2, 20, 30), np.float32)
    flow[0, :, 15:] = 1e-4  # a Sobel magnitude of 4e-4, less than a tenth of 0.01
    assert not motion_edges(flow, 0.1).any()
    assert motion_edges(flow * 10, 0.1).any()


def test_edges_do_not_depend_on_memory_layout():
    flow = np.random.default_rng(0).normal(size=(30, 20, 2)).astype(np.float32)
    np.testing.assert_array_equal(
        motion_edges(flow.transpose(2, 0, 1), 0.5), motion_edges(flow.transpose(2, 0, 1).copy(), 0.5)
    )


@settings(deadline=None)  # the first call compiles
@given(shape=shapes, seed=seeds, share=st.sampled_from([0.002, 0.02, 0.2, 0.9]))
def test_distances_are_exact(shape: tuple[int, int], seed: int, share: float):
    random = np.random.default_rng(seed)
    edges = random.random(shape) < share
    edges[random.integers(shape[0]), random.integers(shape[1])] = True
    np.testing.assert_array_equal(distance_to_edges(edges), defined_distance(edges))


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (700, 900)])
def test_distances_are_exact_far_from_the_only_edge(shape: tuple[int, int]):
    edges = np.zeros(shape, bool)
    edges[-1, 0] = True
    y, x = np.indices(shape)
    np.testing.assert_array_equal(distance_to_edges(edges), (shape[0] - 1 - y) ** 2 + x**2)


def test_without_edges_there_is_no_distance():
    with pytest.raises(ValueError, match="no edges"):
        distance_to_edges(np.zeros((5, 5), bool))


@settings(deadline=None)  # the first call compiles
@given(shape=shapes, seed=seeds, size=st.sampled_from([3, 5, 7, 15, 41, 81, 201]), levels=st.sampled_from([2, 4, 60]))
def test_maxima_of_plateaus_are_the_definition_s(shape: tuple[int, int], seed: int, size: int, levels: int):
    distance = np.random.default_rng(seed).integers(0, levels, shape, dtype=np.int32)
    np.testing.assert_array_equal(window_maxima(distance, size), defined_maxima(distance, size))


@settings(deadline=None)  # the first call compiles
@given(shape=shapes, seed=seeds, size=st.sampled_from([3, 7, 15, 41]), edges=st.integers(1, 12))
def test_maxima_of_distances_are_the_definition_s(shape: tuple[int, int], seed: int, size: int, edges: int):
    random = np.random.default_rng(seed)
    is_edge = np.zeros(shape, bool)
    is_edge[random.integers(shape[0], size=edges), random.integers(shape[1], size=edges)] = True
    distance = distance_to_edges(is_edge)
    np.testing.assert_array_equal(window_maxima(distance, size), defined_maxima(distance, size))


def test_of_equals_the_upper_then_the_left_stays():
    np.testing.assert_array_equal(
        window_maxima(np.full((12, 12), 4, np.int32), 9), [(y, x, 2) for y in (1, 5, 9) for x in (1, 5, 9)]
    )


def test_a_maximum_on_the_border_shadows_but_is_no_point():
    distance = np.zeros((20, 20), np.int32)
    distance[0, 5], distance[3, 5], distance[15, 15] = 9, 4, 1
    np.testing.assert_array_equal(window_maxima(distance, 7), [(15, 15, 1)])
