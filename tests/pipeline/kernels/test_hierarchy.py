from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.hierarchy import fcluster, is_monotonic, is_valid_linkage

from pipeline.kernels.hierarchy import cut, merge_order, without_small
from pipeline.kernels.watershed import edge_strength, watershed

shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
seeds = st.integers(0, 2**32 - 1)


def defined_merges(
    basins: NDArray[np.int32], right: NDArray[np.float64], below: NDArray[np.float64]
) -> list[tuple[int, int, float, int]]:
    """Every element of every boundary kept, and every mean taken anew, in fractions."""
    height, width = basins.shape
    elements: dict[frozenset[int], list[tuple[int, Fraction]]] = {}
    for y in range(height):
        for x in range(width):
            for side, (b, a), strength in ((0, (y, x + 1), right), (1, (y + 1, x), below)):
                if b < height and a < width and basins[y, x] != basins[b, a]:
                    pair = frozenset((int(basins[y, x]), int(basins[b, a])))
                    met = 2 * (y * width + x) + side
                    elements.setdefault(pair, []).append((met, Fraction(float(strength[y, x]))))
    count = int(basins.max()) + 1
    size = dict.fromkeys(range(count), 1)
    merges = []
    for made in range(count, 2 * count - 1):
        means = {pair: (sum(s for _, s in all_) / len(all_), min(all_)[0]) for pair, all_ in elements.items()}
        weakest = min(means, key=means.__getitem__)
        a, b = sorted(weakest)
        size[made] = size[a] + size[b]
        merges.append((a, b, float(means[weakest][0]), size[made]))
        joined: dict[frozenset[int], list[tuple[int, Fraction]]] = {}
        for pair, all_ in elements.items():
            if pair != weakest:
                joined.setdefault(frozenset(made if r in weakest else r for r in pair), []).extend(all_)
        elements = joined
    return merges


@settings(deadline=None)  # the first call compiles
@given(shape=shapes, seed=seeds, levels=st.sampled_from([1, 2, 4, 256]))
def test_merges_come_in_the_defined_order(shape: tuple[int, int], seed: int, levels: int):
    random = np.random.default_rng(seed)
    basins = watershed(random.random(shape))
    right, below = random.integers(0, levels, (2, *shape)) / 256  # exact in any order of adding
    merges = merge_order(basins, right, below)
    assert [tuple(row) for row in merges] == defined_merges(basins, right, below)
    if len(merges):
        assert is_valid_linkage(merges)
        assert is_monotonic(merges)


@settings(deadline=None)
@given(shape=shapes, seed=seeds, leaves=st.integers(1, 12))
def test_a_cut_keeps_the_last_merges(shape: tuple[int, int], seed: int, leaves: int):
    random = np.random.default_rng(seed)
    basins = watershed(random.random(shape))
    merges = merge_order(basins, *random.random((2, *shape)))
    labels, tree = cut(basins, merges, leaves)
    regions = min(leaves, len(merges) + 1)
    assert labels.max() + 1 == regions == len(tree) + 1
    first = [int(np.argmax(labels.ravel() == label)) for label in range(regions)]
    assert first == sorted(first)
    np.testing.assert_array_equal(tree[:, 2], merges[len(merges) - len(tree) :, 2])
    for k in range(1, regions + 1):  # both give the same k regions
        ours = fcluster(tree, k, "maxclust")[labels] if len(tree) else labels
        whole = fcluster(merges, k, "maxclust")[basins] if len(merges) else basins
        pairs = np.unique(np.stack([ours.ravel(), whole.ravel()]), axis=1)
        assert pairs.shape[1] == k
    if len(tree):
        assert is_valid_linkage(tree)


@settings(deadline=None)
@given(shape=shapes, seed=seeds, levels=st.sampled_from([2, 4, 256]), min_area=st.integers(1, 60))
def test_the_strength_between_two_pixels_is_their_mean_unless_it_is_given(
    shape: tuple[int, int], seed: int, levels: int, min_area: int
):
    strength = (np.random.default_rng(seed).integers(0, levels, shape) / 256).astype(np.float32)
    basins, (right, below) = watershed(strength), edge_strength(strength)
    np.testing.assert_array_equal(merge_order(basins, strength), merge_order(basins, right, below))
    few, same = (without_small(basins, *given, min_area) for given in ((strength, None), (right, below)))
    np.testing.assert_array_equal(few, same)


def test_small_basins_around_a_region_with_very_many_neighbours_join_as_defined():
    """The region's boundaries are too many to look through again and again, so the heap takes them."""
    side = 27
    basins = np.zeros((side, side), np.int32)
    basins[1::2, 1::2] = np.arange(1, 170).reshape(13, 13)
    right, below = np.random.default_rng(2).integers(0, 64, (2, side, side)) / 64
    for min_area in (2, 3):
        labels = without_small(basins, right, below, min_area)
        np.testing.assert_array_equal(labels, defined_without_small(basins, right, below, min_area))


