"""yt-dlp kept to what a job may do: it runs no other program, loads no plugins, and asks each address before it goes.

It is slow to import: whoever lists videos does without.
"""

import logging
import os
import re
import urllib.request
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yt_dlp
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking import Request, Response
from yt_dlp.networking._helper import add_accept_encoding_header
from yt_dlp.networking._urllib import HTTPHandler, RedirectHandler, UrllibRH
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from common_fate.remote.fetch_file import note_version, noted_version
from common_fate.remote.transport import version_of
from common_fate.shards.record import text_digest
from pipeline.downloads.policy import Later
from pipeline.sources.youtube.answers import CODINGS, RefusedRequest, Unpacking, read_page, timed

Check = Callable[[str], None]
_NOWHERE = os.path.join(os.devnull, "ffmpeg")
_log = logging.getLogger(__name__)

plugin_dirs.value = []  # what a plugin does would be neither bounded nor in the record
# FFmpeg would open addresses of its own accord, unseen; nothing that it does here is needed.
FFmpegPostProcessor._ffmpeg_location.set(_NOWHERE)


class Messages:
    """yt-dlp's logger: it keeps the warnings, and passes everything on to the log."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        _log.debug("%s", message)

    def info(self, message: str) -> None:
        _log.debug("%s", message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)
        _log.info("%s", message)

    def error(self, message: str) -> None:
        _log.info("%s", message)


class GuardedYoutubeDL(yt_dlp.YoutubeDL):  # type: ignore[misc]
    """yt-dlp that calls `check` with every address before it opens it, also of redirects, and writes to `to`.

    What had come of a file is gone on with only while it is the same file: else a request raises `Changed`.

    Of yt-dlp's ways to the network it has one, urllib: whatever else is installed changes nothing.
    """

    def __init__(self, params: dict[str, Any], check: Check) -> None:
        self.check = check
        self.to = Path(os.devnull)
        super().__init__({"ffmpeg_location": _NOWHERE, "external_downloader": {"default": "native"}} | params)

    def prepare_filename(self, *arguments: Any, **keywords: Any) -> str:
        """Returns the path that the video goes to.

        In a template of yt-dlp's, $ and ~ in a path would be read as the shell does.
        """
        return str(self.to)

    def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:
        """Builds yt-dlp's director with only the one handler that asks."""
        director = super().build_request_director([_GuardedRH])
        for handler in director.handlers.values():
            handler.check = self.check
            handler.downloads = self._downloads
        return director

    def _downloads(self) -> Path | None:
        """Where it is noted which files it is that come; None before anything but pages is asked for."""
        return None if self.to == Path(os.devnull) else self.to.with_name("versions")


class Changed(Later):
    """Another file than the one that bytes have come of."""


class _GuardedRH(UrllibRH):  # type: ignore[misc]
    _SUPPORTED_URL_SCHEMES = ("http", "https", "data")
    check: Check
    downloads: Callable[[], Path | None]

    def _send(self, request: Request) -> Response:
        self._allow(request.url)
        try:
            response = super()._send(request)
        except HTTPError as error:
            error.response.read = partial(_read_bounded, error.response.read)
            raise
        response.read = partial(_read_bounded, response.read)
        if folder := self.downloads():
            self._compare(folder, request, response)
        return response

    def _compare(self, folder: Path, request: Request, response: Response) -> None:
        """Notes which file comes, or where it goes on, compares it with what was noted.

        By the path of the address: hosts and queries are others each time.
        """
        noted = folder / text_digest(urlsplit(request.url).path)
        part = re.match(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(part[1]) if part and response.status == HTTPStatus.PARTIAL_CONTENT else 0
        version = version_of(response.headers, start)
        if not start:
            note_version(noted, version)
        elif (known := noted_version(noted)) and known.differs(version):
            response.close()
            raise RefusedRequest("another file", cause=Changed("the file changed while it was being fetched"))

    def _create_instance(self, *arguments: Any, **keywords: Any) -> Any:
        opener = super()._create_instance(*arguments, **keywords)
        opener.add_handler(_GuardedRedirects(self._allow))
        opener.add_handler(Unpacking())
        for handler in opener.handlers:
            if isinstance(handler, HTTPHandler):
                timed(handler)
        return opener

    def _prepare_headers(self, _: Request, headers: Any) -> None:
        add_accept_encoding_header(headers, CODINGS)

    def _allow(self, address: str) -> None:
        if address.startswith("data:"):  # its own content
            return
        try:
            self.check(address)
        except Exception as error:
            raise RefusedRequest(str(error), cause=error) from error


def _read_bounded(read: Callable[[int], bytes], amount: int | None = None) -> bytes:
    """Some bytes of a response, or all, which then is a page."""
    if amount is not None and amount >= 0:
        return read(amount)
    return read_page(read)


class _GuardedRedirects(RedirectHandler):  # type: ignore[misc]
    handler_order = RedirectHandler.handler_order - 1  # before yt-dlp's own

    def __init__(self, allow: Check) -> None:
        self.allow = allow

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        self.allow(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
