import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco
from pycocotools.coco import COCO

from trainers.evaluations.boxed_images.shapes import Runs, drawn, packed, parse_shape, unpacked

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_packed_runs_are_read_as_pycocotools_writes_them(mask):
    runs = packed(mask)
    shape = parse_shape({"size": list(mask.shape), "counts": runs["counts"].decode()})
    np.testing.assert_array_equal(drawn(shape, mask.shape), mask)


def test_polygons_are_filled_as_pycocotools_fills_them():
    rng = np.random.default_rng(0)
    polygons = [rng.uniform(0, 30, 12).round(2).tolist(), [2, 2, 20, 3, 18.5, 25]]
    theirs = COCO()
    theirs.imgs = {1: {"height": 30, "width": 33}}
    expected = theirs.annToMask({"image_id": 1, "segmentation": polygons})
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(drawn(parse_shape(polygons), (30, 33)), expected)


def test_corners_far_beyond_the_image_cost_nothing():
    mask = drawn(parse_shape([[-1e30, -5, 1e30, -5, 1e30, 10, -1e30, 10]]), (20, 30))
    assert mask[:10].all()
    assert not mask[11:].any()


def test_runs_of_another_image_are_refused():
    with pytest.raises(ValueError, match="runs of an image of 3x2, and it is 4x2"):
        drawn(Runs((2, 3), np.array([6])), (2, 4))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "no polygon and no runs"),
        ([], "no polygon"),
        ([[1, 2, 3, 4]], "fewer than three corners"),
        ([[1, 2, 3, 4, 5, 6, 7]], "without y"),
        ([[1, 2, 3, 4, 5, "6"]], "no number"),
        ([[1, 2, 3, 4, 5, True]], "no number"),
        ({"counts": [4]}, "no size"),
        ({"size": [2, 2**20], "counts": [2**21]}, "no size"),
        ({"size": [2, 2], "counts": [3]}, "do not fill the image"),
        ({"size": [2, 2], "counts": [-1, 5]}, "not whole numbers"),
        ({"size": [2, 2], "counts": [2.5, 1.5]}, "not whole numbers"),
        ({"size": [2, 2], "counts": "\n"}, "damaged"),
        ({"size": [2, 2], "counts": "o" * 9}, "damaged"),
        ({"size": [2, 2], "counts": "d"}, "damaged"),
        ({"size": [2, 2], "counts": "1"}, "do not fill the image"),
        ({"size": [2, 2], "counts": coco.encode(np.ones((3, 3), np.uint8, order="F"))["counts"].decode()}, "not fill"),
    ],
)
def test_damaged_masks_are_refused(value, says):
    with pytest.raises(ValueError, match=says):
        parse_shape(value)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12))
def test_any_text_is_runs_or_refused(text):
    try:
        counts = unpacked(text)
    except ValueError:
        return
    assert all(type(one) is int for one in counts)