def test_a_region_with_very_many_neighbours_takes_them_in_order():
    side, across = 61, 30
    basins = np.zeros((side, side), np.int32)
    basins[1::2, 1::2] = np.arange(1, across**2 + 1).reshape(across, across)
    height = np.random.default_rng(1).integers(0, 64, across**2) / 64
    right, below = np.zeros((2, side, side))
    for label, (y, x) in enumerate(np.argwhere(basins), start=1):
        right[y, x] = right[y, x - 1] = below[y, x] = below[y - 1, x] = height[label - 1]
    merges = merge_order(basins, right, below)
    taken = np.where(merges[:, 0] == 0, merges[:, 1], merges[:, 0])
    np.testing.assert_array_equal(taken, 1 + np.argsort(height, kind="stable"))
    np.testing.assert_array_equal(merges[:, 2], np.sort(height))
    np.testing.assert_array_equal(merges[:, 3], np.arange(len(merges)) + 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_one_region_never_merges(shape: tuple[int, int]):
    assert merge_order(np.zeros(shape, np.int32), np.zeros(shape), np.zeros(shape)).shape == (0, 4)


def defined_without_small(
    basins: NDArray[np.int32], right: NDArray[np.float64], below: NDArray[np.float64], min_area: int
) -> NDArray[np.int32]:
    """Merge after merge, every boundary and area taken anew, in fractions."""
    height, width = basins.shape
    labels = basins.copy()
    while True:
        area = np.bincount(labels.ravel())
        elements: dict[frozenset[int], list[tuple[int, Fraction]]] = {}
        for y in range(height):
            for x in range(width):
                for side, (b, a), strength in ((0, (y, x + 1), right), (1, (y + 1, x), below)):
                    if b < height and a < width and labels[y, x] != labels[b, a]:
                        pair = frozenset((int(labels[y, x]), int(labels[b, a])))
                        if min(area[label] for label in pair) < min_area:
                            met = 2 * (y * width + x) + side
                            elements.setdefault(pair, []).append((met, Fraction(float(strength[y, x]))))
        if not elements:
            break
        weakest = min(
            elements, key=lambda pair: (sum(s for _, s in elements[pair]) / len(elements[pair]), min(elements[pair])[0])
        )
        into, gone = weakest
        labels[labels == gone] = into
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number].reshape(basins.shape)


def same_regions(a: NDArray[np.integer], b: NDArray[np.integer]) -> bool:
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1).shape[1]
    return pairs == len(np.unique(a)) == len(np.unique(b))


@settings(deadline=None)
@given(shape=shapes, seed=seeds, levels=st.sampled_from([1, 2, 4, 256]), min_area=st.integers(1, 200))
def test_small_regions_join_their_neighbours_as_defined(shape: tuple[int, int], seed: int, levels: int, min_area: int):
    random = np.random.default_rng(seed)
    basins = watershed(random.random(shape))
    right, below = random.integers(0, levels, (2, *shape)) / 256
    labels = without_small(basins, right, below, min_area)
    np.testing.assert_array_equal(labels, defined_without_small(basins, right, below, min_area))


@settings(deadline=None)
@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=seeds, min_area=st.integers(1, 300))
def test_no_region_is_small_and_each_is_of_whole_basins(shape: tuple[int, int], seed: int, min_area: int):
    random = np.random.default_rng(seed)
    basins = watershed(random.random(shape))
    labels = without_small(basins, *random.random((2, *shape)), min_area)
    area = np.bincount(labels.ravel())
    assert len(area) == 1 or area.min() >= min_area
    assert np.unique(np.stack([labels.ravel(), basins.ravel()]), axis=1).shape[1] == basins.max() + 1
    assert all(ndimage.label(labels == label)[1] == 1 for label in range(len(area)))


@settings(deadline=None)
@given(shape=st.tuples(st.integers(1, 25), st.integers(1, 25)), seed=seeds, min_area=st.integers(1, 60))
def test_a_transposed_or_mirrored_image_has_the_same_regions(shape: tuple[int, int], seed: int, min_area: int):
    """Strengths are such that no two boundaries are equally strong, and sums are exact in any order."""
    random = np.random.default_rng(seed)
    basins = watershed(random.random(shape))
    right, below = random.integers(0, 2**40, (2, *shape)) / 2**40
    labels = without_small(basins, right, below, min_area)
    turned = without_small(basins.T, below.T, right.T, min_area)
    assert same_regions(labels, turned.T)
    across = np.zeros_like(right)
    across[:, :-1] = right[:, -2::-1]
    mirrored = without_small(basins[:, ::-1], across, below[:, ::-1], min_area)
    assert same_regions(labels, mirrored[:, ::-1])
