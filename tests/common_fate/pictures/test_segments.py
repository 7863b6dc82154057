import numpy as np

from common_fate.pictures.segments import draw_cut, draw_regions, draw_superpixels

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
