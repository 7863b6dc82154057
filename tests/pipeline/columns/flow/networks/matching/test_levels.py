"""Scores against the thesis' equations, written out in points and pixels, and decoded ones against its recursion."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.columns.flow.networks.matching.grid import MatchingGrid
from pipeline.columns.flow.networks.matching.levels import coarsen, refine
from pipeline.columns.flow.networks.matching.pyramid import correlate, padded

Match = tuple[tuple[float, float], tuple[float, float]]
"""A point of the reference image, and one of the target image, pixels."""


class Recursion:
    """Deep matching as its authors wrote it: functions of points in pixels, without any array.

    Scores are those of equations 2 to 4; `best` is the search of paths from a coarse match down (section 2.1).
    """

    def __init__(self, reference: np.ndarray, target: np.ndarray, grid: MatchingGrid, exponents: list[float]) -> None:
        self.reference, self.target, self.grid, self.exponents = reference, target, grid, exponents
        height, width = reference.shape[1:]
        first = [
            (grid.beta + grid.alpha * row, grid.beta + grid.alpha * column)
            for row in range(grid.points(height))
            for column in range(grid.points(width))
        ]
        self.points: list[set[tuple[float, float]]] = [set(first)]
        for level in range(len(exponents)):
            half = 2**level * grid.delta / 2
            spread = {(y + a * half, x + b * half) for y, x in self.points[-1] for a in (-1, 1) for b in (-1, 1)}
            # Above level 1 no point lies outside the square of the points of level 1.
            self.points.append(spread if level == 0 and grid.halved else self.points[-1])
        self.score = lru_cache(None)(self._score)
        self.pooled = lru_cache(None)(self._pooled)

    def matches(self, point: tuple[float, float], level: int) -> list[tuple[float, float]]:
        step, reach = 2**level * self.grid.gamma, self.grid.reach(level)
        steps = [step * k for k in range(-reach, reach + 1)]
        return [(point[0] + down, point[1] + right) for down in steps for right in steps]

    def corners(self, level: int) -> list[tuple[float, float]]:
        half = 2**level * self.grid.delta / 2
        return [(a * half, b * half) for a in (-1, 1) for b in (-1, 1)]

    def _score(self, level: int, p: tuple[float, float], q: tuple[float, float]) -> float:
        if level == 0:
            height, width = self.target.shape[1:]
            if not (0 <= q[0] < height and 0 <= q[1] < width):
                return 0.0
            return float(self.reference[:, int(p[0]), int(p[1])] @ self.target[:, int(q[0]), int(q[1])])
        found = [
            self.pooled(level - 1, (p[0] + dy, p[1] + dx), (q[0] + dy, q[1] + dx))[0]
            for dy, dx in self.corners(level - 1)
            if (p[0] + dy, p[1] + dx) in self.points[level - 1]
        ]
        return max(sum(found) / len(found), 1e-6) ** self.exponents[level - 1]

    def _pooled(self, level: int, p: tuple[float, float], q: tuple[float, float]) -> tuple[float, tuple[float, float]]:
        reach = 2**level * self.grid.gamma
        near = [one for one in self.matches(p, level) if max(abs(one[0] - q[0]), abs(one[1] - q[1])) <= reach]
        most, where = max(((self.score(level, p, one), one) for one in near), key=lambda pair: pair[0])
        middle = q in near and self.score(level, p, q) >= most - 1e-6 * abs(most)
        return most, q if middle else where

    def best(self) -> dict[Match, float]:
        """For each match of level 0 the sum of the scores along the best path that leads down to it."""
        best: dict[Match, float] = {}

        def descend(level: int, p: tuple[float, float], q: tuple[float, float], total: float) -> None:
            total += self.score(level, p, q)
            if level == 0:
                best[p, q] = max(total, best.get((p, q), -np.inf))
                return
            for dy, dx in self.corners(level - 1):
                corner = (p[0] + dy, p[1] + dx)
                if corner in self.points[level - 1]:
                    descend(level - 1, corner, self.pooled(level - 1, corner, (q[0] + dy, q[1] + dx))[1], total)

        top = len(self.exponents)
        for p in self.points[top]:
            for q in self.matches(p, top):
                descend(top, p, q, 0.0)
        return best


def unit(seed: int, channels: int, height: int, width: int) -> Tensor:
    """Descriptors of length 1 without negative numbers, `(1, C, H, W)`."""
    made = torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return made / made.norm(dim=1, keepdim=True)


def through(reference: Tensor, target: Tensor, grid: MatchingGrid, exponents: list[float]) -> tuple:
    points = grid.points(reference.shape[2]), grid.points(reference.shape[3])
    at = reference[:, :, grid.beta :: grid.alpha, grid.beta :: grid.alpha]
    levels = coarsen(correlate(at, padded(target, grid, points), grid), grid, exponents)
    return levels, refine(levels, grid)


GRIDS = [
    MatchingGrid(levels=2, radius=6, alpha=2, beta=1, gamma=1, delta=2),
    MatchingGrid(levels=2, radius=5, alpha=2, beta=0, gamma=1, delta=4),
    MatchingGrid(levels=2, radius=8, alpha=4, beta=1, gamma=2, delta=4),
    MatchingGrid(levels=0, radius=3, alpha=2, beta=1, gamma=1, delta=2),
]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_decoded_scores_are_those_of_the_recursive_search(grid: MatchingGrid, seed: int):
    height, width = (15, 22) if grid.alpha == 4 else (9, 12)
    exponents = [1.4, 1.2][: grid.depth(height, width)]
    assert len(exponents) == grid.levels
    reference, target = unit(seed, 3, height, width), unit(seed + 10, 3, height, width)
    levels, refined = through(reference, target, grid, exponents)
    recursion = Recursion(reference[0].numpy(), target[0].numpy(), grid, exponents)
    expected = recursion.best()
    reach = grid.reach(0)
    compared = 0
    for row, column, down, right in np.ndindex(refined[0].shape[1:]):
        p = (grid.beta + grid.alpha * row, grid.beta + grid.alpha * column)
        q = (p[0] + grid.gamma * (down - reach), p[1] + grid.gamma * (right - reach))
        assert levels.scores[0][0, row, column, down, right].item() == pytest.approx(
            recursion.score(0, p, q), abs=1e-12
        )
        found = refined[0][0, row, column, down, right].item()
        assert found == pytest.approx(expected.get((p, q), -np.inf), abs=1e-9)
        compared += np.isfinite(found)
    assert compared == len(expected) > 100


@given(st.integers(0, 2**16), st.sampled_from([1.0, 1.4, 0.7]))
@settings(max_examples=10, deadline=None)
def test_the_same_image_matches_itself_at_rest(seed: int, exponent: float):
    grid = MatchingGrid(levels=3, radius=4, alpha=4, beta=2, gamma=1, delta=4)
    image = unit(seed, 8, 32, 40)
    _, refined = through(image, image, grid, [exponent] * grid.depth(32, 40))
    assert len(refined) == 4
    flat = refined[0].flatten(3)
    assert (flat.argmax(3) == flat.shape[3] // 2).all()


def test_gradients_are_those_of_finite_differences():
    grid = MatchingGrid(levels=2, radius=2, alpha=2, beta=1, gamma=1, delta=2)
    reference, target = unit(0, 2, 6, 6), unit(1, 2, 6, 6)
    exponents = torch.tensor([1.4, 1.1], dtype=torch.float64)
    finite = torch.isfinite(through(reference, target, grid, list(exponents))[1][0])

    def decoded(reference: Tensor, target: Tensor, exponents: Tensor) -> Tensor:
        return through(reference, target, grid, list(exponents))[1][0][finite]

    inputs = [one.requires_grad_() for one in (reference, target, exponents)]
    assert torch.autograd.gradcheck(decoded, inputs, fast_mode=True)


@pytest.mark.parametrize(("height", "depth"), [(3, 0), (5, 2), (20, 2), (21, 3), (52, 3), (53, 4), (436, 6)])
def test_an_image_has_the_levels_in_which_each_point_is_a_corner(height: int, depth: int):
    grid = MatchingGrid()
    assert grid.depth(height, 1000) == grid.depth(1000, height) == depth
    if 0 < depth < 6:
        image = unit(0, 2, height, 3 * height)
        _, refined = through(image, image, MatchingGrid(radius=8), [1.4] * depth)
        assert torch.isfinite(refined[0].flatten(3).amax(3)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gamma": 3}, "gamma is 3: should divide alpha, 8"),
        ({"alpha": 0}, "alpha is 0: from 1 to 4096"),
        ({"levels": 10**9}, "levels is 1000000000: from 0 to 16"),
        ({"beta": -4}, "beta is -4: from 0 to 4096"),
        ({"delta": 24}, "delta is 24: should be alpha, 8, or an even multiple of it"),
        ({"radius": 81, "gamma": 2}, "radius is 81: should be a multiple of gamma, 2"),
    ],
)
def test_grids_that_do_not_fit_are_refused(wrong: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        MatchingGrid(**wrong)
