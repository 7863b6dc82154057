"""HTTP answers as yt-dlp gets them: their heads and each read end in time, and none unpacks to more than a page."""

import copy
import http.client
import io
import math
import time
import urllib.request
import zlib
from collections.abc import Callable
from typing import Any
from urllib.response import addinfourl

from yt_dlp.networking._urllib import HTTPHandler
from yt_dlp.networking.exceptions import RequestError

from pipeline.downloads.policy import Gone

MOST_PAGE = 2**26
"""Bytes of a page, also unpacked."""
CODINGS = ("gzip", "deflate")
_LONGEST = 600.0  # seconds of one read: of a page, or of a block of a video


class RefusedRequest(RequestError):  # type: ignore[misc]  # yt-dlp has no types
    """What may not be opened or read; the cause says why. yt-dlp takes it for no site's fault and stops."""


def read_page(read: Callable[[int], bytes]) -> bytes:
    """Returns all that an answer has: a page or a playlist, which fits into memory, or is none.

    Raises:
        RefusedRequest: it has more than `MOST_PAGE` bytes.
    """
    return _page(read(MOST_PAGE + 1))


def _page(data: bytes) -> bytes:
    if len(data) > MOST_PAGE:
        raise RefusedRequest("too large", cause=Gone(f"a page larger than {MOST_PAGE} bytes"))
    return data


class Unpacking(urllib.request.BaseHandler):
    """Unpacks answers before yt-dlp does, whose own way knows no bound."""

    handler_order = HTTPHandler.handler_order - 1

    def http_response(self, request: urllib.request.Request, answer: Any) -> Any:
        """Returns the answer unpacked. Raises `RefusedRequest` where it is no page, or packed otherwise than asked."""
        coding = answer.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity"):
            return answer
        if coding not in CODINGS:
            raise RefusedRequest("unknown coding", cause=Gone("an answer in a coding that was not asked for"))
        data = read_page(answer.read)
        headers = copy.copy(answer.headers)
        for name in ("Content-Encoding", "Content-Length"):
            del headers[name]
        unpacked: Any = addinfourl(io.BytesIO(_unpacked(data, coding)), headers, answer.url, answer.code)
        unpacked.msg = answer.msg
        return unpacked

    https_response = http_response


def _unpacked(data: bytes, coding: str) -> bytes:
    """Raises `zlib.error` where it is damaged or cut off."""
    if not data:
        return data
    try:
        return _inflated(data, zlib.MAX_WBITS | 16 if coding == "gzip" else -zlib.MAX_WBITS)
    except zlib.error:
        if coding == "gzip":
            raise
        return _inflated(data, zlib.MAX_WBITS)


def _inflated(data: bytes, bits: int) -> bytes:
    unpacking = zlib.decompressobj(bits)
    page = _page(unpacking.decompress(data, MOST_PAGE + 1))
    if not unpacking.eof:
        raise zlib.error("cut off")
    return page


class _TimedFile(io.RawIOBase):
    """What comes over a connection, until a deadline. A socket's own timeout begins anew with each byte."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self.raw, self.deadline = raw, math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self.deadline:
            raise TimeoutError("the answer takes too long")
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *arguments: Any, **keywords: Any) -> None:
        super().__init__(sock, *arguments, **keywords)
        self._timed = _TimedFile(self.fp.detach())
        self.fp = io.BufferedReader(self._timed)
        self._timed.deadline = time.monotonic() + 2 * (sock.gettimeout() or _LONGEST)  # of its head

    def read(self, amt: int | None = None) -> bytes:
        self._timed.deadline = time.monotonic() + _LONGEST
        return super().read(amt)


def timed(handler: HTTPHandler) -> None:
    """Makes a handler's answers end in time."""
    made = handler._make_conn_class

    def make(base: Any, request: Any) -> Any:
        return type("Timed", (made(base, request),), {"response_class": _TimedResponse})

    handler._make_conn_class = make
