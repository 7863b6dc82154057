import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError
from pipeline.columns.landmarks import STAGE, LandmarksOptions, mirrored_pairs, resized_points
from pipeline.sources.source import Points
from pipeline.stages.stage import Failure

SIZES = st.integers(1, 40)


@st.composite
def points_of_images(draw: st.DrawFn) -> Points:
    height, width = draw(SIZES), draw(SIZES)
    place = st.tuples(st.floats(-0.5, height - 0.5, width=32), st.floats(-0.5, width - 0.5, width=32), st.just(1))
    hidden = st.tuples(st.floats(-99, 99, width=32), st.floats(-99, 99, width=32), st.just(0))
    rows = draw(st.lists(st.one_of(place, hidden, st.just((0, 0, 0))), max_size=6))
    names = tuple(f"p{number}" for number in range(len(rows)))
    return Points((height, width), names, np.array(rows, np.float32).reshape(-1, 3))


@settings(max_examples=50, deadline=None)
@given(points_of_images(), SIZES, SIZES)
def test_points_keep_their_share_of_the_picture(points: Points, height: int, width: int):
    """Of the picture's whole side, from the border of its first pixel, which lies half a pixel before its centre."""
    made = resized_points(points, height, width)
    assert made.shape == points.rows.shape
    assert made.dtype == np.float32
    for (y, x, seen), (new_y, new_x, new_seen) in zip(points.rows.tolist(), made.tolist(), strict=True):
        assert new_seen == seen
        if not seen and y == x == 0:
            assert new_y == new_x == 0
            continue
        for old, new, old_side, new_side in ((y, new_y, points.size[0], height), (x, new_x, points.size[1], width)):
            assert (new + 0.5) / new_side == pytest.approx((old + 0.5) / old_side, rel=1e-5, abs=1e-5)
            assert not seen or -0.5 <= new <= new_side - 0.5


def test_pixels_of_an_image_half_as_large_have_their_centres_between_two():
    points = Points((4, 8), ("a", "b"), np.array([[0, 0, 1], [3, 7, 1]], np.float32))
    np.testing.assert_array_equal(resized_points(points, 2, 4), [[-0.25, -0.25, 1], [1.25, 3.25, 1]])
    np.testing.assert_array_equal(resized_points(points, 4, 8), points.rows)


@pytest.mark.parametrize(
    ("names", "rows", "said"),
    [
        ("ab", [[1, 1, 1]], "not as many as their names"),
        ("a", [[1, 1]], "not as many as their names"),
        ("aa", [[1, 1, 1], [2, 2, 1]], "two of its points have one name"),
        ("a", [[3.6, 1, 1]], "a visible point lies outside"),
        ("a", [[1, -0.6, 1]], "a visible point lies outside"),
        ("a", [[np.nan, 1, 1]], "a visible point lies outside"),
    ],
)
def test_points_that_are_not_of_the_image_are_refused(names: str, rows: list[list[float]], said: str):
    with pytest.raises(SampleError, match=said):
        resized_points(Points((4, 4), tuple(names), np.array(rows, np.float32)), 4, 4)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["left_a", "right_a", "left_b", "right_b", "leftC", "rightC", "nose", "left", "right"]))
)
def test_the_two_of_a_pair_differ_in_their_side_alone(drawn: list[str]):
    names = list(dict.fromkeys(drawn))
    expected = {
        (i, j)
        for i, left in enumerate(names)
        for j, right in enumerate(names)
        if left[:4] == "left" and right[:5] == "right" and left[4:] == right[5:]
    }
    pairs = mirrored_pairs(names)
    assert set(pairs) == expected
    assert len(pairs) == len(expected)


def test_an_image_that_points_do_not_fit_is_a_failure_row_and_one_without_points_none():
    def sample(uri: str) -> dict[str, object]:
        facts = {"frame": 0, "height": 4, "width": 4}
        return {"json": facts, "video": Video("a", "images", uri)}

    gone = '{"file": "/no/such.png", "points": {"names": ["a"]}}'
    made = list(STAGE.run(iter([("a-000000", sample(gone)), ("b-000000", sample("/no/b.png"))]), LandmarksOptions()))
    assert made == [Failure("a-000000", "cannot be read: No such file or directory")]
