"""What an object is made of, and what needs no learning."""

import cv2
import numpy as np
import pytest

from trainers.evaluations.annotation.baselines import SEED, discs, grabcut
from trainers.evaluations.annotation.clicks import Click
from trainers.evaluations.annotation.measure import session, topology


def ring() -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[5:35, 5:35] = True
    mask[15:25, 15:25] = False
    return mask


def test_pieces_and_holes_are_counted_but_for_specks():
    mask, known = ring(), np.ones((40, 60), bool)
    assert topology(mask, known) == (1, 1)
    mask[10:30, 45:55] = True
    mask[0, 50] = True  # a speck
    mask[30, 30] = False  # another
    assert topology(mask, known) == (2, 1)
    mask[15:25, 25:35] = False  # so that the hole is open
    assert topology(mask, known) == (2, 0)


def test_a_hole_that_does_not_count_is_none():
    mask, known = ring(), np.ones((40, 60), bool)
    known[15:25, 15:25] = False
    assert topology(mask, known) == (1, 0)
    assert topology(np.ones((4, 4), bool), np.ones((4, 4), bool)) == (1, 0)


def test_discs_are_what_is_near_to_a_positive_click():
    clicks = [Click(5, 5, True), Click(5, 9, False), Click(15, 3, True)]
    mask = discs((20, 16), 6.0)(clicks)
    for y, x in np.ndindex(20, 16):
        distances = [np.hypot(y - click.y, x - click.x) for click in clicks]
        nearest = min(distances)
        signs = {click.positive for click, far in zip(clicks, distances, strict=True) if far == nearest}
        if len(signs) == 1:
            assert mask[y, x] == (nearest <= 6 and signs == {True})


def noisy(mask: np.ndarray) -> np.ndarray:
    colours = np.where(mask[..., None], (200, 60, 40), (40, 90, 200))
    return np.clip(colours + np.random.default_rng(0).normal(0, 15, colours.shape), 0, 255).astype(np.uint8)


def test_grabcut_finds_what_differs_in_colour_and_obeys_clicks():
    truth = np.zeros((60, 80), np.uint8)
    cv2.circle(truth, (30, 30), 18, 1, -1)
    image, known = noisy(truth > 0), np.ones((60, 80), bool)
    made = session(grabcut(image, 15.0), truth > 0, known, (1, 3))
    assert made.iou[0] > 0.9
    answer = grabcut(image, 15.0)
    mask = answer([Click(30, 30, True), Click(50, 70, True), Click(30, 22, False)])
    np.testing.assert_array_equal(
        mask, grabcut(image, 15.0)([Click(30, 30, True), Click(50, 70, True), Click(30, 22, False)])
    )
    assert mask[50 - SEED : 50 + SEED, 70].all()
    assert not mask[30, 22]


@pytest.mark.parametrize("radius", [200.0, 0.5])
def test_grabcut_answers_where_there_is_nothing_to_tell_apart(radius: float):
    flat = np.full((24, 24, 3), 90, np.uint8)
    assert grabcut(flat, radius)([Click(12, 12, True)]).any()
    assert not grabcut(flat, 3.0)([Click(12, 12, False)]).any()


def test_a_session_ends_when_nothing_is_wrong_and_keeps_its_overlap():
    truth = ring()
    made = session(lambda clicks: truth if len(clicks) > 1 else ~truth, truth, np.ones_like(truth), (1, 2, 10))
    assert (len(made.clicks), made.iou, len(made.masks)) == (2, (0.0, 1.0, 1.0), 3)
