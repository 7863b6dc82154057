import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.utils import flow_to_image

from common_fate.pictures.sheet import (
    SHEET_WIDTH,
    WHEEL,
    color_wheel_legend,
    contact_sheet,
    draw_arrows,
    flow_to_color,
    label_colors,
    sample_row,
    typical_maximum,
)

GREY = np.full((60, 80, 3), 128, np.uint8)


def uniform(u: float, v: float, height: int = 60, width: int = 80) -> np.ndarray:
    return np.broadcast_to(np.array([u, v], np.float32)[:, None, None], (2, height, width)).copy()


def sample(**others: object) -> dict[str, object]:
    points = np.array([[20, 30, 5], [40, 60, 3]], np.float32)
    about = {"frame": 4, "next": 10, "seconds": 0.16}
    return {"jpg": GREY, "flow.b2": uniform(3, 4), "guidance.npy": points, "json": about, **others}


def test_the_wheel_has_the_published_hues():
    assert len(WHEEL) == 55
    first_of_arc = np.rint(WHEEL[[0, 15, 21, 25, 36, 49]] * 255).astype(int).tolist()
    red, yellow, green, cyan = [255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255]
    blue, magenta = [0, 0, 255], [255, 0, 255]
    assert first_of_arc == [red, yellow, green, cyan, blue, magenta]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), speed=st.sampled_from([1e-3, 1.0, 300.0]))
def test_agrees_with_torchvision(seed: int, speed: float):
    flow = (np.random.default_rng(seed).normal(size=(2, 24, 31)) * speed).astype(np.float32)
    other = flow_to_image(torch.from_numpy(flow)).permute(1, 2, 0).numpy().astype(int)
    picture = flow_to_color(flow)
    difference = np.abs(picture - other)
    # torchvision's fastest pixel may be rounded below 0 and wrap around to 255; ours has a full hue.
    fastest = np.unravel_index(np.hypot(*flow).argmax(), flow.shape[1:])
    difference[fastest] = 0
    assert picture[fastest].max() >= 254
    # A value on the edge of a grey level may fall to either side.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_standing_still_is_white():
    assert (flow_to_color(np.zeros((2, 5, 6), np.float32)) == 255).all()
    assert (flow_to_color(np.zeros((2, 5, 6), np.float32), max_magnitude=0) == 255).all()


@pytest.mark.parametrize(
    ("u", "v", "strong", "weak"),
    [(1, 0, "R", "GB"), (0, 1, "RG", "B"), (-1, 0, "GB", "R"), (0, -1, "B", "RG")],
)
def test_the_four_directions_have_the_published_hues(u: float, v: float, strong: str, weak: str):
    """Right is red, down yellow, left cyan to blue, up blue to violet."""
    color = dict(zip("RGB", flow_to_color(uniform(u, v))[0, 0].tolist(), strict=True))
    assert max(color.values()) == 255
    assert min(color[c] for c in strong) > max(color[c] for c in weak)
    assert min(color[c] for c in weak) < 100


def test_a_negative_zero_does_not_cross_the_seam():
    assert flow_to_color(uniform(1, -0.0))[0, 0].tolist() == [255, 0, 0]
    np.testing.assert_array_equal(flow_to_color(uniform(-0.0, 1)), flow_to_color(uniform(0.0, 1)))


def test_faster_is_more_saturated_and_beyond_the_maximum_darker():
    flow = np.zeros((2, 1, 101), np.float32)
    flow[0] = np.linspace(0, 10, 101)
    picture = flow_to_color(flow, max_magnitude=8)[0].astype(int)
    saturation = picture.max(axis=-1) - picture.min(axis=-1)
    inside = flow[0, 0] <= 8
    assert (np.diff(saturation[inside]) > 0).all()
    assert (picture[inside].max(axis=-1) == 255).all()
    assert (picture[~inside] == [191, 0, 0]).all()


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf, 1.6e9])
def test_what_is_not_known_is_black_and_does_not_pale_the_rest(unknown: float):
    flow = uniform(2, 1)
    clean = flow_to_color(flow)
    flow[1, 3, 4] = unknown
    valid = np.ones((60, 80), bool)
    valid[0, 0] = False
    flow[:, 0, 0] = 100
    picture = flow_to_color(flow, valid)
    clean[3, 4] = clean[0, 0] = 0
    np.testing.assert_array_equal(picture, clean)


def test_the_typical_maximum_is_the_maximum_unless_few_pixels_run_away():
    flow = uniform(3, 4)
    flow[:, 0, 0] = (6, 4)
    assert typical_maximum(flow) == pytest.approx(np.hypot(6, 4))
    flow[:, 0, 0] = (300, 400)
    assert typical_maximum(flow) == pytest.approx(5)
    assert typical_maximum(uniform(0.1, 0)) == 1
    assert typical_maximum(np.full((2, 4, 4), np.nan, np.float32)) == 1


