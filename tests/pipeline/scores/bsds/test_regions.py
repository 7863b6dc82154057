from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scores.bsds import Human, region_counts, region_scores
from pipeline.scores.bsds.regions import RegionCounts, overlaps

seeds = st.integers(0, 2**32 - 1)


def labels_of(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.unique(random.integers(0, random.integers(1, 6), shape), return_inverse=True)[1].reshape(shape)


def human(labels: np.ndarray) -> Human:
    return Human(labels, np.zeros(labels.shape, bool))


def counted_rand(a: np.ndarray, b: np.ndarray) -> float:
    """The share of pairs of pixels that agree, pair by pair."""
    pairs = list(combinations(range(a.size), 2))
    agree = sum((a.flat[i] == a.flat[j]) == (b.flat[i] == b.flat[j]) for i, j in pairs)
    return agree / len(pairs) if pairs else 1


def defined_variation(a: np.ndarray, b: np.ndarray) -> float:
    """H(A|B) + H(B|A) in bits, by the formula."""
    total = 0.0
    for i in np.unique(a):
        for j in np.unique(b):
            both = np.mean((a == i) & (b == j))
            if both:
                total -= both * (np.log2(both / np.mean(a == i)) + np.log2(both / np.mean(b == j)))
    return total


def defined_covering(machine: np.ndarray, truth: np.ndarray) -> float:
    """Each human region's best intersection over union, weighted by its area."""
    total = 0.0
    for j in np.unique(truth):
        region = truth == j
        total += region.sum() * max(
            ((machine == i) & region).sum() / ((machine == i) | region).sum() for i in np.unique(machine)
        )
    return total / truth.size


@given(seed=seeds, shape=st.tuples(st.integers(1, 5), st.integers(1, 6)), people=st.integers(1, 3))
def test_measures_are_their_definitions(seed: int, shape: tuple[int, int], people: int):
    random = np.random.default_rng(seed)
    machines = [labels_of(random, shape) for _ in range(3)]
    humans = [human(labels_of(random, shape)) for _ in range(people)]
    counts = region_counts(overlaps(machine, humans) for machine in machines)
    for t, machine in enumerate(machines):
        for values, definition in (
            (counts.rand, counted_rand),
            (counts.variation, defined_variation),
            (counts.covering, defined_covering),
        ):
            expected = np.mean([definition(machine, person.labels) for person in humans])
            assert values[t] == pytest.approx(expected, abs=1e-12)


def test_the_same_segmentation_is_perfect():
    labels = np.arange(20).reshape(4, 5) // 7
    counts = region_counts([overlaps(labels, [human(labels)] * 2)])
    assert (counts.covering[0], counts.rand[0]) == (1, 1)
    assert counts.variation[0] == pytest.approx(0, abs=1e-12)


def test_scores_by_hand():
    """Covering weighs regions by area over all images; the others weigh images alike."""
    small = RegionCounts(np.array([2, 2]), np.array([[1.0, 0.5], [0.5, 0.6]]), np.array([0.9, 0.2]), np.array([1, 2.0]))
    large = RegionCounts(np.array([6]), np.array([[0.2], [0.8]]), np.array([0.5, 0.6]), np.array([3, 1.0]))
    scores = region_scores([small, large], np.array([0.3, 0.7]))
    assert scores.covering_ods == pytest.approx((2.2 + 4.8) / 10)
    assert scores.covering_threshold == 0.7
    assert scores.covering_ois == pytest.approx((3 + 4.8) / 10)
    assert scores.covering_best == pytest.approx((2 * 1 + 2 * 0.6 + 4.8) / 10)
    assert (scores.rand_ods, scores.rand_threshold) == (pytest.approx(0.7), 0.3)
    assert scores.rand_ois == pytest.approx((0.9 + 0.6) / 2)
    assert (scores.variation_ods, scores.variation_threshold) == (1.5, 0.7)
    assert scores.variation_ois == 1
