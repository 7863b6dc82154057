"""The arms: rigid links that hold together within their limits, inside the picture, under a gravity that changes."""

from typing import Any

import numpy as np
import pymunk
import pytest

from pipeline.columns.landmarks import mirrored_pairs
from pipeline.sources.worlds import roboarm
from pipeline.sources.worlds.gravity import HELD, PULL, SECONDS, SETTLING, UNITS, new_space, simulate
from pipeline.sources.worlds.roboarm import ANCHOR, ARM, Capsule, one_arm, two_arms
from pipeline.sources.worlds.world import WorldOptions

OPTIONS = WorldOptions("roboarm", frames=60, size=90)


def links() -> list[Capsule]:
    """The links of an arm, in the order of `ARM`."""
    layers = one_arm(OPTIONS, 3).layers
    assert all(isinstance(layer, Capsule) for layer in layers)
    return sorted(layers, key=lambda layer: layer.label)  # type: ignore[arg-type]


def test_parts_move_rigidly():
    film = one_arm(OPTIONS, 1)
    for first, second in ((0, 1), (10, 30), (50, 20)):
        known = film.truth(first, second)
        assert known.objects is not None
        for label in range(1, len(ARM) + 1):
            y, x = np.nonzero(known.objects == label)
            if len(y) < 8:
                continue
            before = x + 1j * y
            after = before + known.flow[0, y, x] + 1j * known.flow[1, y, x]
            a, b = before - before.mean(), after - after.mean()
            turn = (b * a.conj()).sum() / (np.abs(a) ** 2).sum()  # the best similarity, by least squares
            assert abs(abs(turn) - 1) < 1e-5
            assert np.abs(b - turn * a).max() < 1e-4


def test_links_hold_together_and_turn_within_their_limits():
    made = links()
    for number, link in enumerate(ARM):
        own = made[number]
        below = made[link.on] if link.on >= 0 else None
        joint = below.shift + below.turn * below.length if below else ANCHOR - (0.5 + 0.5j)
        assert np.abs(own.shift - joint).max() < 0.5  # pixels of 90
        heading = np.degrees(np.angle(own.turn / (below.turn if below else 1)))
        assert (
            np.abs(heading + link.rest).max() < link.limit + 10
        )  # walls press, and y is down: anticlockwise is negative


def test_the_arm_ends_in_two_fingers_and_goes_many_ways():
    made = links()
    ends = [[other.on for other in ARM].count(number) for number in range(len(ARM))]
    assert sorted(ends) == [0, 0, 1, 1, 1, 1, 1, 2]
    tips = np.concatenate([made[5].shift, made[7].shift])
    assert np.ptp(tips.real) > 20
    assert np.ptp(tips.imag) > 20


@pytest.mark.parametrize("index", range(4))
def test_nothing_leaves_the_picture(index: int):
    for film in (one_arm(OPTIONS, index), two_arms(OPTIONS, index)):
        for layer in film.layers:
            assert isinstance(layer, Capsule)
            ends = np.concatenate([layer.shift, layer.shift + layer.turn * layer.length])
            for side in (ends.real, ends.imag):
                assert side.min() - layer.radius > -0.5 - 1.5
                assert side.max() + layer.radius < 89.5 + 1.5


def test_a_link_covers_its_capsule_and_is_drawn_there():
    film = one_arm(WorldOptions("roboarm", frames=3, size=90), 0)
    picture, known = film.image(2), film.truth(2, 2)
    drawn = np.abs(picture.astype(int) - roboarm.BACKGROUND).max(-1)
    assert known.objects is not None
    assert drawn[known.objects > 0].min() > 40  # a centre within the outline: half of the pixel or nearly
    assert drawn[known.objects == 0].max() < 160
    for link, colour in ((1, ARM[0].colour), (2, ARM[1].colour), (3, ARM[2].colour)):
        inside = picture[known.objects == link]
        assert (np.abs(inside.astype(int) - colour).max(-1) < 2).mean() > 0.3


def test_gravity_is_drawn_anew_every_hundred_steps():
    """Of a body that falls freely: its acceleration, but for what motion in the space loses."""
    space, body = new_space(), pymunk.Body(1, 1)
    space.add(body)
    _, shift = simulate(space, [body], frames=6000, steps=1, rng=np.random.default_rng(0))
    speed = np.diff(shift[:, 0]) / SECONDS
    pull = (speed[1:] - speed[:-1] * space.damping**SECONDS) / SECONDS
    blocks = pull[-SETTLING % HELD :][: 58 * HELD].reshape(58, HELD)
    assert np.abs(blocks - blocks[:, :1]).max() < 1e-6
    drawn = np.concatenate([blocks[:, 0].real, blocks[:, 0].imag])
    assert len(set(np.round(drawn, 6))) == len(drawn)
    assert drawn.std() == pytest.approx(PULL, rel=0.2)
    assert abs(drawn.mean()) < 5


class Downwards:
    """Random numbers that are gravity straight down."""

    def normal(self, *_: Any) -> np.ndarray:
        return np.array([0.0, 9.0])


def test_the_right_arm_is_the_left_one_mirrored():
    space = new_space()
    left, right = (roboarm._arm(space, 0.72, side, np.random.default_rng(5)) for side in (False, True))
    turn, shift = simulate(space, left + right, frames=3, steps=10, rng=Downwards())  # type: ignore[arg-type]
    count = len(ARM)
    np.testing.assert_allclose(UNITS - shift[:, count:].conj(), shift[:, :count], atol=1e-6)
    np.testing.assert_allclose(-turn[:, count:].conj(), turn[:, :count], atol=1e-6)
    assert np.abs(turn[0] - turn[2]).max() > 0.01


def test_left_and_right_pair_up_in_all_films_alike():
    films = [two_arms(WorldOptions("two_arms", frames=1), index) for index in range(6)]
    assert len({film.points(0).names for film in films}) == 1
    names = films[0].points(0).names
    assert len(mirrored_pairs(names)) == len(ARM)
    assert len({film.layers[0].names for film in films}) == 2  # either arm is the nearer
    for film in films:
        assert {layer.label: layer.names for layer in film.layers} == {n + 1: (name,) for n, name in enumerate(names)}
