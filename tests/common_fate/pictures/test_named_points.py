import numpy as np

from common_fate.pictures import label_colors, sample_row
from common_fate.pictures.named_points import draw_points

BLACK = np.zeros((40, 60, 3), np.uint8)
TIMES = 7  # so that the longer side has 384 pixels


def centre(picture: np.ndarray, y: float, x: float) -> np.ndarray:
    """The pixel of a picture that was enlarged at a place of the small one."""
    return picture[round((y + 0.5) * TIMES - 0.5), round((x + 0.5) * TIMES - 0.5)]


def test_points_have_the_colours_of_their_rows_and_hidden_ones_are_hollow():
    points = np.array([[10, 10, 1], [30, 50, 1], [20, 30, 0], [0, 0, 0]], np.float32)
    picture = draw_points(BLACK, points)
    assert picture.shape == (40 * TIMES, 60 * TIMES, 3)
    colors = label_colors(np.arange(1, 5)[None])[0]
    for row in (0, 1):
        np.testing.assert_array_equal(centre(picture, *points[row, :2]), colors[row])
    assert not centre(picture, 20, 30).any()
    near = picture[18 * TIMES : 23 * TIMES, 28 * TIMES : 33 * TIMES].reshape(-1, 3)
    assert (near == colors[2]).all(axis=1).any()
    assert not picture[:30, :30].any(), "one that is not known was drawn"
    assert not BLACK.any()


def test_large_pictures_keep_their_size_and_points_may_lie_outside():
    picture = draw_points(np.zeros((400, 500, 3), np.uint8), np.array([[-1e30, 1e9, 0], [390, 490, 1]], np.float32))
    assert picture.shape == (400, 500, 3)
    assert picture[390, 490].any()
    assert not picture[:300].any()


def test_a_sample_shows_its_named_points_beside_its_frame():
    points = np.array([[10, 10, 1], [0, 0, 0], [5, 5, 0]], np.float32)
    frame, (picture, caption) = sample_row("k-000001", {"jpg": BLACK + np.uint8(200), "points.npy": points})
    assert caption == "points\n3 points · 1 visible, 1 hidden"
    assert picture.mean() < frame[0].mean()
    assert len(sample_row("k-000001", {"points.npy": points})) == 0


def test_few_points_have_their_names_beside_them():
    points = np.array([[10, 20, 1], [30, 40, 1], [20, 58, 1]], np.float32)
    sample = {"jpg": BLACK, "points.npy": points, "json": {"landmarks": ["left_eye", "right_eye", "tail\x1b"]}}
    plain = draw_points(BLACK, points)
    named = sample_row("k-000001", sample)[1][0]
    changed = (named != plain).any(axis=-1)
    assert changed[8 * TIMES : 12 * TIMES, : 19 * TIMES].any(), "to the left of one that is at the left"
    assert changed[28 * TIMES : 32 * TIMES, 42 * TIMES :].any(), "to the right of one that is at the right"
    assert changed[18 * TIMES : 22 * TIMES, : 57 * TIMES].any(), "to the left where there is no room"
    many = np.repeat(points[:1], 21, axis=0)
    np.testing.assert_array_equal(draw_points(BLACK, many, ["a"] * 21), draw_points(BLACK, many))
    for names in (["one"], ["one", 2, "three"], "abc", None):
        np.testing.assert_array_equal(sample_row("k", sample | {"json": {"landmarks": names}})[1][0], plain)
