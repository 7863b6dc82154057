"""The two ways through the pyramid of scores: fine to coarse, and coarse to fine (figure 2)."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from pipeline.columns.flow.networks.matching.grid import MatchingGrid
from pipeline.columns.flow.networks.matching.pyramid import aggregate, disaggregate, pool, unpool


class Levels(NamedTuple):
    """The scores of all levels, from 0 up.

    Attributes:
        scores: S_0 to S_L, `(B, n, m, K, K)` each.
        switches: of the pools after S_0 to S_(L-1), see `pyramid.pool`.
    """

    scores: tuple[Tensor, ...]
    switches: tuple[Tensor, ...]


def coarsen(scores: Tensor, grid: MatchingGrid, exponents: Sequence[Tensor | float], first: int = 0) -> Levels:
    """Returns the levels above scores: each pooled and aggregated from the one before.

    Args:
        scores: of level `first`, `(B, n, m, K, K)`.
        exponents: nu of the levels that follow; as many as there are.
    """
    levels, switches = [scores], []
    for level, exponent in enumerate(exponents, start=first):
        pooled, where = pool(levels[-1])
        levels.append(aggregate(pooled, grid.shifts(level), exponent))
        switches.append(where)
    return Levels(tuple(levels), tuple(switches))


def refine(levels: Levels, grid: MatchingGrid, first: int = 0) -> tuple[Tensor, ...]:
    """Returns Q_0 to Q_L: the score of the best path through the levels that begins at each match (equation 6).

    Args:
        first: the level of the first scores.
    """
    refined = [levels.scores[-1]]
    for place in reversed(range(len(levels.switches))):
        scores = levels.scores[place]
        above = disaggregate(refined[0], grid.shifts(first + place), (scores.shape[1], scores.shape[2]))
        refined.insert(0, scores + unpool(above, levels.switches[place], scores.shape[3]))
    return tuple(refined)
