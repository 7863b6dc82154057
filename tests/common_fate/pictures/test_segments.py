import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, fcluster
from scipy.spatial.distance import squareform

from common_fate.pictures.contour_map import merge_heights
from common_fate.pictures.segments import _cut, draw_cut, draw_regions, draw_superpixels

LABELS = np.repeat(np.array([[0, 0, 1, 1, 2, 2]], np.uint8), 4, axis=0)
TREE = np.array([[0, 1, 0.2, 2], [3, 2, 0.8, 3]], np.float32)
IMAGE = np.repeat((LABELS * 100)[..., None], 3, axis=-1)


def redness(picture: np.ndarray) -> np.ndarray:
    return picture[0, :, 0].astype(int) - picture[0, :, 1]


def test_lines_are_the_stronger_the_later_regions_merge():
    drawn = redness(draw_regions(IMAGE, LABELS, TREE))
    assert drawn[[0, 5]].tolist() == [0, 0]
    assert 0 < drawn[1] < drawn[3]
    assert 0 < drawn[2] < drawn[4]


def test_one_region_has_no_lines():
    drawn = draw_regions(IMAGE, np.zeros_like(LABELS), np.zeros((0, 4), np.float32))
    assert not redness(drawn).any()


def test_superpixels_are_outlined():
    assert (redness(draw_superpixels(IMAGE, LABELS.astype(np.uint16))) > 0).nonzero()[0].tolist() == [1, 3]


def test_a_cut_has_mean_colours_of_what_it_merges():
    for regions, first_row in ((3, [0, 0, 100, 100, 200, 200]), (2, [50, 50, 50, 50, 200, 200]), (1, [100] * 6)):
        picture, count = draw_cut(IMAGE, LABELS, TREE, regions)
        assert count == regions
        assert picture[0, :, 0].tolist() == first_row
    picture, count = draw_cut(IMAGE, np.zeros_like(LABELS), np.zeros((0, 4), np.float32), 4)
    assert (count, picture[0, 0, 0]) == (1, 100)


@st.composite
def trees(draw: st.DrawFn) -> np.ndarray:
    """A linkage of up to 12 leaves, whose heights may be the same."""
    leaves = draw(st.integers(2, 12))
    heights = sorted(
        draw(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), min_size=leaves - 1, max_size=leaves - 1))
    )
    roots, rows, sizes = list(range(leaves)), [], [1] * leaves
    for height in heights:
        left, right = (roots.pop(draw(st.integers(0, len(roots) - 1))) for _ in range(2))
        sizes.append(sizes[left] + sizes[right])
        rows.append([left, right, height, sizes[-1]])
        roots.append(leaves + len(rows) - 1)
    return np.array(rows, np.float32)


@given(trees(), st.integers(1, 13))
def test_heights_and_cuts_of_trees_are_scipys(tree: np.ndarray, regions: int):
    np.testing.assert_array_equal(merge_heights(tree), squareform(cophenet(tree.astype(float))).astype(np.float32))
    ours, theirs = _cut(tree, regions), fcluster(tree.astype(float), regions, "maxclust")
    assert len({*zip(ours, theirs, strict=True)}) == len({*ours}) == len({*theirs})