def test_the_legend_shows_each_direction_in_its_colour():
    legend = color_wheel_legend(81)
    assert legend.shape == (81, 81, 3)
    assert (legend[0, 0] == 255).all()
    assert legend[40, 40].min() > 240
    for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        # Half a pixel off the axis, so that both stand on one side of the seam.
        expected = flow_to_color(uniform(36 * dx, 36 * dy + 0.5, 1, 1), max_magnitude=40)[0, 0]
        assert np.abs(legend[40 + 36 * dy, 40 + 36 * dx] - expected.astype(int)).max() < 30


def test_an_arrow_points_where_the_flow_goes():
    flow, before = uniform(10, 0), GREY.copy()
    drawn = draw_arrows(GREY, np.array([[30, 20, 1]], np.float32), flow, scale=4)
    rows, columns = np.nonzero((drawn != GREY).any(axis=-1))
    assert 15 <= columns.min() <= 20
    assert 60 <= columns.max() <= 64
    assert rows.mean() == pytest.approx(30, abs=0.5)
    assert (drawn[30, 40] == [255, 0, 0]).all()  # the colour of going right
    assert np.ptp(rows[columns > 50]) > np.ptp(rows[(columns > 30) & (columns < 50)])  # the head is at the tip
    np.testing.assert_array_equal(GREY, before)


@pytest.mark.parametrize("background", [0, 255])
def test_arrows_read_on_any_background(background: int):
    """Bright inside and dark around: somewhere it differs from black, and somewhere from white."""
    image = np.full((60, 80, 3), background, np.uint8)
    drawn = draw_arrows(image, np.array([[30, 20, 1]], np.float32), uniform(1, 0), scale=30).astype(int)
    assert np.abs(drawn - background).max() > 200


@pytest.mark.parametrize("motion", [(0, 0), (np.nan, 1)])
def test_no_motion_is_a_dot(motion: tuple[float, float]):
    drawn = draw_arrows(GREY, np.array([[30, 20, 1]], np.float32), uniform(*motion), scale=50)
    rows, columns = np.nonzero((drawn != GREY).any(axis=-1))
    assert (drawn[30, 20] == 255).all()
    assert rows.mean() == pytest.approx(30)
    assert columns.mean() == pytest.approx(20)
    assert np.ptp(columns) == np.ptp(rows) < 12


def test_points_that_are_nowhere_are_not_drawn():
    points = np.array([[-1, 5, 1], [5, 80, 1], [np.nan, 5, 1], [60, 5, 1]], np.float32)
    np.testing.assert_array_equal(draw_arrows(GREY, points, uniform(5, 5)), GREY)
    np.testing.assert_array_equal(draw_arrows(GREY, points[:0], uniform(5, 5)), GREY)


def test_labels_keep_their_colours_from_picture_to_picture():
    labels = np.arange(41, dtype=np.uint8)[None]
    colors = label_colors(labels)[0]
    assert (colors[0] == 0).all()
    assert len({tuple(color) for color in colors.tolist()}) == 41
    np.testing.assert_array_equal(label_colors(labels[:, ::-1].astype(np.int64))[0, ::-1], colors)


def test_a_cmp_sample_shows_frame_flow_and_guidance():
    (frame, first), (flow, second), (guidance, third) = sample_row("clip-000004", sample())
    np.testing.assert_array_equal(frame, GREY)
    np.testing.assert_array_equal(flow, flow_to_color(uniform(3, 4)))
    assert guidance.shape == GREY.shape
    assert guidance.mean() < GREY.mean()
    assert first.splitlines() == ["clip-000004", "frame: 80 x 60 · at 0.16 s · next frame +6"]
    assert second.splitlines() == ["flow", "mean 5.0, max 5.0, full colour 5.0 px"]
    assert third.splitlines()[1].startswith("2 points")


@pytest.mark.parametrize(
    ("members", "names"),
    [
        (["jpg"], ["frame"]),
        (["jpg", "json"], ["frame"]),
        (["flow.b2", "json"], ["flow"]),
        (["guidance.npy"], []),
        (["flow.b2", "guidance.npy"], ["flow", "guidance"]),
        (["flow.b2", "valid.png", "occlusion.png", "objects.png"], ["flow", "occlusion", "objects"]),
        (["superpixels.png"], ["superpixels"]),
    ],
)
def test_a_sample_shows_whatever_it_has(members: list[str], names: list[str]):
    objects = np.zeros((60, 80), np.uint8)
    objects[:30] = 2
    whole = sample(
        **{"objects.png": objects, "occlusion.png": objects > 0, "valid.png": objects, "superpixels.png": objects}
    )
    tiles = sample_row("k-000001", {member: whole[member] for member in members})
    captions = [caption.removeprefix("k-000001\n") for _, caption in tiles]
    assert [caption.replace(":", "\n").split("\n")[0] for caption in captions] == names
    assert all(picture.dtype == np.uint8 and picture.shape == (60, 80, 3) for picture, _ in tiles)
    if "objects.png" in members:
        assert "50.0% hidden" in captions[1]
        assert "1 object" in captions[2]
        assert (tiles[0][0][30:] == 0).all()  # not valid there


def test_flow_that_is_unknown_everywhere_is_said_to_be():
    (picture, caption), *_ = sample_row("k-000001", {"flow.b2": np.full((2, 9, 9), np.nan, np.float32)})
    assert (picture == 0).all()
    assert "unknown" in caption


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
