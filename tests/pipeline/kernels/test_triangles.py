"""Triangles before a camera, against rays that are cast at them one by one (Möller and Trumbore)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.kernels.triangles import covered, material_motion, moved, nearest_faces, projected

FOCAL, SIZE = 20.0, 16
CENTRE = (SIZE - 1) / 2
scenes = given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12))


def triangles(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles at all distances, some of them partly or wholly behind the camera."""
    rng = np.random.default_rng(seed)
    middles = rng.uniform([-3, -3, -1], [3, 3, 8], (count, 1, 3))
    vertices = (middles + rng.normal(0, 1.5, (count, 3, 3))).reshape(-1, 3)
    return vertices, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def hits(vertices: np.ndarray, faces: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How far along the way from the camera to a target each triangle is met from its front, `(F,)`; infinity: not."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    along = (a * normal).sum(1) / (normal @ target)
    met = along[:, None] * target
    inside = [(np.cross(q - p, met - p) * normal).sum(1) >= 0 for p, q in ((a, b), (b, c), (c, a))]
    before = np.min([a[:, 2], b[:, 2], c[:, 2]], axis=0) > 1e-3
    return np.where(np.all(inside, axis=0) & before & (normal @ target < 0), along, np.inf)


@settings(deadline=None, max_examples=30)  # the first call compiles
@scenes
@pytest.mark.parametrize("scale", [1, 3])
def test_the_nearest_triangle_is_the_first_that_a_ray_meets(scale: int, seed: int, count: int):
    vertices, faces = triangles(seed, count)
    seen = nearest_faces(projected(vertices, FOCAL, CENTRE), faces, SIZE, SIZE, scale)
    assert seen.shape == (scale * SIZE, scale * SIZE)
    for i, j in np.random.default_rng(seed).integers(0, scale * SIZE, (40, 2)):
        x, y = (j + 0.5) / scale - 0.5 - CENTRE, (i + 0.5) / scale - 0.5 - CENTRE
        distance = hits(vertices, faces, np.array([x / FOCAL, y / FOCAL, 1.0]))
        assert seen[i, j] == (distance.argmin() if np.isfinite(distance).any() else -1)


@settings(deadline=None, max_examples=30)
@scenes
def test_a_point_is_covered_where_a_ray_meets_something_before_it(seed: int, count: int):
    vertices, faces = triangles(seed, count)
    rng = np.random.default_rng(seed + 1)
    points = rng.uniform([-2, -2, 0.5], [2, 2, 9], (50, 3))
    own = rng.integers(-1, count, (50, 2)).astype(np.int32)
    labels = rng.permutation(count).astype(np.int32)
    places = projected(points, FOCAL, CENTRE)
    found = covered(places, own, projected(vertices, FOCAL, CENTRE), faces, labels, SIZE, SIZE)
    within = ((places[:, :2] >= -0.5) & (places[:, :2] <= SIZE - 0.5)).all(axis=1)
    for n in range(50):
        before = (hits(vertices, faces, points[n]) < 1) & ~np.isin(labels, own[n])
        assert found[n] == (within[n] and before.any())


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_triangles_that_share_edges_leave_no_gap(seed: int):
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(-3, 3, 9), np.linspace(-3, 3, 9))
    x[1:-1, 1:-1] += rng.uniform(-0.2, 0.2, (7, 7))
    vertices = np.stack([x.ravel(), y.ravel(), 4 + rng.uniform(-0.5, 0.5, 81)], 1)
    corner = np.arange(81, dtype=np.int32).reshape(9, 9)
    a, b, c, d = (corner[i : 8 + i, j : 8 + j].ravel() for i, j in ((0, 0), (0, 1), (1, 1), (1, 0)))
    faces = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)])
    assert (nearest_faces(projected(vertices, FOCAL, CENTRE), faces, SIZE, SIZE, 2) >= 0).all()


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_a_triangle_is_seen_from_its_front_alone(order: tuple[int, int, int]):
    """From the upper left down to the middle, then to the upper right, is counter-clockwise to the eye."""
    corners = np.array([[-9, -9, 5], [9, -9, 5], [0, 9, 5]], np.float64)
    seen = nearest_faces(projected(corners, FOCAL, CENTRE), np.array([order], np.int32), SIZE, SIZE, 1)
    assert (seen == 0).any() == (order == (0, 2, 1))


def test_a_plane_that_moves_has_the_flow_of_its_points():
    """Of a plane, the point at each pixel is where the ray meets it: no weights of corners are needed."""
    corners = np.array([[-9, -9, 5], [9, -9, 5], [9, 9, 7], [-9, 9, 7]], np.float64)
    faces = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
    angle = 0.1
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    shift = np.array([0.2, -0.1, 0.3])
    second = moved(corners, np.zeros(4, np.int32), turn[None], shift[None])
    np.testing.assert_allclose(second, corners @ turn.T + shift)
    places = projected(corners, FOCAL, CENTRE)
    seen = nearest_faces(places, faces, SIZE, SIZE, 1)
    assert (seen >= 0).all()
    flow, near = material_motion(seen, places, faces, corners, second, FOCAL, CENTRE)
    y, x = np.indices((SIZE, SIZE))
    rays = np.stack([(x - CENTRE) / FOCAL, (y - CENTRE) / FOCAL, np.ones((SIZE, SIZE))], -1)
    met = rays * (6 / (1 - rays[..., 1:2] / 9))  # the plane is z = 6 + y / 9
    goes = met @ turn.T + shift
    expected = FOCAL * goes[..., :2] / goes[..., 2:] + CENTRE - np.stack([x, y], -1)
    np.testing.assert_allclose(flow.transpose(1, 2, 0), expected, atol=1e-9)
    np.testing.assert_allclose(near, 1 / goes[..., 2])
    still, _ = material_motion(seen, places, faces, corners, corners, FOCAL, CENTRE)
    assert not still.any()


def test_what_comes_to_be_behind_the_camera_is_told():
    corners = np.array([[-9, -9, 5], [9, -9, 5], [0, 9, 5]], np.float64)
    faces = np.array([[0, 2, 1]], np.int32)
    places = projected(corners, FOCAL, CENTRE)
    seen = nearest_faces(places, faces, SIZE, SIZE, 1)
    flow, near = material_motion(seen, places, faces, corners, corners - [0, 0, 6], FOCAL, CENTRE)
    np.testing.assert_array_equal(near, np.where(seen < 0, 0, -1))
    assert not flow.any()
