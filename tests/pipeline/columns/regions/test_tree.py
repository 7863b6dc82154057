from pathlib import Path

import cv2
import higra as hg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.hierarchy import cophenet, fcluster, is_monotonic, is_valid_linkage, linkage
from scipy.io import loadmat
from scipy.spatial.distance import squareform

from common_fate.pictures.contour_map import ultrametric_contour_map
from pipeline.columns.regions.stage import RegionOptions, regions_of
from pipeline.columns.regions.tree import basin_tree, region_tree
from pipeline.kernels.orientation import boundary_orientation

shapes = st.tuples(st.integers(1, 30), st.integers(1, 30))
seeds = st.integers(0, 2**32 - 1)
FOUR, EIGHT = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]), np.ones((3, 3))


def contours(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Gradient magnitude at two scales, without ties: smooth ridges where the colour changes."""
    total = sum(
        np.hypot(*(ndimage.gaussian_filter(image / 255, (s, s, 0), order) for order in ((1, 0, 0), (0, 1, 0)))).sum(-1)
        for s in (1.5, 3)
    )
    noisy = total / total.max() + 1e-3 * np.random.default_rng(0).random(total.shape)
    return np.clip(noisy / noisy.max(), 0, 1).astype(np.float32)


def distances(tree: NDArray[np.floating]) -> NDArray[np.float64]:
    return squareform(cophenet(tree.astype(np.float64))) if len(tree) else np.zeros((1, 1))


def edge_heights(labels: NDArray[np.integer], tree: NDArray[np.floating]) -> NDArray[np.float64]:
    """The height where the two pixels of each edge of Higra's grid graph become one region, through its own tree."""
    leaves = len(tree) + 1
    parents = np.arange(2 * leaves - 1)
    for row, children in enumerate(tree[:, :2].astype(int)):
        parents[children] = leaves + row
    source, target = hg.get_4_adjacency_graph(labels.shape).edge_list()
    common = hg.Tree(parents).lowest_common_ancestor(
        labels.ravel()[source].astype(np.int64), labels.ravel()[target].astype(np.int64)
    )
    return np.concatenate([np.zeros(leaves), tree[:, 2]])[common]


def higra_heights(strength: NDArray[np.floating], orientation: NDArray[np.floating] | None) -> NDArray[np.floating]:
    """Without an orientation in Higra's steps, since `mean_pb_hierarchy` then computes in single precision."""
    graph = hg.get_4_adjacency_graph(strength.shape)
    weights = hg.weight_graph(graph, strength.astype(np.float64), hg.WeightFunction.mean)
    if orientation is not None:
        source, target = graph.edge_list()
        doubled = np.exp(2j * orientation.astype(np.float64)).ravel()
        return hg.saliency(
            *hg.mean_pb_hierarchy(graph, weights, edge_orientations=np.angle(doubled[source] + doubled[target]) / 2)
        )
    rag = hg.make_region_adjacency_graph_from_labelisation(graph, hg.labelisation_watershed(graph, weights))
    mean, length = (
        hg.rag_accumulate_on_edges(rag, a, weights) for a in (hg.Accumulators.mean, hg.Accumulators.counter)
    )
    return hg.saliency(*hg.binary_partition_tree_average_linkage(rag, mean, length.astype(np.float64)))


@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("smoothing", [0, 1, 3])
def test_the_hierarchy_is_higra_s(smoothing: float, oriented: bool):
    strength = ndimage.gaussian_filter(np.random.default_rng(5).random((120, 90)), smoothing)
    orientation = boundary_orientation(strength) if oriented else None
    heights = edge_heights(*basin_tree(strength, orientation))
    np.testing.assert_allclose(heights, higra_heights(strength, orientation), rtol=0, atol=1e-12)


def test_the_hierarchy_is_that_of_higra_s_one_function():
    strength = np.random.default_rng(2).random((100, 90))
    graph = hg.get_4_adjacency_graph(strength.shape)
    peer = hg.saliency(*hg.mean_pb_hierarchy(graph, hg.weight_graph(graph, strength, hg.WeightFunction.mean)))
    np.testing.assert_allclose(edge_heights(*basin_tree(strength)), peer, rtol=0, atol=1e-6)


@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("name", ["101085", "106024", "108082"])
def test_the_hierarchy_of_a_photograph_is_higra_s(shared_data: Path, name: str, oriented: bool):
    strength = contours(cv2.imread(str(shared_data / "bsds500" / "images" / "val" / f"{name}.jpg")))
    orientation = boundary_orientation(strength) if oriented else None
    heights = edge_heights(*basin_tree(strength, orientation))
    np.testing.assert_allclose(heights, higra_heights(strength, orientation), rtol=0, atol=1e-12)


@settings(deadline=None)  # the first call compiles
@given(
    shape=shapes,
    seed=seeds,
    leaves=st.integers(1, 50),
    levels=st.sampled_from([1, 2, 16, 256, 2**24]),
    min_area=st.sampled_from([1, 2, 10, 100, 1000]),
)
def test_a_tree_is_a_valid_linkage_over_connected_labels(
    shape: tuple[int, int], seed: int, leaves: int, levels: int, min_area: int
):
    strength = (np.random.default_rng(seed).integers(0, levels, shape) / max(levels - 1, 1)).astype(np.float32)
    orientation = boundary_orientation(strength) if seed % 2 else None
    labels, tree = region_tree(strength, leaves, orientation, min_area)
    assert (labels.dtype, tree.dtype) == (np.uint8, np.float32)
    regions = labels.max() + 1
    assert tree.shape == (regions - 1, 4)
    assert regions <= leaves
    assert regions == min(leaves, basin_tree(strength, orientation, min_area)[0].max() + 1)
    assert regions == 1 or np.bincount(labels.ravel()).min() >= min_area
    if min_area == 1:
        assert regions == min(leaves, basin_tree(strength)[0].max() + 1)
    assert all(ndimage.label(labels == label, FOUR)[1] == 1 for label in range(regions))
    assert (np.diff(np.unique(labels, return_index=True)[1]) > 0).all()
    if regions > 1:
        assert is_valid_linkage(tree.astype(np.float64))
        assert is_monotonic(tree.astype(np.float64))
        assert tree[:, 2].min() >= 0
        assert tree[:, 2].max() <= 1
        assert tree[-1, 3] == regions


def test_eight_bit_strengths_give_the_same_tree_each_time():
    strength = (np.random.default_rng(0).integers(0, 256, (80, 70)) // 32 * 32 / 255).astype(np.float32)
    labels, tree = region_tree(strength)
    for same in (strength.copy(), np.asfortranarray(strength), strength.astype(np.float64), strength[::-1][::-1]):
        again = region_tree(same)
        np.testing.assert_array_equal(again[0], labels)
        np.testing.assert_array_equal(again[1], tree)


def test_two_regions():
    strength = np.zeros((6, 8), np.float32)
    strength[:, 3], strength[:, 4] = 0.5, 0.75
    labels, tree = region_tree(strength)
    np.testing.assert_array_equal(labels, np.tile(np.arange(8) > 3, (6, 1)))
    np.testing.assert_array_equal(tree, [[0, 1, 0.625, 2]])
    np.testing.assert_array_equal(cophenet(tree.astype(np.float64)), [tree[0, 2]])
    across, along = (region_tree(strength, orientation=np.full((6, 8), angle))[1] for angle in (0, np.pi / 2))
    np.testing.assert_allclose([across[0, 2], along[0, 2]], [0.625, 0], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 6)])
