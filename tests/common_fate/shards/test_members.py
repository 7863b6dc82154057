import numpy as np
import pytest

from common_fate.shards.limits import MAX_MEMBER_BYTES
from common_fate.shards.members import check_member, described, entry_name, measured, member


@pytest.mark.parametrize(
    ("extension", "geometry", "entry"),
    [
        ("jpg", "image", "image"),
        ("next.jpg", "image", "next.image"),
        ("truth.flow.b2", "flow", "truth.flow"),
        ("next.truth.valid.png", "mask", "next.truth.valid"),
        ("superpixels.png", "labels", "superpixels"),
        ("previous.guidance.npy", "points", "previous.guidance"),
        ("points.npy", "points", "points"),
        ("next.points.npy", "points", "next.points"),
        ("tree.npy", "tree", "tree"),
        ("json", "facts", "json"),
        ("next.json", "facts", "next.json"),
        ("dark.png", "labels", "dark"),
        ("dark.npy", "array", "dark"),
    ],
)
def test_a_member_is_known_by_its_name_or_else_by_its_coding(extension: str, geometry: str, entry: str):
    assert member(extension).geometry == geometry
    assert entry_name(extension) == entry


def test_every_coding_of_a_shard_is_known():
    assert {member(f"unheard_of.{coding}").geometry for coding in MAX_MEMBER_BYTES} == {
        *("image", "labels", "array", "facts", "flow")
    }


def test_a_member_of_another_frame_is_checked_as_the_frames_own():
    with pytest.raises(ValueError, match=r"guidance\.npy is \(N, 3\) float32"):
        check_member("next.guidance.npy", np.zeros((2, 2), np.float32))
    check_member("next.other.npy", np.zeros((2, 2), np.float32))


def test_a_named_point_is_visible_or_not():
    check_member("points.npy", np.array([[1, 2, 1], [0, 0, 0]], np.float32))
    with pytest.raises(ValueError, match=r"points\.npy says of a point that it is neither visible, 1, nor hidden, 0"):
        check_member("next.points.npy", np.array([[1, 2, 0.5]], np.float32))
    with pytest.raises(ValueError, match=r"points\.npy has values that are not finite"):
        check_member("points.npy", np.array([[np.nan, 2, 1]], np.float32))


def test_what_a_member_is_says_of_which_frame():
    assert described("flow.b2").startswith("optical flow to the next frame")
    assert described("previous.jpg") == "the frame, RGB, of the frame before"
    assert described("dark.png") == "labels, `(H, W)`"


def test_only_the_wanted_measures_of_a_samples_own_frame_are_taken():
    sample = {
        "guidance.npy": np.zeros((3, 3), np.float32),
        "next.guidance.npy": np.zeros((9, 3), np.float32),
        "json": {"width": 640, "video": "v", "sharp": True},
    }
    assert measured(sample, {"width": {}, "points": {}, "sharp": {}}) == {"width": 640.0, "points": 3.0}


def test_of_named_points_those_that_are_visible_are_measured():
    sample = {"points.npy": np.array([[1, 2, 1], [3, 4, 0], [0, 0, 1]], np.float32)}
    assert measured(sample, {"landmarks_visible": {}}) == {"landmarks_visible": 2.0}
