from collections import deque

import higra as hg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.kernels.watershed import edge_strength, watershed

shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
seeds = st.integers(0, 2**32 - 1)


def neighbours(shape: tuple[int, int], y: int, x: int) -> list[tuple[int, int]]:
    around = [(y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)]
    return [(b, a) for b, a in around if 0 <= b < shape[0] and 0 <= a < shape[1]]


def defined_basins(strength: NDArray[np.floating]) -> NDArray[np.int64]:
    """The drop of water, by the stated rule, pixel by pixel and with the edges' own weights."""
    shape = strength.shape
    pixels = [(y, x) for y in range(shape[0]) for x in range(shape[1])]
    weakest = {p: neighbours(shape, *p) for p in pixels}
    weight = {p: min((float(strength[p]) + float(strength[q]) for q in weakest[p]), default=np.inf) for p in pixels}
    weakest = {p: [q for q in weakest[p] if float(strength[p]) + float(strength[q]) == weight[p]] for p in pixels}
    onward = {}
    for p in pixels:
        lower = [q for q in weakest[p] if weight[q] < weight[p]]
        if lower:
            onward[p] = lower[0]
    shore = {p: next((q for q in weakest[p] if q in onward), None) for p in pixels if p not in onward}
    queue = deque(p for p, q in shore.items() if q)
    onward |= {p: q for p, q in shore.items() if q}
    while queue:
        p = queue.popleft()
        for q in neighbours(shape, *p):
            if p in weakest[q] and q in weakest[p] and q not in onward:
                onward[q] = p
                queue.append(q)
    minimum = {}
    for p in pixels:
        if p in onward or p in minimum:
            continue
        minimum[p], queue = p, deque([p])
        while queue:
            for q in weakest[queue.popleft()]:
                if q not in minimum:
                    minimum[q] = p
                    queue.append(q)
    numbers: dict[tuple[int, int], int] = {}
    basins = np.empty(shape, np.int64)
    for p in pixels:
        end = p
        while end in onward:
            end = onward[end]
        basins[p] = numbers.setdefault(minimum[end], len(numbers))
    return basins


@settings(deadline=None)  # the first call compiles
@given(shape=shapes, seed=seeds, levels=st.sampled_from([1, 2, 3, 5, 256, 2**20]))
def test_drops_run_as_defined(shape: tuple[int, int], seed: int, levels: int):
    strength = np.random.default_rng(seed).integers(0, levels, shape).astype(np.float32) / 2**20
    np.testing.assert_array_equal(watershed(strength), defined_basins(strength))


@pytest.mark.parametrize("levels", [4, 64, 2**50])
def test_higra_finds_as_many_basins_and_without_ties_the_same(levels: int):
    strength = np.random.default_rng(3).integers(0, levels, (60, 80)) / levels
    graph = hg.get_4_adjacency_graph(strength.shape)
    peer = hg.labelisation_watershed(graph, hg.weight_graph(graph, strength, hg.WeightFunction.mean))
    basins = watershed(strength)
    assert len(np.unique(peer)) == basins.max() + 1
    if levels == 2**50:
        assert len(np.unique(np.stack([peer.ravel(), basins.ravel()]), axis=1).T) == basins.max() + 1


def test_a_plateau_is_divided_in_its_middle():
    strength = np.full((5, 13), 0.5)
    strength[:, 0] = strength[:, -1] = 0
    basins = watershed(strength)
    np.testing.assert_array_equal(basins, np.tile(np.arange(13) > 6, (5, 1)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (4, 5)])
@pytest.mark.parametrize("value", [0, 0.3, 1])
def test_a_constant_map_is_one_basin(shape: tuple[int, int], value: float):
    np.testing.assert_array_equal(watershed(np.full(shape, value, np.float32)), np.zeros(shape))


def test_an_edge_is_the_mean_of_its_pixels():
    strength = np.random.default_rng(0).random((7, 9))
    graph = hg.get_4_adjacency_graph(strength.shape)
    y, x = np.divmod(graph.edge_list()[0], strength.shape[1])
    to_the_right = graph.edge_list()[1] == graph.edge_list()[0] + 1
    right, below = edge_strength(strength)
    ours = np.where(to_the_right, right[y, x], below[y, x])
    np.testing.assert_array_equal(ours, hg.weight_graph(graph, strength, hg.WeightFunction.mean))
