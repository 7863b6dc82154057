from dataclasses import replace

import cv2
import numpy as np

from common_fate.pictures.sheet import WHITE
from trainers.evaluations.propagation.gallery import Example, gallery, row

SIDE = 40


def example() -> Example:
    """The left half moves right; the top rows are not valid; two points, one of them on what stands still."""
    target = np.zeros((2, SIDE, SIDE), np.float32)
    target[0, :, : SIDE // 2] = 6
    valid = np.ones((SIDE, SIDE), bool)
    valid[:8] = False
    guidance = np.zeros((3, SIDE, SIDE), np.float32)
    guidance[:, 20, 4], guidance[:, 30, 35] = (6, 0, 1), (0, 0, 1)
    image = np.full((3, SIDE, SIDE), 0.5, np.float32)
    return Example("clip-000003", "exact", image, guidance, target, valid, target, target / 2, 0.0, 1.5)


def test_each_picture_says_what_it_is():
    captions = [caption for _, caption in row(example())]
    assert captions == [
        "guidance: 2 points, arrows 1 x motion\nclip-000003",
        "predicted\n0.00 px off on average",
        "target: exact flow\nfull colour 6.0 px",
        "nearest guidance point\n1.50 px off on average",
    ]
    assert row(replace(example(), error=None))[1][1] == "predicted\nnowhere valid"


def test_the_flows_of_a_row_have_one_scale():
    _, predicted, target, nearest = (picture.astype(int) for picture, _ in row(example()))
    assert (predicted == target).all()
    at = predicted.shape[0] // 2, predicted.shape[1] // 4
    # Half the speed has half the saturation.
    assert np.abs((255 - nearest[at]) * 2 - (255 - target[at])).max() <= 2


def test_what_is_not_valid_is_black_and_what_stands_still_is_framed():
    _, predicted, _, _ = (picture for picture, _ in row(example()))
    factor = predicted.shape[0] // SIDE
    assert not predicted[factor : 8 * factor, 1:-1].any()
    still = predicted[8 * factor :, predicted.shape[1] // 2 :]
    assert (still[:-1, 1:-1] == WHITE).all()
    assert (still[:, -1] != WHITE).all()


def test_arrows_start_at_the_points_and_go_along_the_motion():
    arrows, empty = (
        row(replace(example(), guidance=guidance))[0][0].astype(int)
        for guidance in (example().guidance, np.zeros((3, SIDE, SIDE), np.float32))
    )
    factor = arrows.shape[0] // SIDE
    y, x = np.nonzero((arrows != empty).any(axis=2))
    y, x = y / factor, x / factor
    moving = x < 20
    assert abs(y[moving] - 20.5).max() < 4
    assert x[moving].min() > 2
    assert 9 < x[moving].max() < 14  # 4.5 and 6 px further
    assert np.hypot(y[~moving] - 30.5, x[~moving] - 35.5).max() < 3  # a dot


def test_a_sheet_has_a_row_for_each_sample():
    heights = [cv2.imdecode(np.frombuffer(gallery("t", [example()] * n), np.uint8), 1).shape[0] for n in (1, 2, 3)]
    assert heights[2] - heights[1] == heights[1] - heights[0] > 200
