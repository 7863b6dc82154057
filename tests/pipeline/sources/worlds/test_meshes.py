"""Meshes against the formulas of their solids."""

from collections import Counter

import numpy as np
import pytest

from pipeline.sources.worlds.meshes import (
    Mesh,
    box,
    capsule,
    cube,
    cylinder,
    ellipsoid,
    joined,
    mirrored,
    painted,
    placed,
)
from pipeline.sources.worlds.vectors import looking, rotation

BALL = 4 / 3 * np.pi
# With few corners around, a circle's area is less by this.
ROUND = 24 / (2 * np.pi) * np.sin(2 * np.pi / 24)
SOLIDS = {
    "box": (box([1, 2, 3]), 48.0, 1e-9),
    "rounded box": (box([1, 2, 3], 0.5, 8), 48 - (1 - np.pi / 4) * 0.25 * 4 * (1 + 3 + 5) - (8 - BALL) * 0.125, 0.002),
    "cube": (cube(np.linspace(-1, 1, 4)), 8.0, 1e-9),
    "cylinder": (cylinder(0.5, 2), np.pi * ROUND, 1e-9),
    "capsule": (capsule(0.5, 2), np.pi + BALL / 8, 0.02),
    "ellipsoid": (ellipsoid([1, 2, 3], 48), 6 * BALL, 0.01),
}


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def edges(mesh: Mesh) -> Counter[tuple[int, int]]:
    """How often each edge is run along, by the places of its ends."""
    _, same = np.unique(np.round(mesh.vertices, 6) + 0.0, axis=0, return_inverse=True)
    faces = same.ravel()[mesh.faces]
    return Counter((int(face[k]), int(face[(k + 1) % 3])) for face in faces for k in range(3))


@pytest.mark.parametrize("name", SOLIDS)
def test_a_solid_is_closed_and_has_its_volume(name: str):
    mesh, expected, share = SOLIDS[name]
    assert volume(mesh) == pytest.approx(expected, rel=share)
    along = edges(mesh)
    assert set(along.values()) == {1}
    assert all((b, a) in along for a, b in along)


@pytest.mark.parametrize("name", SOLIDS)
def test_normals_have_length_one_and_look_outwards(name: str):
    mesh, _, _ = SOLIDS[name]
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    assert (flat * mesh.normals[mesh.faces].mean(axis=1)).sum(axis=1).min() > 0.8


def test_the_normals_of_round_solids_are_those_of_formulas():
    ball = ellipsoid([1, 2, 3])
    slope = ball.vertices / np.array([1, 4, 9])
    np.testing.assert_allclose(ball.normals, slope / np.linalg.norm(slope, axis=1, keepdims=True), atol=1e-9)
    pill = capsule(0.5, 2)
    axis = np.stack([np.zeros(len(pill.vertices))] * 2 + [np.clip(pill.vertices[:, 2], -2, 2)], 1)
    np.testing.assert_allclose(pill.normals, (pill.vertices - axis) / 0.5, atol=1e-9)


def test_a_mirror_image_looks_outwards_and_mirrors_back():
    mesh = placed(box([1, 2, 3], 0.2), (5, 1, 2))
    image = mirrored(mesh, 0)
    assert volume(image) == pytest.approx(volume(mesh))
    np.testing.assert_allclose(image.vertices.mean(axis=0), mesh.vertices.mean(axis=0) * [-1, 1, 1])
    np.testing.assert_array_equal(mirrored(image, 0).vertices, mesh.vertices)


def test_joined_meshes_keep_their_colours_and_parts():
    red, blue = (
        painted(box([1, 1, 1]), (255, 0, 0), 0.5),
        placed(painted(cylinder(1, 1), (0, 0, 255)), (9, 0, 0), part=3),
    )
    both = joined([red, blue])
    assert volume(both) == pytest.approx(volume(red) + volume(blue))
    right = both.centroids()[:, 0] > 5
    np.testing.assert_array_equal(both.parts, np.where(right, 3, 0))
    np.testing.assert_array_equal(both.colours[right], np.broadcast_to([0, 0, 255], (right.sum(), 3)))
    of_vertices = both.vertex_parts()[both.faces]
    np.testing.assert_array_equal(of_vertices, np.repeat(both.parts[:, None], 3, axis=1))


def test_a_rotation_turns_about_its_axis():
    turn = rotation([0, 0, 2], np.pi / 2)
    np.testing.assert_allclose(turn @ [1, 0, 5], [0, 1, 5], atol=1e-12)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)


def test_a_camera_sees_its_target_ahead_and_up_above():
    turn, shift = looking([3, -4, 2], [0, 1, 1])
    np.testing.assert_allclose(turn @ [0, 1, 1] + shift, [0, 0, np.sqrt(9 + 25 + 1)], atol=1e-12)
    np.testing.assert_allclose(turn @ [3, -4, 2] + shift, 0, atol=1e-12)
    assert (turn @ [0, 0, 1])[1] < 0  # y points down
    assert np.linalg.det(turn) == pytest.approx(1)
