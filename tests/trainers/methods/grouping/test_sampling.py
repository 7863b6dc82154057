"""Equations 2 and 3 against a plain definition, and the pixels that are drawn against both."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage

from trainers.methods.grouping.options import SamplingOptions
from trainers.methods.grouping.sampling import TEMPERATURE, leaf_distances, sample_pixels

OPTIONS = SamplingOptions()
SIDE = 24


def tree_of(leaves: int, seed: int) -> np.ndarray:
    """A linkage matrix as shards have it, its heights in [0, 1]."""
    if leaves == 1:
        return np.zeros((0, 4), np.float32)
    tree = linkage(np.random.default_rng(seed).random((leaves, 2)), "single")
    return (tree / [1, 1, 2, 1]).astype(np.float32)


def merged_at(tree: np.ndarray, one: int, other: int) -> float:
    """The height of the first row that has both leaves, by walking through the rows."""
    groups = [{leaf} for leaf in range(len(tree) + 1)]
    if one == other:
        return 0.0
    for left, right, height, _ in tree.tolist():
        groups.append(groups[int(left)] | groups[int(right)])
        if {one, other} <= groups[-1]:
            return height
    raise AssertionError


def labels_of(leaves: int, seed: int, side: int = SIDE) -> np.ndarray:
    """Regions of any size, some of one pixel, some gone, and a border of no image."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(leaves, (side, side), p=rng.dirichlet(np.full(leaves, 0.3)))
    labels[: side // 4] = -1
    return labels


def probabilities(labels: np.ndarray, tree: np.ndarray, options: SamplingOptions, a: int) -> tuple[dict, dict]:
    """Equations 2 and 3 for an anchor in region `a`, region by region, as they are printed."""
    there = [r for r in range(len(tree) + 1) if (labels == r).any()]
    area = {r: int((labels == r).sum()) if options.weighting == "pixel" else 1 for r in there}
    if options.distances == "flat":
        others = sum(area[m] for m in there if m != a)
        return {r: float(r == a) for r in there}, {r: area[r] / others if r != a else 0.0 for r in there}
    d = {r: options.distance_scale * merged_at(tree, a, r) for r in there}
    similar = {r: math.exp(-d[r] / TEMPERATURE) if r != a else 1.0 for r in there}
    apart = {r: math.exp(d[r] / TEMPERATURE) if r != a else 0.0 for r in there}
    return tuple(
        {r: of[r] * area[r] / max(sum(of[m] * area[m] for m in there), 1e-300) for r in there}
        for of in (similar, apart)
    )


@given(leaves=st.integers(2, 40), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_the_distance_of_leaves_is_the_height_at_which_they_merge(leaves: int, seed: int):
    tree = tree_of(leaves, seed)
    expected = [[merged_at(tree, a, b) for b in range(leaves)] for a in range(leaves)]
    np.testing.assert_allclose(leaf_distances(tree), expected)


@given(
    leaves=st.integers(2, 12),
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(0.1, 1000),
    distances=st.sampled_from(["tree", "flat"]),
    weighting=st.sampled_from(["region", "pixel"]),
)
@settings(deadline=None, max_examples=40)
def test_pixels_are_drawn_by_equations_2_and_3(leaves: int, seed: int, scale: float, distances: str, weighting: str):
    """Of many draws, the share of each region is its probability, within four deviations."""
    many = 4000
    options = SamplingOptions(
        anchors=1, positives=many, negatives=many, distances=distances, distance_scale=scale, weighting=weighting
    )
    labels, tree = labels_of(leaves, seed), tree_of(leaves, seed)
    made = sample_pixels(labels, leaf_distances(tree), options, np.random.default_rng(seed))
    regions = labels[tuple(made.points[0].T)]
    assert (regions >= 0).all()
    own = int(regions[0])
    if not made.counted[0]:
        sizes = np.bincount(labels[labels >= 0])
        assert (sizes <= 1).all() or (sizes > 0).sum() == 1
        return
    positive, negative = probabilities(labels, tree, options, own)
    assert made.own[0] == pytest.approx(positive[own])
    for of, drawn in ((positive, regions[1 : 1 + many]), (negative, regions[1 + many :])):
        shares = np.bincount(drawn, minlength=leaves) / many
        for region, expected in of.items():
            assert abs(shares[region] - expected) <= 5 * math.sqrt(expected * (1 - expected) / many) + 1e-9


@given(seed=st.integers(0, 2**32 - 1), leaves=st.integers(2, 40))
@settings(deadline=None, max_examples=50)
def test_anchors_are_of_different_regions_and_no_positive_is_its_anchor(seed: int, leaves: int):
    labels = labels_of(leaves, seed)
    made = sample_pixels(labels, leaf_distances(tree_of(leaves, seed)), OPTIONS, np.random.default_rng(seed))
    anchors = labels[tuple(made.points[:, 0].T)]
    sizes = np.bincount(labels[labels >= 0], minlength=leaves)
    able = np.flatnonzero(sizes > 1)
    assert len(set(anchors[made.counted])) == min(len(able), OPTIONS.anchors) * ((sizes > 0).sum() > 1)
    assert made.counted.all() == ((sizes > 0).sum() > 1 and len(able) > 0)
    positives = made.points[made.counted, 1 : 1 + OPTIONS.positives]
    assert not (positives == made.points[made.counted, :1]).all(axis=2).any()
    far = labels[tuple(made.points[made.counted, 1 + OPTIONS.positives :].T)].T
    assert not (far == anchors[made.counted, None]).any()


def test_every_pixel_of_a_region_is_drawn_as_often_but_for_the_anchor():
    labels = np.array([[0, 0, 0, 0, 1, 1]])
    options = SamplingOptions(anchors=1, positives=6000, negatives=6000, distances="flat")
    made = sample_pixels(labels, np.ones((2, 2)) - np.eye(2), options, np.random.default_rng(1))
    anchor = made.points[0, 0, 1]
    own = {x for x in range(6) if labels[0, x] == labels[0, anchor] and x != anchor}
    other = {x for x in range(6) if labels[0, x] != labels[0, anchor]}
    for drawn, places in ((made.points[0, 1:6001, 1], own), (made.points[0, 6001:, 1], other)):
        found, counts = np.unique(drawn, return_counts=True)
        assert set(found) == places
        np.testing.assert_allclose(counts, 6000 / len(places), rtol=0.1)


@pytest.mark.parametrize(("weighting", "share"), [("even", 1 / 3), ("area", 0.1)])
def test_anchors_are_even_or_by_area(weighting: str, share: float):
    labels = np.repeat([0, 1, 2], [10, 40, 50])[None]
    options = replace(OPTIONS, anchors=1, anchor_weighting=weighting)
    distances, rng = np.ones((3, 3)) - np.eye(3), np.random.default_rng(0)
    firsts = [labels[tuple(sample_pixels(labels, distances, options, rng).points[0, 0])] for _ in range(2000)]
    assert np.mean(np.array(firsts) == 0) == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize(
    "labels", [np.zeros((4, 4), int), np.arange(16).reshape(4, 4), np.full((4, 4), -1)], ids=["one", "single", "none"]
)
def test_anchors_without_negatives_or_positives_do_not_count(labels: np.ndarray):
    distances = np.zeros((1, 1)) if labels.max() < 1 else np.ones((16, 16)) - np.eye(16)
    made = sample_pixels(labels, distances, OPTIONS, np.random.default_rng(0))
    assert not made.counted.any()
    assert made.points.shape == (7, 16, 2)
    assert ((made.points >= 0) & (made.points < 4)).all()
