"""Whether a file that was fetched is a video, before anything relies on it."""

import re
from codecs import getincrementaldecoder
from pathlib import Path

from common_fate.errors import SampleError
from pipeline.downloads.http import WEB_PAGE
from pipeline.downloads.policy import Gone
from pipeline.sources.decoding import pictures

_START = 4096  # bytes
_PAGE = re.compile(rb"<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_SCRIPT = re.compile(rb"#|<|\[|ffconcat|WEBVTT", re.IGNORECASE)  # playlists would have FFmpeg open other files


def check_video(path: Path) -> None:
    """Raises `Gone` unless a file is a video whose first frame decodes. No text reaches FFmpeg.

    Raises:
        UserError: the disk it lies on fails.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    if not start:
        raise Gone("the file is empty")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(text):
        raise Gone(WEB_PAGE)
    if _SCRIPT.match(text) or _is_text(start):
        raise Gone("a text, no video")
    try:
        picture = next((picture for _, picture in pictures(str(path), [0])), "it has no frame")
    except SampleError as error:
        raise Gone(str(error)) from error
    if isinstance(picture, str):
        raise Gone(f"its first frame cannot be had: {picture}")


def _is_text(data: bytes) -> bool:
    """Whether there is nothing but text in it; a letter may be cut in two at the end."""
    try:
        text = getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)
