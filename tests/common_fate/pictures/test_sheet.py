import cv2
import numpy as np

from common_fate.pictures import color_wheel_legend, contact_sheet
from common_fate.pictures.sheet import SHEET_WIDTH

GREY = np.full((60, 80, 3), 128, np.uint8)


def test_a_sheet_holds_every_tile_and_has_one_width():
    red, blue = np.zeros((100, 200, 3), np.uint8), np.zeros((300, 90, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    sheet = contact_sheet([[(red, "a\nb"), (blue, "c"), (red, "d")], [(red, "e"), (red, "f"), (red, "g")]], "title")
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3
    assert sheet.shape[1] <= SHEET_WIDTH
    for color, shape, count in (([255, 0, 0], (190, 381), 5), ([0, 0, 255], (381, 114), 1)):
        where = (sheet == color).all(axis=-1).astype(np.uint8)
        number, _, boxes, _ = cv2.connectedComponentsWithStats(where)
        assert number - 1 == count
        assert {(int(box[cv2.CC_STAT_HEIGHT]), int(box[cv2.CC_STAT_WIDTH])) for box in boxes[1:]} == {shape}
    assert (sheet[:, 0] == 255).all()


def test_single_pictures_are_set_side_by_side():
    tile = [(GREY, "caption")]
    assert contact_sheet([tile] * 4, "t").shape[0] == contact_sheet([tile * 4], "t").shape[0]
    assert contact_sheet([tile] * 5, "t").shape[0] > contact_sheet([tile] * 4, "t").shape[0]


def test_an_empty_sheet_is_its_title():
    assert contact_sheet([], "nothing").shape == contact_sheet([[]], "nothing").shape


def test_long_captions_stay_within_their_tile():
    tile = GREY + np.uint8(127)
    sheet = contact_sheet([[(tile, "wide_" * 100), (tile, "")]], "t")
    text = np.nonzero((sheet[60:] < 200).all(axis=-1).any(axis=0))[0]
    assert text.min() >= 14
    assert 300 < text.max() <= 14 + 384


def test_the_legend_hangs_right_of_the_title():
    legend = color_wheel_legend(56)
    sheet = contact_sheet([[(GREY, "caption")] * 3], "title", legend)
    np.testing.assert_array_equal(sheet[14:70, -70:-14], legend)
