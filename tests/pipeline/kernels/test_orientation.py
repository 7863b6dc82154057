import higra as hg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.kernels.orientation import boundary_orientation, oriented_strength
from pipeline.kernels.watershed import edge_strength, watershed


def between_axes(a: NDArray[np.floating], b: NDArray[np.floating] | float) -> NDArray[np.floating]:
    return np.abs((a - b + np.pi / 2) % np.pi - np.pi / 2)


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90, 110, 135, 160])
def test_the_orientation_of_a_ridge_is_its_normal(degrees: int):
    y, x = np.mgrid[-30:31, -30:31]
    normal = np.radians(degrees)
    ridge = np.exp(-((x * np.cos(normal) + y * np.sin(normal)) ** 2) / 8).astype(np.float32)
    orientation = boundary_orientation(ridge)
    on_it = (ridge > 0.5) & (np.hypot(x, y) < 20)
    assert between_axes(orientation[on_it], normal).max() < np.radians(3)
    assert orientation.min() >= 0
    assert orientation.max() < np.pi


@settings(deadline=None)  # the first call compiles
@given(shape=st.tuples(st.integers(1, 15), st.integers(1, 15)), seed=st.integers(0, 2**32 - 1))
def test_the_orientation_is_that_of_the_lowest_eigenvalue(shape: tuple[int, int], seed: int):
    strength = np.random.default_rng(seed).random(shape)
    triangle = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25
    smooth = strength
    for axis in range(2):
        smooth = ndimage.correlate1d(smooth, triangle, axis, mode="nearest")
    second, first = np.array([1, -2, 1]), np.array([-1, 0, 1]) / 2
    xx, yy = (ndimage.correlate1d(smooth, second, axis, mode="nearest") for axis in (1, 0))
    xy = ndimage.correlate1d(ndimage.correlate1d(smooth, first, 1, mode="nearest"), first, 0, mode="nearest")
    values, vectors = np.linalg.eigh(np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2))
    clear = values[..., 1] - values[..., 0] > 1e-6
    defined = np.arctan2(vectors[..., 1, 0], vectors[..., 0, 0])
    assert between_axes(boundary_orientation(strength), defined)[clear].max(initial=0) < 1e-5


@pytest.mark.parametrize("smoothing", [0, 1, 2.5])
@pytest.mark.parametrize("shape", [(90, 110), (1, 200), (200, 1), (2, 90)])
def test_arcs_are_adjusted_as_in_higra(smoothing: float, shape: tuple[int, int]):
    random = np.random.default_rng(7)
    strength = ndimage.gaussian_filter(random.random(shape), smoothing)
    orientation = random.random(shape) * np.pi
    graph = hg.get_4_adjacency_graph(shape)
    source, target = graph.edge_list()
    doubled = np.exp(2j * orientation).ravel()
    peer = hg.oriented_watershed(
        graph,
        hg.weight_graph(graph, strength, hg.WeightFunction.mean),
        edge_orientations=np.angle(doubled[source] + doubled[target]) / 2,
    )
    right, below = oriented_strength(watershed(strength), *edge_strength(strength), orientation)
    y, x = np.divmod(source, shape[1])
    ours = np.where((target == source + 1) & (shape[1] > 1), right[y, x], below[y, x])
    np.testing.assert_allclose(
        hg.rag_accumulate_on_edges(peer[0], hg.Accumulators.mean, ours), peer[1], rtol=0, atol=1e-9
    )


def test_what_lies_across_a_boundary_does_not_count():
    basins = np.repeat([[0, 0, 1, 1]], 6, axis=0).astype(np.int32)
    right, below = np.full((2, 6, 4), 0.5)
    for normal, left in ((0, 1), (np.pi / 3, 0.5), (np.pi / 2, 0)):
        oriented = oriented_strength(basins, right, below, np.full((6, 4), normal))
        np.testing.assert_allclose(oriented[0][:, 1], 0.5 * left, atol=1e-12)
        assert (oriented[0][:, [0, 2]] == 0.5).all()
        assert (oriented[1] == 0.5).all()


def test_the_input_stays_as_it_is():
    basins = np.array([[0, 1], [0, 1]], np.int32)
    right, below = np.ones((2, 2, 2))
    oriented_strength(basins, right, below, np.full((2, 2), 1.0))
    assert (right == 1).all()
    assert (below == 1).all()
