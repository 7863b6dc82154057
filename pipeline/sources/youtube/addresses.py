"""Addresses of videos: YouTube's in all the forms that people paste, and those of other sites as they are."""

import re
from urllib.parse import SplitResult, parse_qs, urlsplit

from common_fate.shards.limits import quoted
from pipeline.sources.ids import video_id

_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_HOSTS = {"youtube.com", "youtube-nocookie.com", "youtu.be"}
_FOLDERS = {"shorts", "embed", "v", "e", "live"}  # what stands before the id in an address's path
_WATCH = "https://www.youtube.com/watch?v="
_LONGEST = 2000


def address_of(entry: str) -> str:
    """Returns the address of a video that an id or an address names; all forms of YouTube's become `.../watch?v=ID`.

    Raises:
        ValueError: it is neither, no http or https address, or one of YouTube's that is not a video's.
    """
    if _ID.fullmatch(entry):
        return _WATCH + entry
    parts = _split(entry)
    site = re.sub(r"^(www|m|music)\.", "", (parts.hostname or "").lower())
    if site not in _HOSTS:
        return entry
    found = _youtube_id(site, parts)
    if not _ID.fullmatch(found):
        raise ValueError(f"{quoted(entry)} is not the address of one video on YouTube: name the video's")
    return _WATCH + found


def name_of(address: str) -> str:
    """Returns the id of a video, `[A-Za-z0-9_]+`, from what `address_of` gives: YouTube's own where it has no `-`."""
    if not is_youtube(address):
        return video_id(re.sub(r"^https?://", "", address), folder=True)
    own = address.removeprefix(_WATCH)
    return video_id(own, folder=True) if "-" in own else own


def is_youtube(address: str) -> bool:
    """Returns whether what `address_of` gives is on YouTube."""
    return address.startswith(_WATCH)


def _split(entry: str) -> SplitResult:
    try:
        parts = urlsplit(entry)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_right = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right or parts.username is not None:
        raise ValueError(
            f"{quoted(entry)} is neither an id of YouTube's, which has 11 letters, digits, - and _, "
            "nor an address, http or https and without a password"
        )
    if len(entry) > _LONGEST or not entry.isprintable() or " " in entry:
        raise ValueError(f"{quoted(entry)} has blanks or odd characters, or more than {_LONGEST}")
    return parts


def _youtube_id(site: str, parts: SplitResult) -> str:
    """What stands where an address has the id."""
    folder, _, rest = parts.path.lstrip("/").partition("/")
    if site == "youtu.be":
        return folder
    if folder == "watch":
        return (parse_qs(parts.query).get("v") or [""])[0]
    return rest.rstrip("/") if folder in _FOLDERS else ""
