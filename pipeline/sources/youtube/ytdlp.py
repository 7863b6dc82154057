"""Fetching one video by yt-dlp: resumed where it stopped, bounded, and every way it may fail told in a few words."""

import hashlib
import io
import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError, printable
from common_fate.shards.files import advice
from pipeline.downloads.policy import Blocked, DownloadPolicy, Gone, Later

if TYPE_CHECKING:
    from pipeline.sources.youtube.guard import GuardedYoutubeDL, Messages
    from pipeline.sources.youtube.reasons import Refusal

_log = logging.getLogger(__name__)


def fetch(video: Video, downloading: DownloadPolicy, to: Path) -> None:
    """Fetches a video into the file `to`. What came of it stays in a folder beside `to` until it is whole.

    Raises:
        Gone: it is not to be had: removed, private, too large, no video.
        Later: it did not come this time.
        Blocked: a program is missing without which none of the site's videos can be had.
        UserError: the disk is full, or cookies cannot be read.
    """
    from pipeline.downloads.access import Refused
    from pipeline.sources.youtube.guard import Changed
    from pipeline.sources.youtube.reasons import WITH_ACCOUNT, Refusal, Unsolved

    wanted = json.loads(video.uri)
    arriving = to.with_name(f".{to.name}.arriving")
    site = urlsplit(wanted["address"]).hostname or ""
    found = _try(wanted, downloading, arriving, to)
    if isinstance(found, Changed):
        shutil.rmtree(arriving, ignore_errors=True)
        found = _try(wanted, downloading, arriving, to)
    if found is None or isinstance(found, Gone | Refused):
        shutil.rmtree(arriving, ignore_errors=True)
    if isinstance(found, Gone) and str(found) in WITH_ACCOUNT and not downloading.cookies:
        raise Later(str(found))  # config.yaml may name an account's cookies another time
    if isinstance(found, Refusal):
        cookies = "" if downloading.cookies else ", or give the cookies of an account (download.cookies)"
        raise Later(found.value, turned_away_by=site, advice=cookies)
    if isinstance(found, Unsolved):
        raise Blocked(
            f"{site}: yt-dlp cannot run the site's player, and without it sees no streams: install deno "
            "(https://deno.com) and `pip install yt-dlp-ejs`, or a newer yt-dlp, and run again"
        )
    if isinstance(found, OSError):
        raise UserError(f"{to}: cannot be written: {advice(found)}") from found
    if found is not None:
        raise found


def _try(wanted: dict[str, Any], downloading: DownloadPolicy, arriving: Path, to: Path) -> "Exception | Refusal | None":
    """None where the video has come; else what kept it, as `reasons.reason` tells."""
    from common_fate.remote.fetch_file import sound_bytes
    from pipeline.downloads.access import Access
    from pipeline.sources.youtube.guard import GuardedYoutubeDL, Messages
    from pipeline.sources.youtube.reasons import reason

    messages, access = Messages(), Access(downloading.allow_hosts)
    try:
        arriving.mkdir(parents=True, exist_ok=True)
        for before in arriving.iterdir():
            if before.is_file() and sound_bytes(before) < before.stat().st_size:
                before.unlink()
        with GuardedYoutubeDL(_params(wanted, downloading, messages), access.check_address) as ydl:
            whole = _fetched(ydl, wanted, arriving)
        if section := wanted.get("section"):
            from pipeline.sources.youtube.cutting import cut

            cut(whole, whole := arriving / "section", *section)
        os.replace(whole, to)
    except Exception as error:
        found = reason(error, messages.warnings)
        _log.warning("%s: %s", wanted["address"], printable(str(error).replace("\r", ""))[:500])
        return found
    return None


def _fetched(ydl: "GuardedYoutubeDL", wanted: dict[str, Any], arriving: Path) -> Path:
    """The one file that holds the video. Raises as yt-dlp does, and `Gone` where there is not one."""
    info = ydl.extract_info(wanted["address"], download=False)
    if info is None or info.get("_type", "video") != "video":
        raise Gone("a page of several videos: name each")
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
        raise Gone("a live stream")
    if info.get("requested_formats"):
        raise UserError(
            f"{wanted['address']}: the format {wanted.get('format')!r} asks for several streams: choose one"
        )
    # Another stream than the last time must not be taken for the rest of that one.
    stream = [info.get(key) for key in ("format_id", "ext", "width", "height", "filesize")]
    whole = arriving / hashlib.sha256(json.dumps(stream).encode()).hexdigest()[:16]
    ydl.to = whole
    ydl.process_info(info)
    if not whole.is_file():
        raise Later("nothing came of it")
    return whole


def _params(wanted: dict[str, Any], downloading: DownloadPolicy, messages: "Messages") -> dict[str, Any]:
    height = f"[height<=?{wanted['height']}]"
    params = {
        "format": wanted.get("format") or f"bv{height}[ext=mp4]/bv{height}[ext=webm]/b{height}/bv*{height}",
        "logger": messages,
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "cachedir": False,
        "fixup": "never",
        "geo_bypass": False,  # it would lie about where we are
        "updatetime": False,
        "socket_timeout": downloading.silence,
        "retries": downloading.attempts - 1,
        "fragment_retries": downloading.attempts - 1,
        "extractor_retries": min(downloading.attempts - 1, 3),
        "skip_unavailable_fragments": False,
        "retry_sleep_functions": dict.fromkeys(("http", "fragment", "extractor"), _backoff),
        "sleep_interval_requests": downloading.pause,
        "ratelimit": downloading.most_rate,
        "progress_hooks": [_Bounds(downloading)],
    }
    return params | ({"cookiefile": _cookies(downloading.cookies)} if downloading.cookies else {})


def _backoff(n: int) -> float:
    return min(2.0**n, 60.0)


def _cookies(path: str) -> io.StringIO:
    """A copy: yt-dlp writes them back when it is done, and other jobs read the same file."""
    try:
        return io.StringIO(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"download.cookies: {path!r} cannot be read: {error}") from error


class _Bounds:
    """A hook of yt-dlp's that ends a download which is too large, or hardly moves."""

    def __init__(self, downloading: DownloadPolicy) -> None:
        self.most = downloading.most_bytes
        self.silence = downloading.silence
        self.since: float | None = None
        self.at = 0

    def __call__(self, progress: dict[str, Any]) -> None:
        come, total = progress.get("downloaded_bytes") or 0, progress.get("total_bytes") or 0
        if max(come, total) > self.most:
            from pipeline.downloads.access import Refused

            line = f"larger than {self.most} bytes: if it is to be fetched, raise download.most_bytes"
            raise Refused("larger than download.most_bytes", line)
        now = time.monotonic()
        if self.since is None or come < self.at:  # or from its first byte again
            self.since, self.at = now, come
        elif now - self.since > self.silence:
            from common_fate.remote.fetch_file import SLOWEST

            if come - self.at < SLOWEST * (now - self.since):
                raise Later("hardly any bytes came")
            self.since, self.at = now, come
