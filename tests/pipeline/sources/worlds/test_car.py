"""The car is its own mirror image, its points pair up, and its heading walks."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.columns.landmarks import mirrored_pairs
from pipeline.sources.worlds.car import EYE, _Motion, film
from pipeline.sources.worlds.car_body import BODIES, REAR, build_car
from pipeline.sources.worlds.raster import Shot, SolidFilm
from pipeline.sources.worlds.vectors import looking, rotation
from pipeline.sources.worlds.world import WorldOptions


def standing(heading: float, size: int = 128, side: float = 0.0) -> SolidFilm:
    """The car in the middle of the picture, as its videos light it."""
    of = film(WorldOptions(world="car", size=size), 0)
    turn, shift = looking(EYE, np.zeros(3))
    shot = Shot(
        (turn @ rotation([0, 0, 1], heading))[None],
        (turn @ np.array([0, side, -0.7]) + shift)[None],
        of.shot(0).light,
    )
    return replace(of, shot=lambda number: shot)


def as_rows(corners: np.ndarray, colours: np.ndarray) -> list[tuple[float, ...]]:
    """Triangles `(F, 3, 3)` as rows that do not depend on which corner is first, sorted."""
    rows = []
    for triangle, colour in zip(np.round(corners, 6) + 0.0, colours, strict=True):
        first = min(range(3), key=lambda k: tuple(triangle[k]))
        rows.append((*np.roll(triangle, -first, axis=0).ravel(), *colour))
    return sorted(rows)


def test_the_mesh_is_its_own_mirror_image():
    mesh = build_car(0).mesh
    corners = mesh.vertices[mesh.faces]
    mirrored = (corners * [1, -1, 1])[:, ::-1]
    assert as_rows(corners, mesh.colours) == as_rows(mirrored, mesh.colours)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([4.3, 2.1, 1.45], abs=0.1)


def test_faces_look_outwards():
    """By the volume, of which what looks inwards takes away (the divergence theorem), and by the normals of corners."""
    mesh = build_car(0).mesh
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert 6 < (a * np.cross(b, c)).sum() / 6 < 8.5  # cubic metres, overlaps counted twice
    agree = (np.cross(b - a, c - a) * mesh.normals[mesh.faces].mean(axis=1)).sum(axis=1)
    assert (agree > 0).mean() > 0.995


def test_points_pair_up():
    car = build_car(0)
    pairs = mirrored_pairs(car.names)
    assert len(pairs) == sum(name.startswith("left_") for name in car.names) == 6
    for left, right in pairs:
        np.testing.assert_allclose(car.places[left] * [1, -1, 1], car.places[right])
        assert car.places[left][1] > 0.3
    paired = {row for pair in pairs for row in pair}
    alone = [row for row in range(len(car.names)) if row not in paired]
    np.testing.assert_allclose(car.places[alone, 1], 0, atol=1e-9)


def test_a_picture_of_its_rear_is_its_own_mirror_image_and_so_are_its_points():
    of = standing(0.0)
    image, points = of.image(0).astype(int), of.points(0)
    assert np.abs(image - image[:, ::-1]).mean() < 0.5
    for left, right in mirrored_pairs(points.names):
        y, x, visible = points.rows[left]
        np.testing.assert_allclose(points.rows[right], [y, 127 - x, visible], atol=1e-3)
        assert x < 63.5  # seen from behind


@pytest.mark.parametrize("heading", [0.4, 1.5, 2.6])
def test_a_mirrored_picture_is_that_of_the_mirrored_pose(heading: float):
    of, other = standing(heading, side=0.2), standing(-heading, side=-0.2)
    image, mirrored = of.image(0).astype(int), other.image(0)[:, ::-1].astype(int)
    assert np.abs(image - mirrored).mean() < 0.5
    points, others = of.points(0), other.points(0)
    rows = others.rows * [1, -1, 1] + [0, 127, 0]
    for left, right in mirrored_pairs(points.names):
        rows[[left, right]] = rows[[right, left]]
    np.testing.assert_allclose(points.rows, rows, atol=1e-3)


def test_each_point_is_seen_from_somewhere_and_hidden_from_elsewhere():
    seen = np.array([standing(heading).points(0).rows[:, 2] for heading in np.linspace(-np.pi, np.pi, 16)])
    assert seen.any(axis=0).all()
    low = [row for row, name in enumerate(standing(0).points(0).names) if name != "roof"]
    assert (~(seen[:, low] > 0)).any(axis=0).all()


def test_its_rear_is_red():
    def share(heading: float) -> float:
        of = standing(heading)
        body = of.truth(0, 0).objects == 1
        red, _, blue = of.image(0)[body].astype(int).T
        return float((red > 1.5 * blue).mean())

    assert share(0.0) > 0.4
    assert share(np.pi) < 0.1
    assert REAR not in BODIES


def test_the_heading_walks_at_random_and_comes_full_circle():
    walks = [_Motion(np.random.default_rng(seed), 2000, 20) for seed in range(20)]
    headings = np.array([[walk.heading(number) for number in range(0, 2000, 10)] for walk in walks])
    gone = headings - headings[:, :1]
    assert np.abs(gone).max(axis=1).min() > np.pi
    # Of a walk the variance grows with time, and its steps are as often to the left as to the right.
    early, late = gone[:, 40].std(), gone[:, -1].std()
    assert late > 1.3 * early
    assert 0.4 < (np.diff(headings) > 0).mean() < 0.6
    fine = np.array([walks[0].heading(number) for number in range(300)])
    assert np.degrees(np.abs(np.diff(fine))).max() < 12
    assert np.degrees(np.abs(np.diff(fine, 2))).max() < 2  # smoothly


def test_seeds_paint_it_otherwise():
    assert len({tuple(build_car(seed).mesh.colours.mean(axis=0)) for seed in range(6)}) == 6
