"""The triskelion: three like legs, soft, around a centre that is held."""

from functools import cache
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.sources.worlds.gravity import new_space, simulate
from pipeline.sources.worlds.plane import LayeredFilm
from pipeline.sources.worlds.triskelion import PLACES, TRIANGLES, Leg, _bodies, at_rest, film
from pipeline.sources.worlds.world import WorldOptions

THIRD = np.exp(2j * np.pi / 3)


def places_of(rows: np.ndarray) -> np.ndarray:
    return rows[:, 1] + 1j * rows[:, 0]


def test_at_rest_a_third_of_a_turn_brings_each_leg_onto_the_next():
    rest = at_rest(121, 45 + 45j, 0.4)
    found = rest.points(0)
    assert found.names[0] == "hub"
    assert found.names[1:] == tuple(f"leg_{leg}_{place}" for leg in (1, 2, 3) for place in range(1, 1 + len(PLACES)))
    assert (found.rows[:, 2] == 1).all()
    places = places_of(found.rows)
    legs = places[1:].reshape(3, len(PLACES)) - places[0]
    np.testing.assert_allclose(legs[[1, 2, 0]], legs * THIRD, atol=1e-4)
    assert np.abs(legs).min() > 10


def test_at_rest_a_third_of_a_turn_changes_nothing_that_is_seen():
    rest = at_rest(121, 45 + 45j, 0.4)  # its centre is that of the picture
    picture = ndimage.gaussian_filter(rest.image(0).astype(float), (1.5, 1.5, 0))
    objects = rest.truth(0, 0).objects
    assert objects is not None
    turned = ndimage.rotate(picture, 120, reshape=False, order=3, mode="nearest")
    sixth = ndimage.rotate(picture, 60, reshape=False, order=3, mode="nearest")
    mirrored = picture[:, ::-1]
    body = ndimage.binary_dilation(objects > 0, iterations=2)
    off = [np.abs(other - picture)[body].mean() for other in (turned, sixth)]
    assert off[0] < 1
    assert off[1] > 8 * off[0]
    heading = min(
        np.abs(ndimage.rotate(mirrored, angle, reshape=False, order=1, mode="nearest") - picture)[body].mean()
        for angle in range(0, 120, 5)
    )
    assert heading > 2 * off[0]  # and there is no mirror symmetry
    assert np.ptp([(objects == label).sum() for label in (2, 3, 4)]) < 10


class Nothing:
    """Random numbers that are no gravity."""

    def normal(self, *_: Any) -> np.ndarray:
        return np.zeros(2)


def test_without_gravity_it_stays_at_rest():
    space = new_space()
    bodies = _bodies(space, 45 + 45j, 1.0)
    before = np.array([(*body.position, body.angle) for body in bodies])
    simulate(space, bodies, frames=3, steps=100, rng=Nothing())  # type: ignore[arg-type]
    np.testing.assert_allclose([(*body.position, body.angle) for body in bodies], before, atol=1e-6)


def test_legs_are_soft_and_their_skin_never_tears():
    made = film(WorldOptions("triskelion", frames=60), 0)
    bends = []
    for leg in made.layers[:3]:
        assert isinstance(leg, Leg)
        corners = leg.skin.reshape(60, -1)[:, TRIANGLES]
        a, b = corners[..., 1] - corners[..., 0], corners[..., 2] - corners[..., 0]
        area = (a * b.conj()).imag
        assert (area > -1e-6).all()  # no triangle turns over
        whole = np.abs(area).sum(1)
        assert np.ptp(whole) < 0.1 * whole.mean()
        middle = leg.skin[:, :, 1:3].mean(2)
        length = np.abs(np.diff(middle, axis=1)).sum(1)
        assert np.ptp(length) < 0.06 * length.mean()
        bends.append(np.degrees(np.angle((middle[:, -1] - middle[:, 10]) / (middle[:, 10] - middle[:, 0]))))
    assert np.ptp(bends) > 40


@given(st.integers(0, 29), st.integers(0, 29), st.integers(0, 2**32 - 1))
def test_a_skin_carries_places_there_and_back(first: int, second: int, seed: int):
    leg = soft().layers[1]
    assert isinstance(leg, Leg)
    corners = leg.skin[first].ravel()[TRIANGLES]
    rng = np.random.default_rng(seed)
    places = (corners[rng.integers(0, len(corners), 20)] * rng.dirichlet(np.ones(3), 20)).sum(1)
    assert leg.covers(first, places).all()
    carried = leg.carried(first, second, places)
    assert leg.covers(second, carried).all()
    alone = [covering(leg, number, some) == 1 for number, some in ((first, places), (second, carried))]
    off = np.abs(leg.carried(second, first, carried) - places)
    assert off[alone[0] & alone[1]].max(initial=0) < 1e-6
    assert (alone[0] & alone[1]).mean() > 0.5


def test_its_points_are_carried_with_it():
    moved = []
    for layer in soft().layers:
        for first, second in ((0, 1), (4, 20), (29, 11)):
            places = layer.points(first)
            carried = layer.carried(first, second, places)
            assert np.abs(carried - layer.points(second)).max() < 1e-6
            moved.append(np.abs(carried - places).max())
    assert max(moved) > 5


@cache
def soft() -> LayeredFilm:
    return film(WorldOptions("triskelion", frames=30), 2)


def covering(leg: Leg, number: int, places: np.ndarray) -> np.ndarray:
    """How many triangles of the skin hold each place, by the sides of their lines that it is on."""
    corners = leg.skin[number].ravel()[TRIANGLES]
    sides = [
        ((places[:, None] - a) * np.conj(b - a)).imag
        for a, b in (corners[:, [0, 1]].T, corners[:, [1, 2]].T, corners[:, [2, 0]].T)
    ]
    return ((np.array(sides) > -1e-9).all(0) | (np.array(sides) < 1e-9).all(0)).sum(1)


def test_the_centre_is_held_and_everything_stays_in_the_picture():
    for index in range(4):
        made = film(WorldOptions("triskelion", frames=40), index)
        rows = np.array([made.points(number).rows for number in range(40)])
        assert np.ptp(rows[:, 0], axis=0).max() == 0
        assert rows[..., :2].min() > -0.5
        assert rows[..., :2].max() < 89.5


def test_videos_differ_in_place_turn_girth_and_light():
    films = [film(WorldOptions("triskelion", frames=1), index) for index in range(8)]
    centres = np.array([one.points(0).rows[0, :2] for one in films])
    assert np.ptp(centres, axis=0).min() > 3
    areas = [(one.truth(0, 0).objects > 0).sum() for one in films]  # type: ignore[operator]
    assert max(areas) > 1.1 * min(areas)
    assert (
        np.ptp([one.image(0)[round(y), round(x)].astype(int) for one, (y, x) in zip(films, centres, strict=True)]) > 10
    )
