import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.ids import video_id

PATHS = st.lists(st.text("abZ9_-. é", min_size=1, max_size=30), min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("clip.mp4", "clip"), ("walking/person_1/a.avi", "walking__person_1__a"), ("UPPER/9.MKV", "UPPER__9")],
)
def test_a_plain_path_reads_as_it_is_written(path: str, expected: str):
    assert video_id(path) == expected


@pytest.mark.parametrize("path", ["a b.mp4", "ü.mp4", "a__b.mp4", "_a.mp4", "a_/b.mp4", f"{'x' * 65}.mp4", "a.b.mp4"])
def test_what_loses_information_gets_a_hash(path: str):
    assert re.fullmatch(r"[A-Za-z0-9_]*_[0-9a-f]{8}", video_id(path))


def test_a_long_path_keeps_its_end():
    assert "the_last_name" in video_id("/".join(["folder"] * 20 + ["the_last_name.mp4"]))


def test_the_ways_to_write_two_underscores_differ():
    assert len({video_id(path) for path in ("a/b.mp4", "a__b.mp4", "a_/b.mp4", "a/_b.mp4", "a_b.mp4")}) == 5


def test_a_folder_has_no_extension_to_drop():
    assert video_id("take.1", folder=True) != video_id("take.2", folder=True)


@given(PATHS)
def test_every_id_is_safe_and_short(path: str):
    assert re.fullmatch(r"[A-Za-z0-9_]{1,64}", video_id(path))


@given(st.lists(PATHS, min_size=2, max_size=2, unique=True))
def test_different_folders_have_different_ids(paths: list[str]):
    assert video_id(paths[0], folder=True) != video_id(paths[1], folder=True)
