import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from common_fate.errors import UserError
from tests.support.coloured_net import ColouredNet, canvas, options
from trainers.methods.cmp.apps.annotate import annotate, annotation_picture, run_lengths

ORANGE, BLUE = (240, 140, 20), (20, 80, 240)


def doughnut() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:64, :80]
    distance = np.hypot(y - 32, x - 40)
    ring = (distance < 26) & (distance > 10)
    picture = canvas()
    picture[ring] = ORANGE
    return picture, ring


def two_cars() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    picture = canvas()
    left, right = np.zeros((2, 64, 80), bool)
    left[20:40, 5:25], right[15:50, 50:75] = True, True
    picture[left | right] = BLUE
    return picture, left, right


def test_a_doughnut_keeps_its_hole():
    picture, ring = doughnut()
    mask = annotate(ColouredNet(), options(), picture, [[32, 60]])
    assert mask.dtype == bool
    assert (mask == ring).all()


def test_a_mask_may_have_two_parts():
    picture, left, right = two_cars()
    picture[right] = ORANGE  # so that no motion spreads from one to the other
    net = ColouredNet()
    assert (annotate(net, options(), picture, [[30, 10]]) == left).all()
    assert (annotate(net, options(), picture, [[30, 10], [30, 60]]) == left | right).all()


def test_a_negative_point_removes_what_was_wrong():
    picture, left, right = two_cars()
    net = ColouredNet()
    assert (annotate(net, options(), picture, [[30, 10]]) == left | right).all()
    assert (annotate(net, options(), picture, [[30, 10]], [[30, 60]]) == left).all()


def test_positive_points_are_pulled_four_ways_and_negative_ones_held():
    class Remembering(ColouredNet):
        def forward(self, image, guidance):
            calls.append(guidance[0].clone())
            return super().forward(image, guidance)

    calls: list = []
    picture = np.full((96, 120, 3), 255, np.uint8)  # seen at two thirds of its size
    annotate(Remembering(), options(64), picture, [[30, 30], [60, 90]], [[0, 0]], strength=6)
    assert len(calls) == 4
    pulls = [call[:, 20, 20].tolist() for call in calls]
    assert np.allclose(sorted(pulls), [[-6, 0, 1], [0, -6, 1], [0, 6, 1], [6, 0, 1]])
    for call, pull in zip(calls, pulls, strict=True):
        assert call[:, 40, 60].tolist() == pytest.approx(pull)
        assert call[:, 0, 0].tolist() == [0, 0, 1]
        assert call[2].sum() == 3


def test_the_threshold_is_a_share_of_the_strongest_response():
    picture = canvas()
    picture[10:20, 10:20], picture[40:50, 10:20] = ORANGE, BLUE
    strong, weak = picture[..., 0] == ORANGE[0], picture[..., 0] == BLUE[0]

    class Uneven(ColouredNet):
        def forward(self, image, guidance):
            return super().forward(image, guidance) * (1 - 0.4 * (image[:, :1] < 0.5))

    points = [[15, 15], [45, 15]]
    assert (annotate(Uneven(), options(), picture, points, threshold=0.5) == strong | weak).all()
    assert (annotate(Uneven(), options(), picture, points, threshold=0.7) == strong).all()


def test_no_motion_is_no_mask():
    assert not annotate(ColouredNet(), options(), canvas(), [[30, 30]]).any()


def test_a_positive_point_is_needed_and_points_lie_inside():
    with pytest.raises(UserError, match="at least one positive point"):
        annotate(ColouredNet(), options(), canvas(), [], [[1, 1]])
    with pytest.raises(UserError, match=r"positive point 64,3: .* 80 wide and 64 high"):
        annotate(ColouredNet(), options(), canvas(), [[64, 3]])
    with pytest.raises(UserError, match=r"negative point 1,-1: .* 80 wide and 64 high"):
        annotate(ColouredNet(), options(), canvas(), [[3, 3]], [[1, -1]])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 40), share=st.floats(0, 1))
def test_run_lengths_are_cocos(seed: int, height: int, width: int, share: float):
    mask = np.random.default_rng(seed).random((height, width)) < share
    found = json.loads(json.dumps(run_lengths(mask)))
    assert found["size"] == [height, width]
    assert (coco.decode(found) == mask).all()
    # By COCO's definition: column by column, the first run counts zeros.
    changes = np.flatnonzero(np.diff(np.concatenate([[False], mask.T.ravel()]).astype(int))).tolist()
    runs = np.diff([0, *changes, mask.size]).tolist()
    assert (
        coco.frPyObjects({"size": [height, width], "counts": runs}, height, width)["counts"].decode() == found["counts"]
    )


def test_the_picture_shows_mask_and_points():
    picture, ring = doughnut()
    drawn = annotation_picture(picture, ring, [[32, 60]], [[32, 40]])
    assert drawn.shape == picture.shape
    green, red = drawn[32, 60].astype(int), drawn[32, 40].astype(int)
    assert green[1] > 100 + max(green[0], green[2])
    assert red[0] > 100 + max(red[1], red[2])
    assert (drawn[0, 0] < picture[0, 0]).all()  # outside it is darker
    assert (picture == doughnut()[0]).all()
