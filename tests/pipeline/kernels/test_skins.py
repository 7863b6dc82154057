import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from pipeline.kernels.skins import locate


@given(st.integers(0, 2**32 - 1), st.integers(3, 20))
def test_places_are_in_the_triangles_that_scipy_finds(seed: int, corners: int):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(corners, 2))
    mesh = Delaunay(points)
    places = rng.normal(size=(40, 2)) * 1.3
    inside = mesh.find_simplex(places)
    at = points @ [1, 1j]
    found, weights = locate(places @ [1, 1j], at[mesh.simplices])
    np.testing.assert_array_equal(found, inside)
    known = found >= 0
    np.testing.assert_allclose((weights * at[mesh.simplices][found]).sum(1)[known], (places @ [1, 1j])[known])
    assert (weights >= -1e-8).all()


def test_of_two_that_overlap_the_last_and_of_none_nothing():
    corners = np.array([[0, 4, 4j], [1j, 5 + 1j, 5j], [7, 8, 9]])  # the third has no area
    found, weights = locate(np.array([0.5 + 0.2j, 1 + 1.5j, 8 + 0j, 4j, 2 + 2.2j]), corners)
    assert found.tolist() == [0, 1, -1, 1, 1]
    np.testing.assert_allclose(weights[0], [0.825, 0.125, 0.05])
    assert locate(np.array([1j]), np.zeros((0, 3), complex))[0].tolist() == [-1]
