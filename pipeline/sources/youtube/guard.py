"""yt-dlp kept to what a job may do: it runs no other program, loads no plugins, and asks each address before it goes.

It is slow to import: whoever lists videos does without.
"""

import logging
import os
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yt_dlp
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking import Request, Response
from yt_dlp.networking._helper import add_accept_encoding_header
from yt_dlp.networking._urllib import HTTPHandler, RedirectHandler, UrllibRH
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

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
        return director


class _GuardedRH(UrllibRH):  # type: ignore[misc]
    _SUPPORTED_URL_SCHEMES = ("http", "https", "data")
    check: Check

    def _send(self, request: Request) -> Response:
        self._allow(request.url)
        response = super()._send(request)
        response.read = partial(_read_bounded, response.read)
        return response

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
