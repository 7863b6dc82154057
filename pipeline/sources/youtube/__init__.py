"""The source kind `youtube`: videos on YouTube, by id, address or category, and on other sites, by yt-dlp."""

from pipeline.sources import web
from pipeline.sources.source import Source
from pipeline.sources.youtube.listing import YouTubeOptions, list_videos
from pipeline.sources.youtube.ytdlp import fetch

SOURCE = Source(
    name="youtube",
    options=YouTubeOptions,
    videos=list_videos,
    numbers=web.numbers,
    read=web.read,
    truth=None,
    select={"every": 5},
    fetch=fetch,
)
