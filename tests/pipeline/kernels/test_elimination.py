import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.kernels.elimination import factors, solve


def matrix_of(ends: np.ndarray, weights: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    matrix = np.diag(diagonal)
    np.subtract.at(matrix, (ends[0], ends[1]), weights)
    np.subtract.at(matrix, (ends[1], ends[0]), weights)
    return matrix


def system(ends: np.ndarray, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and a diagonal that is a little more than those of each unknown together."""
    weights = random.random(ends.shape[1])
    return weights, np.bincount(ends.ravel(), np.tile(weights, 2), count) + 0.01 + random.random(count)


@settings(deadline=None, max_examples=60)  # the first call compiles
@given(count=st.integers(2, 40), edges=st.integers(1, 150), seed=st.integers(0, 2**32 - 1))
def test_what_is_solved_is_the_system(count: int, edges: int, seed: int):
    """Any graph: in several parts, dense, with edges that occur twice."""
    random = np.random.default_rng(seed)
    first = random.integers(0, count, edges)
    ends = np.stack([first, (first + random.integers(1, count, edges)) % count]).astype(np.int32)
    weights, diagonal = system(ends, count, random)
    right = random.standard_normal(count)
    kept = right.copy()
    solution = solve(factors(ends, weights, diagonal), right)
    np.testing.assert_allclose(matrix_of(ends, weights, diagonal) @ solution, right, atol=1e-9)
    np.testing.assert_array_equal(right, kept)


def test_a_grid_fills_in_little():
    """A square of 30 x 30: from line to line, the unknowns between the first and the last would be 30 each."""
    number = np.arange(900).reshape(30, 30)
    pairs = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    ends = np.stack([np.concatenate([pair[side].ravel() for pair in pairs]) for side in range(2)]).astype(np.int32)
    random = np.random.default_rng(0)
    weights, diagonal = system(ends, 900, random)
    of = factors(ends, weights, diagonal)
    assert sorted(of.order) == list(range(900))
    assert len(of.shares) < 900 * 15
    right = random.standard_normal(900)
    np.testing.assert_allclose(solve(of, right), np.linalg.solve(matrix_of(ends, weights, diagonal), right), atol=1e-9)


def test_one_in_the_middle_of_many_goes_in_the_end():
    """A star: out of turn, its middle would make all others neighbours."""
    ends = np.stack([np.zeros(500), np.arange(1, 501)]).astype(np.int32)
    weights, diagonal = system(ends, 501, np.random.default_rng(0))
    of = factors(ends, weights, diagonal)
    assert len(of.shares) == 500
    np.testing.assert_allclose(matrix_of(ends, weights, diagonal) @ solve(of, np.ones(501)), np.ones(501), atol=1e-9)
