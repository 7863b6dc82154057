"""What is made of yt-dlp's own exceptions: an extractor in YouTube's place raises them with YouTube's words."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.networking.exceptions import TransportError
from yt_dlp.utils import ExtractorError, UserNotLive

from common_fate.errors import UserError
from pipeline.downloads.policy import Blocked, DownloadPolicy, Gone, Later
from pipeline.sources.youtube import SOURCE, YouTubeOptions

LOG_IN = "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/wiki"


class StandIn(InfoExtractor):
    """YouTube, as far as a test goes."""

    _VALID_URL = r"https://www\.youtube\.com/watch\?v=(?P<id>.{11})"
    said: Any = None
    formats: list | None = None
    facts: ClassVar[dict[str, Any]] = {}
    warning = ""

    def _real_extract(self, url: str) -> dict:
        if self.warning:
            self.report_warning(self.warning)
        if self.said == "geo":
            self.raise_geo_restricted("The uploader has not made this video available in your country", ["DE"])
        if isinstance(self.said, Exception):
            raise self.said
        if self.said:
            self.raise_no_formats(self.said, expected=True)
        return {"id": self._match_id(url), "title": "copyright", "formats": self.formats} | self.facts


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(YoutubeDL, "add_default_info_extractors", lambda ydl: ydl.add_info_extractor(StandIn()))
    for name in ("said", "formats", "facts", "warning"):
        monkeypatch.setattr(StandIn, name, getattr(StandIn, name))
    return StandIn


def fetch(to: Path, **policy: Any) -> None:
    (video,) = SOURCE.videos(YouTubeOptions(ids=["dQw4w9WgXcQ"]), "x")
    assert SOURCE.fetch is not None
    SOURCE.fetch(video, DownloadPolicy(attempts=1, **policy), to / "ab12")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Video unavailable. This video has been removed by the uploader", "removed"),
        ("This video has been removed for violating YouTube's Community Guidelines", "removed"),
        ("Private video. Sign in if you've been granted access to this video. " + LOG_IN, "private"),
        (
            "Video unavailable. This video is no longer available because the YouTube account associated with this "
            "video has been terminated.",
            "the account was terminated",
        ),
        ("geo", "not available in this country"),
        (
            "Video unavailable. This video contains content from SME, who has blocked it in your country on copyright "
            "grounds",
            "not available in this country",
        ),
        ("This video is no longer available due to a copyright claim by X", "blocked for copyright"),
        ("Video unavailable. This video is not available", "not available"),
        ("This live event will begin in 3 days.", "a live stream that has not begun"),
        ("This live stream recording is not available.", "a live stream without a recording"),
        (UserNotLive(), "a live stream that has not begun"),
        ("No video formats found!", "no video at this address"),
    ],
)
def test_what_is_gone_says_why_in_a_few_words(stand_in: type[StandIn], tmp_path: Path, said: Any, reason: str):
    stand_in.said = said
    with pytest.raises(Gone) as caught:
        fetch(tmp_path)
    assert str(caught.value) == reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Join this channel to get access to members-only content like this video, and other exclusive perks.",
            "for the channel's members only",
        ),
        ("Sign in to confirm your age. This video may be inappropriate for some users. " + LOG_IN, "age-restricted"),
        ("This video requires payment to watch", "to be paid for"),
    ],
)
def test_what_an_account_may_see_is_gone_only_with_its_cookies(
    stand_in: type[StandIn], tmp_path: Path, said: str, reason: str
):
    stand_in.said = said
    with pytest.raises(Later, match=reason):
        fetch(tmp_path)
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n")
    with pytest.raises(Gone, match=reason):
        fetch(tmp_path, cookies=str(cookies))


@pytest.mark.parametrize(
    "said",
    [
        "Sign in to confirm you’re not a bot. " + LOG_IN,
        "Video unavailable. This content isn't available, try again later. The current session has been rate-limited",
        "Playback on other websites has been disabled. YouTube is requiring a captcha challenge before playback",
    ],
)
def test_a_refusal_is_for_later_and_says_who_refused(stand_in: type[StandIn], tmp_path: Path, said: str):
    stand_in.said = said
    with pytest.raises(Later) as told:
        fetch(tmp_path)
    assert told.value.turned_away_by == "www.youtube.com"
    assert "download.cookies" in told.value.advice


def test_a_live_stream_is_gone(stand_in: type[StandIn], tmp_path: Path):
    stand_in.formats = [{"format_id": "1", "url": "http://127.0.0.1:9/a", "ext": "mp4"}]
    stand_in.facts = {"is_live": True}
    with pytest.raises(Gone, match="a live stream"):
        fetch(tmp_path)


def test_streams_that_are_all_too_high_are_gone_unless_some_could_not_be_seen(stand_in: type[StandIn], tmp_path: Path):
    stand_in.formats = [{"format_id": "1", "url": "http://127.0.0.1:9/a", "ext": "mp4", "height": 1080}]
    with pytest.raises(Gone, match="no stream in the format and height asked for"):
        fetch(tmp_path)
    stand_in.warning = "No supported JavaScript runtime could be found. Only deno is enabled by default"
    with pytest.raises(Blocked, match="install deno"):
        fetch(tmp_path)


@pytest.mark.parametrize(
    "said",
    [
        ExtractorError("Unable to extract player version"),  # the site has changed
        ExtractorError("Unable to download API page", cause=TransportError("timed out"), expected=True),
        TypeError("'NoneType' object is not subscriptable"),  # a bug of yt-dlp's
        "We're processing this video. Check back later.",
    ],
)
def test_what_may_pass_is_for_later(stand_in: type[StandIn], tmp_path: Path, said: Any):
    stand_in.said = said
    with pytest.raises(Later):
        fetch(tmp_path)


def test_a_full_disk_is_the_users(stand_in: type[StandIn], tmp_path: Path):
    stand_in.said = OSError(28, "No space left on device")
    with pytest.raises(UserError, match="the disk is full"):
        fetch(tmp_path)


def test_the_stream_is_the_best_of_the_height_without_sound(
    stand_in: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    chosen = []
    monkeypatch.setattr(YoutubeDL, "process_info", lambda ydl, info: chosen.append(info["format_id"]))
    silent = {"url": "http://127.0.0.1:9/a", "acodec": "none", "vcodec": "avc1"}
    stand_in.formats = [
        {"format_id": "sound", "url": "http://127.0.0.1:9/a", "ext": "m4a", "vcodec": "none", "acodec": "mp4a"},
        {
            "format_id": "both",
            "url": "http://127.0.0.1:9/a",
            "ext": "mp4",
            "height": 480,
            "vcodec": "avc1",
            "acodec": "mp4a",
        },
        silent | {"format_id": "360", "ext": "mp4", "height": 360},
        silent | {"format_id": "480", "ext": "mp4", "height": 480},
        silent | {"format_id": "480w", "ext": "webm", "height": 480},
        silent | {"format_id": "720", "ext": "mp4", "height": 720},
    ]
    with pytest.raises(Later, match="nothing came"):
        fetch(tmp_path)
    assert chosen == ["480"]
