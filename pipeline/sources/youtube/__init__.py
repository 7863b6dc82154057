"""The source kind `youtube`: videos on YouTube, by id, address or category, and on other sites, by yt-dlp."""

from collections.abc import Iterator, Sequence

from pipeline.errors import SampleError
from pipeline.sources.source import Frame, Source, Unreadable, Video
from pipeline.sources.youtube.fetching import fetch
from pipeline.sources.youtube.listing import YouTubeOptions, list_videos


def _numbers(video: Video) -> Sequence[int]:
    raise SampleError("no copy of this video is here")


def _read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    raise SampleError("no copy of this video is here")


SOURCE = Source(
    name="youtube",
    options=YouTubeOptions,
    videos=list_videos,
    numbers=_numbers,
    read=_read,
    truth=None,
    select={"every": 5},
    fetch=fetch,
)