@pytest.mark.parametrize("value", [0, 1])
def test_an_image_of_one_strength_is_one_region(shape: tuple[int, int], value: float):
    strength = np.full(shape, value, np.float32)
    for orientation in (None, boundary_orientation(strength)):
        labels, tree = region_tree(strength, orientation=orientation)
        np.testing.assert_array_equal(labels, np.zeros(shape))
        assert tree.shape == (0, 4)
        ucm = ultrametric_contour_map(labels, tree)
        np.testing.assert_array_equal(ucm, np.zeros((2 * shape[0] + 1, 2 * shape[1] + 1)))


@pytest.mark.parametrize("shape", [(1, 7), (7, 1)])
def test_an_image_of_one_pixel_s_width(shape: tuple[int, int]):
    labels, tree = region_tree(np.array([0, 0, 0.5, 1, 0, 0, 0], np.float32).reshape(shape))
    np.testing.assert_array_equal(labels.ravel(), [0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(tree, [[0, 1, 0.75, 2]])


@pytest.mark.parametrize("bad", [-0.01, 1.01, np.nan, np.inf])
def test_strengths_outside_0_to_1_are_refused(bad: float):
    strength = np.zeros((4, 4), np.float32)
    strength[2, 1] = bad
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        region_tree(strength)


def test_the_stage_keeps_no_sliver_unless_it_is_told_to():
    strength = np.random.default_rng(0).random((60, 70), np.float32)
    areas = [np.bincount(regions_of(strength, RegionOptions(min_area=area))[0].ravel()) for area in (1, 50)]
    assert areas[0].min() < 50 <= areas[1].min()
    assert np.bincount(regions_of(strength, RegionOptions())[0].ravel()).min() >= 200
    with pytest.raises(ValueError, match="min_area is 0"):
        RegionOptions(min_area=0)


def test_what_does_not_fit_is_refused():
    strength = np.zeros((4, 4), np.float32)
    for leaves in (0, 257):
        with pytest.raises(ValueError, match="from 1 to 256"):
            region_tree(strength, leaves)
    for shape in ((4, 4, 3), (0, 4), (4,)):
        with pytest.raises(ValueError, match=r"\(H, W\)"):
            region_tree(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="do not fit"):
        region_tree(strength, orientation=np.zeros((4, 5)))


@settings(deadline=None)
@given(shape=shapes, seed=seeds, levels=st.sampled_from([3, 2**20]))
def test_thresholds_of_the_contour_map_are_cuts_of_the_tree(shape: tuple[int, int], seed: int, levels: int):
    strength = (np.random.default_rng(seed).integers(0, levels, shape) / (levels - 1)).astype(np.float32)
    labels, tree = region_tree(strength, 12)
    ucm = ultrametric_contour_map(labels, tree)
    assert ucm.shape == (2 * shape[0] + 1, 2 * shape[1] + 1)
    assert not ucm[1::2, 1::2].any()
    for height in np.unique(tree[:, 2]):
        cut = fcluster(tree.astype(np.float64), height, "distance")[labels]
        for connectivity in (FOUR, EIGHT):
            found = ndimage.label(ucm <= height, connectivity)[0][1::2, 1::2]
            assert found.min() > 0
            pairs = np.unique(np.stack([found.ravel(), cut.ravel()]), axis=1)
            assert pairs.shape[1] == len(np.unique(cut)) == len(np.unique(found))


@settings(deadline=None)
@given(shape=shapes, seed=seeds)
def test_an_element_carries_the_distance_of_its_leaves(shape: tuple[int, int], seed: int):
    labels, tree = region_tree(np.random.default_rng(seed).random(shape, np.float32), 12)
    ucm, distance = ultrametric_contour_map(labels, tree), distances(tree)
    for y in range(shape[0]):
        for x in range(shape[1]):
            if x:
                assert ucm[2 * y + 1, 2 * x] == np.float32(distance[labels[y, x - 1], labels[y, x]])
            if y:
                assert ucm[2 * y, 2 * x + 1] == np.float32(distance[labels[y - 1, x], labels[y, x]])


@pytest.mark.parametrize("name", ["101085", "108082"])
def test_a_berkeley_contour_map_comes_back_from_its_tree(shared_data: Path, name: str):
    reference = loadmat(shared_data / "bsds500" / "ucm2_gpb_val" / f"{name}.mat")["ucm2"].astype(np.float32)
    labels = ndimage.label(reference == 0, FOUR)[0][1::2, 1::2] - 1
    leaves = labels.max() + 1
    apart = np.full((leaves, leaves), 2.0)  # leaves without a common boundary join through others
    elements = (
        (labels[:, :-1], labels[:, 1:], reference[1::2, 2:-1:2]),
        (labels[:-1], labels[1:], reference[2:-1:2, 1::2]),
    )
    for a, b, height in elements:
        apart[a, b] = apart[b, a] = height
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart), "single")
    np.testing.assert_array_equal(ultrametric_contour_map(labels, tree), reference)
