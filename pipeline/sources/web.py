"""What sources on the web share: an address as the catalog's `uri`, what else is known of a video, and its fetching."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError
from pipeline.downloads.policy import DownloadPolicy
from pipeline.sources.source import Frame, Unreadable

MAX_TEXT = 1_000  # characters of a fact in `about`
MAX_ADDRESS = 4_096
SCHEMES = ("http", "https", "s3", "file")


def printable(text: str) -> str:
    """Returns a foreign text in one line of at most `MAX_TEXT` characters that a terminal can be given."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * MAX_TEXT])
    return " ".join(shown.split())[:MAX_TEXT].rstrip()


def about(facts: Mapping[str, str | None]) -> str | None:
    """Returns the value of `Video.about`: the facts that there are, printable as their names are; None: no fact."""
    known = {printable(name): printable(value or "") for name, value in facts.items()}
    known = {name: value for name, value in known.items() if value}
    return json.dumps(known, sort_keys=True, ensure_ascii=False) if known else None


def check_address(address: str) -> None:
    """Raises ValueError, saying why, unless it is a whole address that gives no password away."""
    if len(address) > MAX_ADDRESS or not address.isprintable() or " " in address:
        raise ValueError(
            f"spaces, or what cannot be printed, or more than {MAX_ADDRESS} characters: use %20 and the like"
        )
    parts = urlsplit(address)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"not an address: it should begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path.startswith("/")):
        raise ValueError("a file's address has its whole path: file:///data/videos/a.mp4")
    if parts.scheme != "file" and not parts.hostname:
        raise ValueError("it names no host")
    if "@" in parts.netloc:
        raise ValueError("it has a user or a password, which would go into the catalog: leave it out")


def uri(address: str, sha256: str | None = None, size: int | None = None) -> str:
    """Returns all that fetching takes, as JSON; `size` in bytes."""
    known = {"address": address, "sha256": sha256, "bytes": size}
    return json.dumps({name: value for name, value in known.items() if value is not None}, sort_keys=True)


def fetch(video: Video, downloading: DownloadPolicy, to: Path) -> None:
    """Fetches what has an address, see `Source.fetch`. Raises `Gone`, `Later` or `Blocked`."""
    from pipeline.downloads.http import fetch_address  # heavy, and only a download needs it

    place = json.loads(video.uri)
    fetch_address(place["address"], downloading, to, sha256=place.get("sha256"), size=place.get("bytes"))


def numbers(video: Video) -> Sequence[int]:
    """Raises `SampleError`, for the frames are not known before the video is fetched."""
    raise SampleError("no copy of this video is here")


def read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    """Raises `SampleError`, for nothing of the video can be read before it is fetched."""
    raise SampleError("no copy of this video is here")
