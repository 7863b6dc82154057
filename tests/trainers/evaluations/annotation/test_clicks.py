"""The simulated user beside its definition, pixel by pixel, and what it sees."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from trainers.evaluations.annotation.clicks import Click, next_click, steps

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def seen(draw):
    """A mask, the truth, the pixels that count, and some clicks before."""
    shape = draw(SHAPES)
    mask, truth = (draw(arrays(np.bool_, shape)) for _ in range(2))
    known = draw(arrays(np.bool_, shape, elements=st.integers(0, 4).map(bool)))
    places = st.tuples(*(st.integers(0, side - 1) for side in shape))
    before = [Click(y, x, bool(truth[y, x])) for y, x in draw(st.lists(places, max_size=4))]
    return mask, truth, known, before


@given(seen())
def test_a_click_is_where_its_definition_says(case):
    mask, truth, known, before = case
    assert next_click(mask, truth, known, before) == defined(mask, truth, known, before)


def defined(mask, truth, known, before):
    """All regions of both kinds, the largest of them, and of its pixels that whose nearest other pixel is farthest."""
    free = known.copy()
    for click in before:
        free[click.y, click.x] = False
    found = []
    for positive, wrong in ((True, truth & ~mask & free), (False, mask & ~truth & free)):
        labels, count = ndimage.label(wrong, np.ones((3, 3)))
        for label in range(1, count + 1):
            pixels = [tuple(one) for one in np.argwhere(labels == label)]
            found.append((-len(pixels), not positive, min(pixels), pixels))
    if not found:
        return None
    _, negative, _, pixels = min(found)
    height, width = truth.shape
    around = [(y, x) for y in range(-1, height + 1) for x in range(-1, width + 1) if (y, x) not in set(pixels)]
    depth = {(y, x): min((y - v) ** 2 + (x - u) ** 2 for v, u in around) for y, x in pixels}
    y, x = min(pixels, key=lambda pixel: (-depth[pixel], pixel))
    return Click(y, x, not negative)


def test_a_user_who_is_not_heard_clicks_on_all_that_is_wrong_once():
    truth = np.zeros((4, 5), bool)
    truth[1:, 2:] = True
    known = np.ones_like(truth)
    known[1, 2] = False
    made = list(steps(lambda clicks: np.zeros_like(truth), truth, known, 30))
    assert {(step.click.y, step.click.x) for step in made} == {tuple(one) for one in np.argwhere(truth & known)}
    assert len(made) == 8
    assert all(step.click.positive and step.iou == 0 for step in made)


def test_a_user_stops_where_nothing_that_counts_is_wrong():
    truth = np.zeros((9, 12), bool)
    truth[2:7, 2:7] = True
    known = np.ones_like(truth)
    known[:, 9:] = False

    def answer(clicks):
        mask = truth.copy()
        mask[:, 8:] = not any(click.x == 8 and not click.positive for click in clicks)
        return mask

    first, second = steps(answer, truth, known, 10)
    assert first.click == Click(4, 4, True)
    assert (first.iou, second.iou) == (25 / (25 + 9), 1)  # the column that counts, and not those that do not
    assert second.click == Click(0, 8, False) or second.click.x == 8
