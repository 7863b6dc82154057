"""The sphere of triangles against the sphere of geometry: rays, projections and what faces the camera."""

import numpy as np
import pytest

from pipeline.sources.worlds.meshes import cube_texels
from pipeline.sources.worlds.sphere import _sphere, film, icosahedron
from pipeline.sources.worlds.world import WorldOptions

SIZE, FOCAL = 90, 1.55 * 90
CENTRE = (SIZE - 1) / 2


def options(**more: int) -> WorldOptions:
    return WorldOptions(world="sphere", **{"size": SIZE, "frames": 100, **more})


def pose(of, number: int) -> tuple[np.ndarray, np.ndarray]:
    shot = of.shot(number)
    return shot.turns[0], shot.shifts[0]


@pytest.mark.parametrize("number", [0, 13, 77])
def test_points_are_where_the_formula_has_them(number: int):
    of = film(options(), 3)
    turn, shift = pose(of, number)
    there = np.array([turn @ corner + shift for corner in icosahedron()])
    rows = of.points(number).rows
    np.testing.assert_allclose(rows[:, 1], FOCAL * there[:, 0] / there[:, 2] + CENTRE, atol=1e-4)
    np.testing.assert_allclose(rows[:, 0], FOCAL * there[:, 1] / there[:, 2] + CENTRE, atol=1e-4)
    facing = ((there - shift) * there).sum(axis=1) / np.linalg.norm(there, axis=1)  # the normal's cosine with the view
    clear = np.abs(facing) > 0.04  # points are on the sphere, and see over the horizon of its flat faces
    assert clear.sum() >= 8
    np.testing.assert_array_equal(rows[clear, 2] > 0, (facing < 0)[clear])


def met(turn: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the rays through pixel centres meet the sphere, in its own coordinates; and whether they do."""
    y, x = np.indices((SIZE, SIZE)) - CENTRE
    rays = np.stack([x, y, np.full_like(x, FOCAL)], -1) / FOCAL
    a, b, c = (rays**2).sum(-1), rays @ shift, shift @ shift - 1
    under = b**2 - a * c
    along = (b - np.sqrt(np.maximum(under, 0))) / a
    return (along[..., None] * rays - shift) @ turn, under > 0


@pytest.mark.parametrize(("first", "second"), [(0, 1), (10, 17), (30, 22)])
def test_flow_and_occlusion_are_those_of_rays(first: int, second: int):
    of = film(options(), 1)
    known = of.truth(first, second)
    (turn, shift), (turn2, shift2) = pose(of, first), pose(of, second)
    body, hit = met(turn, shift)
    goes = body @ turn2.T + shift2
    y, x = np.indices((SIZE, SIZE))
    flow = np.stack(
        [FOCAL * goes[..., 0] / goes[..., 2] + CENTRE - x, FOCAL * goes[..., 1] / goes[..., 2] + CENTRE - y]
    )
    hidden = np.where(hit, ((goes - shift2) * goes).sum(-1) > 0, met(turn2, shift2)[1])
    there = known.flow + np.stack([x, y])
    hidden |= ((there < -0.5) | (there > SIZE - 0.5)).any(axis=0)
    assert known.occlusion is not None
    assert known.objects is not None
    assert (known.objects == hit).mean() > 0.999
    assert (known.occlusion == hidden).mean() > 0.99
    # A face turns its back as a whole: half its width, 1.6 degrees, from where the sphere does.
    grazing = hit & (np.abs(((goes - shift2) * goes).sum(-1)) < 0.03 * np.linalg.norm(goes, axis=-1))
    assert (known.occlusion == hidden)[~grazing].mean() > 0.999
    assert known.occlusion.sum() > 20
    # Towards the rim a sphere of triangles is a little less deep, and depth is much of the flow.
    middle = hit & (np.abs((goes - shift2) @ shift2) > 0.5 * np.linalg.norm(shift2))
    middle &= np.abs((body @ turn.T) @ shift) > 0.5 * np.linalg.norm(shift)
    assert middle.mean() > 0.15
    error = np.abs(flow - known.flow)[:, middle]
    assert np.median(error) < 0.03
    assert error.max() < 0.15
    assert not known.flow[:, ~hit & (known.objects == 0)].any()


def test_the_points_are_evenly_around():
    corners = icosahedron()
    assert corners.shape == (12, 3)
    np.testing.assert_allclose(np.linalg.norm(corners, axis=1), 1)
    angles = np.degrees(np.arccos(np.clip(corners @ corners.T, -1, 1)))
    np.testing.assert_allclose(np.sort(angles, axis=1)[:, 1:6], 63.4349, atol=1e-3)


def test_all_sides_are_seen_in_a_full_turn():
    for index in range(3):
        of = film(options(), index)
        seen = np.array([of.points(number).rows[:, 2] for number in range(0, 60, 4)])
        assert (seen.mean(axis=1) < 0.6).all()  # of a sphere, less than half
        assert (seen.max(axis=0) > 0).sum() >= 11
        # Once around, but for what the axis nods meanwhile.
        angle = np.arccos((np.trace(pose(of, 0)[0].T @ pose(of, 60)[0]) - 1) / 2)
        assert angle < 0.9


def test_the_texture_has_no_seam():
    _, texture = _sphere(5)
    texels = len(texture) // 6
    places = np.round(cube_texels(np.tan(np.linspace(-np.pi / 4, np.pi / 4, texels))), 6).reshape(-1, 3)
    _, same, count = np.unique(places, axis=0, return_inverse=True, return_counts=True)
    assert (count == 2).sum() == 12 * (texels - 2)
    assert (count == 3).sum() == 8
    flat = texture.reshape(-1, 3).astype(int)
    for end in (np.minimum, np.maximum):
        extreme = np.full((len(count), 3), 255 if end is np.minimum else 0)
        end.at(extreme, same.ravel(), flat)
        assert np.abs(extreme[same.ravel()] - flat).max() <= 1
    assert flat.std(axis=0).min() > 20


def test_one_seed_has_one_sphere():
    a, b, c = film(options(), 0), film(options(), 5), film(options(seed=1), 0)
    np.testing.assert_array_equal(a.texture, b.texture)
    assert not np.array_equal(a.texture, c.texture)
