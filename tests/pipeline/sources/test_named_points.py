import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.errors import SampleError
from pipeline.columns.landmarks import mirrored_pairs
from pipeline.sources.named_points import (
    FARTHEST,
    KNOWN_NAMES,
    Named,
    coordinate,
    hidden_outside,
    named_points,
    read_pts,
    unknown,
)
from pipeline.sources.source import Points

# As they are known for 300-W: the right one of each left one, on the jaw, brows, nose, eyes, mouth and within it.
MIRRORED = [
    *((row, 16 - row) for row in range(8)),
    *((17 + row, 26 - row) for row in range(5)),
    *[(31, 35), (32, 34)],
    *[(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)],
    *[(48, 54), (49, 53), (50, 52), (59, 55), (58, 56)],
    *[(60, 64), (61, 63), (67, 65)],
]
PTS = b"version: 1\nn_points:  2\n{\n1.0 1.0\n30.5 20\n}\n"


def test_faces_have_the_pairs_that_300w_is_known_to_have():
    names = KNOWN_NAMES["faces_68"]
    assert len(set(names)) == 68
    assert sorted(mirrored_pairs(names)) == sorted(MIRRORED)
    assert mirrored_pairs(KNOWN_NAMES["faces_5"]) == [(0, 1), (3, 4)]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-FARTHEST, FARTHEST), st.floats(-FARTHEST, FARTHEST), st.integers(0, 1)),
        min_size=1,
        max_size=70,
    )
)
def test_points_come_back_from_a_catalog(rows: list[tuple[float, float, int]]):
    names = KNOWN_NAMES["faces_68"] if len(rows) == 68 else tuple(f"é {number}" for number in range(len(rows)))
    points = Named(names, tuple(rows))
    found = named_points(json.loads(json.dumps(points.listed())))
    assert found.names == names
    assert [(y, x, seen) for y, x, seen in found.rows] == rows
    assert found.at((4, 5)).rows.shape == (len(rows), 3)


def test_points_that_are_not_known_take_no_room_in_a_catalog():
    points = unknown(KNOWN_NAMES["faces_68"])
    assert points.listed() == {"names": "faces_68"}
    assert named_points(points.listed()) == points


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"names": "faces_7"},
        {"names": []},
        {"names": [1]},
        {"names": ["a"], "rows": [[1, 2]]},
        {"names": ["a"], "rows": [[1, 2, 3]]},
        {"names": ["a"], "rows": [[1, math.nan, 1]]},
        {"names": ["a"], "rows": [[1, 1e30, 1]]},
        {"names": ["a"], "rows": [["x", 1, 1]]},
        {"names": ["a"], "rows": 3},
    ],
)
def test_points_of_a_catalog_from_elsewhere_are_looked_at(value: object):
    with pytest.raises(SampleError, match="not as a listing has them"):
        named_points(value)


@settings(max_examples=50, deadline=None)
@given(st.floats(-FARTHEST, FARTHEST, allow_subnormal=False))
def test_a_number_is_read_as_python_reads_it(value: float):
    assert coordinate(repr(value)) == value
    assert coordinate(f"{value:.3f}") == float(f"{value:.3f}")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=8))
def test_what_is_no_number_of_pixels_is_refused(text: str):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value) or abs(value) > FARTHEST:
        with pytest.raises(ValueError, match="is no coordinate in pixels"):
            coordinate(text)


@pytest.mark.parametrize("text", ["1_0", "inf", "nan", "0x1", "1e99", "٣", " 1", ""])
def test_what_only_python_takes_for_a_number_is_refused(text: str):
    with pytest.raises(ValueError, match="is no coordinate in pixels"):
        coordinate(text)


def test_a_file_of_points_counts_pixels_from_one():
    points = read_pts(PTS)
    assert points == Named(("0", "1"), ((0, 0, 1), (19, 29.5, 1)))


def test_a_file_of_68_points_is_a_face_of_300w():
    lines = "".join(f"{number} {2 * number}\n" for number in range(1, 69))
    points = read_pts(f"version: 1\r\nn_points: 68\r\n{{\r\n{lines}}}".encode())
    assert points.names == KNOWN_NAMES["faces_68"]
    assert points.rows[1] == (3, 1, 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (PTS.replace(b"2\n{", b"3\n{"), "has 2, and says 3"),
        (PTS.replace(b"30.5 20", b"30.5"), r"no \.pts"),
        (PTS.replace(b"30.5", b"1e99"), r"no \.pts"),
        (PTS.replace(b"}", b""), r"no \.pts"),
        (b"\xff\xd8\xff", r"no \.pts"),
        (b"n_points: 0 {}", "has 0, and says 0"),
        (PTS.replace(b"2\n{", b"200000000\n{"), "has 2, and says 200000000"),
        (PTS.replace(b"}", b"1 1\n" * 2**20 + b"}"), "bytes: at most 1024 points are read"),
    ],
)
def test_a_file_that_has_other_points_than_it_says_is_refused(data: bytes, said: str):
    with pytest.raises(SampleError, match=said):
        read_pts(data)


def test_a_face_that_the_border_cuts_has_hidden_points_and_another_image_is_told():
    rows = np.array([[0, 0, 1], [9.5, 4, 1], [9.6, 4, 1], [4, -0.6, 1]], np.float32)
    points = hidden_outside(Points((10, 10), tuple("abcd"), rows))
    np.testing.assert_array_equal(points.rows, rows * [1, 1, 1] - [[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1]])
    with pytest.raises(SampleError, match="is this the image as it came"):
        hidden_outside(Points((3, 3), tuple("abcd"), rows + np.float32([2, 0, 0])))
