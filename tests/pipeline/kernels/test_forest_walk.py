"""The walk down a forest, against one node after the other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.kernels.forest_walk import forest_leaves, packed_trees


def random_trees(
    random: np.random.Generator, trees: int, size: int, features: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Nodes that have children at chance, numbered as they come; the rest of a tree's room is leaves."""
    child = np.zeros((trees, size), np.int32)
    for tree in child:
        known, node = 1, 0
        while node < known:
            if random.random() < 0.7 and known + 2 <= size:
                tree[node] = known
                known += 2
            node += 1
    feature = random.integers(0, features, child.shape).astype(np.int32)
    threshold = random.integers(-2, 3, child.shape).astype(np.float32)
    return child, feature, threshold


@settings(max_examples=40, deadline=None)  # the first call compiles
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 9),
    columns=st.integers(1, 300),
    voters=st.integers(1, 3),
    size=st.sampled_from([1, 2, 3, 9, 61]),
)
def test_each_patch_reaches_its_leaf(seed: int, rows: int, columns: int, voters: int, size: int):
    random = np.random.default_rng(seed)
    trees, channels, features = int(random.integers(voters, 2 * voters + 3)), 3, 20
    child, feature, threshold = random_trees(random, trees, size, features)
    planes = random.integers(-2, 3, (channels + 1, rows + 16, columns + 16)).astype(np.float32)
    planes[-1] = 0
    of, y, x, other, below, beside = random.integers(0, [channels, 16, 16, channels, 16, 16], (features, 6)).T
    alone = random.random(features) < 0.5
    height, width = planes.shape[1:]
    taken_off = np.where(alone, channels * height * width, (other * height + below) * width + beside)
    places = ((of * height + y) * width + x).astype(np.uint64) | (taken_off.astype(np.uint64) << np.uint64(32))
    leaves = forest_leaves(planes, *packed_trees(child, feature, threshold), places, voters, rows, columns)
    for i, j in random.integers(0, [rows, columns], (30, 2)):
        for slot in range(voters):
            tree, node = ((i + j) % (2 * voters) + slot) % trees, 0
            while child[tree, node]:
                f = feature[tree, node]
                value = planes[of[f], i + y[f], j + x[f]]
                if not alone[f]:
                    value -= planes[other[f], i + below[f], j + beside[f]]
                node = child[tree, node] + (value >= threshold[tree, node])
            assert leaves[i, j, slot] == tree * size + node
