"""The structured hinge loss against the thesis' formula, written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.columns.flow.networks.matching.grid import MatchingGrid
from trainers.methods.matching.loss import structured_hinge, truth_at

GRID = MatchingGrid(levels=2, radius=4, alpha=2, beta=1, gamma=1, delta=2)


@given(st.integers(0, 2**16), st.integers(0, 2), st.floats(0.5, 4))
@settings(max_examples=25, deadline=None)
def test_each_wrong_match_is_to_be_below_the_right_one_by_its_margin(seed: int, level: int, sigma: float):
    generator = np.random.default_rng(seed)
    reach = GRID.reach(level)
    side = 2 * reach + 1
    scores = generator.normal(size=(2, 2, 3, side, side))
    scores[generator.random(scores.shape) < 0.2] = -np.inf
    flow = generator.uniform(-6, 6, size=(2, 2, 2, 3))
    valid = generator.random((2, 2, 3)) < 0.8
    total, points = 0.0, 0
    for batch, row, column in np.argwhere(valid):
        right_x, right_y = (int(np.rint(flow[batch, axis, row, column] / 2**level)) for axis in (0, 1))
        if max(abs(right_x), abs(right_y)) > reach:
            continue
        right = scores[batch, row, column, right_y + reach, right_x + reach]
        if not np.isfinite(right):
            continue
        points += 1
        for y in range(-reach, reach + 1):
            for x in range(-reach, reach + 1):
                margin = 1 - np.exp(-((x - right_x) ** 2 + (y - right_y) ** 2) / (2 * sigma**2))
                total += max(0.0, margin + scores[batch, row, column, y + reach, x + reach] - right)
    loss = structured_hinge(torch.tensor(scores), level, GRID, torch.tensor(flow), torch.tensor(valid), sigma)
    assert loss.item() == pytest.approx(total / max(1, points), rel=1e-9)


def test_what_is_known_nowhere_costs_nothing_and_teaches_nothing():
    scores = torch.randn(1, 2, 2, 9, 9, requires_grad=True)
    loss = structured_hinge(scores, 0, GRID, torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool), 1.0)
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None
    assert not scores.grad.any()


def test_no_match_teaches_nothing_and_poisons_nothing():
    scores = torch.full((1, 1, 1, 9, 9), -torch.inf)
    scores[0, 0, 0, 4, 4:6] = torch.tensor([0.5, 0.4])
    scores.requires_grad_()
    loss = structured_hinge(scores, 0, GRID, torch.zeros(1, 2, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool), 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(1 - 0.1)
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
    assert scores.grad[0, 0, 0, 4, 5] > 0 > scores.grad[0, 0, 0, 4, 4]


@pytest.mark.parametrize(("level", "first"), [(0, 1), (1, 0)])
def test_the_motion_of_points_is_that_of_their_pixels(level: int, first: int):
    flow = torch.arange(2 * 7 * 9, dtype=torch.float32).view(1, 2, 7, 9)
    valid = torch.ones(1, 7, 9, dtype=torch.bool)
    valid[0, first + 2, first + 4] = False
    points = (3 + level, 4 + level)
    found, known = truth_at(points, level, GRID, flow, valid)
    for row, column in np.ndindex(points):
        y, x = first + 2 * row, first + 2 * column
        assert known[0, row, column] == ((y, x) != (first + 2, first + 4))
        torch.testing.assert_close(found[0, :, row, column], flow[0, :, y, x])


def test_points_beyond_the_image_are_not_known():
    grid = MatchingGrid(levels=1, radius=4, alpha=8, beta=4, gamma=1, delta=8)
    found, known = truth_at((4, 4), 1, grid, torch.zeros(1, 2, 24, 24), torch.ones(1, 24, 24, dtype=torch.bool))
    assert found.shape == (1, 2, 4, 4)
    assert known[0, :3, :3].all()
    assert not known[0, 3].any()
    assert not known[0, :, 3].any()
