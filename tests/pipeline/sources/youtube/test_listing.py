import json
from pathlib import Path

import pytest

from common_fate.errors import SampleError, UserError
from pipeline.config.load import load
from pipeline.sources.youtube import SOURCE, listing
from pipeline.sources.youtube.listing import STANDARD, YouTubeOptions

LIST = """# of the lab
dQw4w9WgXcQ\tBird
https://youtu.be/-aaaaaaaaaa\tCat\tDog & Co.

https://example.org/a.mp4
"""


def listed(**options) -> list:
    return SOURCE.videos(YouTubeOptions(**options), "datasets.x.source")


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "ids.txt").write_text(LIST)
    return str(tmp_path / "ids.txt")


def test_videos_of_a_file_have_their_page_category_and_licence(file: str):
    first, second, third = sorted(listed(path=file), key=lambda video: video.uri)
    assert json.loads(first.uri) == {"address": "https://example.org/a.mp4", "height": 480}
    assert (first.license, json.loads(first.about)) == (None, {"page": "https://example.org/a.mp4"})
    assert json.loads(second.about) == {
        "page": "https://www.youtube.com/watch?v=-aaaaaaaaaa",
        "category": "Cat; Dog & Co.",
    }
    assert (third.video, third.kind, third.license) == ("dQw4w9WgXcQ", "youtube", STANDARD)
    assert {video.license for video in listed(path=file, license="CC BY 3.0")} == {"CC BY 3.0"}


def test_categories_choose_in_any_case(file: str):
    assert [video.video for video in listed(path=file, categories=["bird"])] == ["dQw4w9WgXcQ"]
    with pytest.raises(UserError, match=r"x.source.categories: no category is called 'brid': is it bird\?"):
        listed(path=file, categories=["brid"])
    with pytest.raises(UserError, match=r"is it dog & co\.\?"):
        listed(path=file, categories=["DOG"])


def test_what_shapes_the_file_stands_in_the_uri_and_nothing_else():
    (video,) = listed(ids=["dQw4w9WgXcQ"], height=360, format="bestvideo[vcodec^=avc1]/best", section="10-25.5")
    assert json.loads(video.uri) == {
        "address": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "format": "bestvideo[vcodec^=avc1]/best",
        "height": 360,
        "section": [10.0, 25.5],
    }
    assert video.uri == json.dumps(json.loads(video.uri), sort_keys=True)


def test_a_video_that_is_named_twice_is_one_and_the_first_counts(file: str):
    videos = listed(path=file, ids=["https://youtu.be/-aaaaaaaaaa?t=3"])
    assert len(videos) == 3
    assert [json.loads(video.about).get("category") for video in videos if "-aaaaaaaaaa" in video.uri] == [None]


def test_two_videos_never_share_an_id(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listing, "name_of", lambda address: "same")
    with pytest.raises(UserError, match=r"ids\[1\]: 'https://a.org/2' and https://a.org/1 would both be called same"):
        listed(ids=["https://a.org/1", "https://a.org/2"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "neither ids nor path"),
        ({"ids": ["dQw4w9WgXcQ"], "categories": ["bird"]}, "python -m pipeline youtube8m"),
        ({"ids": ["dQw4w9WgXcQ"], "height": 8}, "height must be"),
        ({"ids": ["dQw4w9WgXcQ"], "section": "25-10"}, "section must be"),
        ({"ids": ["dQw4w9WgXcQ"], "section": [1, True]}, "section must be"),
        ({"ids": ["dQw4w9WgXcQ"], "format": "bv+ba"}, r"several streams \(\+\)"),
        ({"ids": ["dQw4w9WgXcQ"], "format": "mergeall"}, "several streams"),
        ({"ids": ["dQw4w9WgXcQ"], "format": "best[height"}, "none of yt-dlp's"),
    ],
)
def test_options_that_cannot_be_say_what_would_be_right(options: dict, says: str):
    with pytest.raises(ValueError, match=says):
        YouTubeOptions(**options)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"# nothing\n", "lists no video"),
        (b"\xff\xfe\n", "line 1 is not UTF-8"),
        (b"dQw4w9WgXcQ\nhello\n", "line 2: 'hello' is neither"),
        (bytes(70_000), "longer than"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: bytes, says: str):
    (tmp_path / "ids.txt").write_bytes(text)
    with pytest.raises(UserError, match=says):
        listed(path=str(tmp_path / "ids.txt"))
    with pytest.raises(UserError, match="cannot be read: No such file"):
        listed(path=str(tmp_path / "other.txt"))


def test_five_lines_of_configuration_are_enough(file: str):
    dataset = load({"datasets": {"x": {"source": {"kind": "youtube", "path": file}}}})["x"]
    assert len(dataset.videos()) == 3
    assert dataset.options("frames")["select"] == {"every": 5}
    with pytest.raises(SampleError, match="no copy of this video is here"):
        SOURCE.numbers(dataset.videos()[0])
