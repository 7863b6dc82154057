"""Opening a file at an address, by fsspec, and what its faults mean: another attempt, or a line for the user."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Any

import aiohttp
import fsspec
from fsspec.asyn import sync

from common_fate.errors import ShardError, UserError


class TemporaryFault(Exception):
    """A fault that is worth another attempt, after `seconds` where the server says how many."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


Client = Callable[..., Awaitable[aiohttp.ClientSession]]
"""Makes the session that requests go through, given what it takes; it may look at them, and refuse."""


@dataclass(frozen=True)
class Version:
    """Which file it is that stands at an address, by what its server says: its tag, its date, and its size in bytes.

    Raises `TypeError` for other kinds of values, since one that was noted down may have been changed.
    """

    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    def __post_init__(self) -> None:
        texts = (text for text in (self.etag, self.modified) if text is not None)
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise TypeError("a tag or a date is no text")
        if self.total is not None and type(self.total) is not int:
            raise TypeError("a size is no number")

    def differs(self, other: "Version") -> bool:
        """Returns whether this is another file, by what is said of both."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


@dataclass(frozen=True)
class Arriving:
    """A file as it comes in from byte `start` on.

    `read` gives at most as many bytes as are asked for, and none at the end. `version` says which file it is,
    `web_page` whether the server says that it is one, `robots` the values of its headers `X-Robots-Tag`.
    """

    read: Callable[[int], bytes]
    start: int
    version: Version
    web_page: bool = False
    robots: tuple[str, ...] = ()


@contextmanager
def arriving(
    address: str,
    start: int,
    silence: float,
    client: Client | None = None,
    *,
    known: Version | None = None,
    anonymous: bool = False,
) -> Iterator[Arriving]:
    """Opens a file from byte `start` on, or from its first where the server cannot do that.

    Args:
        silence: seconds without an answer or a byte after which it is given up.
        client: for http and https, where not any address will do. What it raises passes through.
        known: what bytes before `start` are of: servers that know how send the whole of another file. It may be another
            one all the same, and `Arriving.version` says so.
        anonymous: for s3, without anybody's credentials, and without looking for any.

    Raises:
        TemporaryFault: dropped, silent, overloaded, out of order; reading raises it, too.
        ShardError: there is no such file.
        UserError: no access, or nothing that trying again would change.
    """
    s3 = address.startswith("s3://")
    with (
        _s3(address, start, silence, anonymous) if s3 else _http(address, start, silence, client, known or Version())
    ) as file:
        yield file


def total_bytes(address: str, silence: float) -> int | None:
    """Returns the size of a file as its server says, if it does. Raises as `arriving` does."""
    if address.startswith("s3://"):
        with _s3_faults(address):
            return _s3_system(silence, anonymous=False).info(address)["size"]
    with _http_faults(address, silence):
        try:
            return _http_system(silence).info(address, timeout=silence)["size"]
        except FileNotFoundError as error:  # whatever went wrong
            raise error.__cause__ or error from None


@contextmanager
def _http(address: str, start: int, silence: float, client: Client | None, known: Version) -> Iterator[Arriving]:
    with _http_faults(address, silence):
        file = _http_file(address, start, silence, client, known)
    with closing(file):
        headers = file.r.headers
        if address.startswith("https:") and file.r.url.scheme != "https":
            raise UserError(f"{address}: leads to {file.r.url}, which is not encrypted: refused")
        if file.r.status != HTTPStatus.PARTIAL_CONTENT:
            start = 0

        def read(count: int) -> bytes:
            with _http_faults(address, silence):
                return sync(file.loop, _read, file, count, silence)

        robots = tuple(headers.getall("X-Robots-Tag", ()))
        web_page = headers.get("Content-Type", "").startswith("text/html")
        yield Arriving(read, start, version_of(headers, start), web_page, robots)


async def _read(file: Any, count: int, silence: float) -> bytes:
    """Some bytes of an answer. What frames them may drip on without end, and none come."""
    async with asyncio.timeout(silence):
        data: bytes = await file._read(count)
        return data


def version_of(headers: Mapping[str, str], start: int) -> Version:
    """Returns which file an answer's headers speak of; the answer begins at its byte `start`."""
    length, whole = headers.get("Content-Length", ""), None
    if told := re.fullmatch(r"bytes \d+-\d+/(\d{1,18})", headers.get("Content-Range", "")):
        whole = int(told[1])
    # Of a coded answer the length is not the file's.
    elif re.fullmatch(r"\d{1,18}", length) and headers.get("Content-Encoding", "identity") == "identity":
        whole = start + int(length)
    tags = (headers.get(name, "") for name in ("ETag", "Last-Modified"))
    etag, modified = (tag if tag and tag.isprintable() else None for tag in tags)
    return Version(etag, modified, whole)


def _http_file(address: str, start: int, silence: float, client: Client | None, known: Version) -> Any:
    """An open answer that begins at `start`, or at 0 where the server has nothing from there on."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag := known.etag if known.etag and not known.etag.startswith("W/") else known.modified:
            headers["If-Range"] = tag
    try:
        # Without blocks it comes as one stream; a size, whichever, saves asking for it first.
        file = _http_system(silence, client).open(
            address, block_size=0, size=1, headers=headers, timeout=_timeout(silence)
        )
    except aiohttp.ClientResponseError as error:
        if start and error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _http_file(address, 0, silence, client, known)
        raise
    partial = file.r.status == HTTPStatus.PARTIAL_CONTENT
    if partial and not file.r.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        file.close()
        if not start:
            raise TemporaryFault("the server sends another part than it was asked for")
        return _http_file(address, 0, silence, client, known)
    return file


def _http_system(silence: float, client: Client | None = None) -> Any:
    own = {"get_client": client} if client else {}
    options = {"trust_env": True, "middlewares": (partial(_answered, 2 * silence),)}  # proxies, ~/.netrc
    return fsspec.filesystem("http", client_kwargs=options, **own)


async def _answered(
    seconds: float, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """An answer, of which the head has come: else a server could go on with that a byte at a time, or with 103s."""
    async with asyncio.timeout(seconds):
        return await handler(request)


def _timeout(silence: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=silence, sock_read=silence)


@contextmanager
def _http_faults(address: str, silence: float) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise _missing(address) from None
    except aiohttp.TooManyRedirects as error:
        raise UserError(f"{address}: the server redirects it again and again") from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise UserError(f"{address}: leads to {error.args[0]}, which is not http or https: refused") from error
    except aiohttp.ClientResponseError as error:
        raise _by_status(address, error) from error
    except aiohttp.ClientSSLError as error:
        raise UserError(f"{address}: no trusted connection: {error}") from error
    except TimeoutError as error:
        raise TemporaryFault(f"nothing came for {silence:g} s") from error
    except aiohttp.ClientConnectorError as error:
        code = error.errno or 0  # of the system if positive, else of the search for the name
        reason = os.strerror(code) if code > 0 else error.strerror
        raise TemporaryFault(f"cannot connect to {error.host}:{error.port} ({reason})") from error
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionError) as error:
        raise TemporaryFault("the connection dropped") from error
    except (aiohttp.ClientError, OSError) as error:
        raise TemporaryFault(str(error) or type(error).__name__) from error


def _by_status(address: str, error: aiohttp.ClientResponseError) -> Exception:
    if isinstance(error.__cause__, aiohttp.http_exceptions.HttpProcessingError):
        return TemporaryFault("what the server answers is not HTTP")
    answer = f"the server answers {error.status} {error.message}".rstrip()
    if error.status == HTTPStatus.NOT_FOUND:
        return _missing(address)
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _refused(address, answer)
    if error.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or error.status >= 500:
        return TemporaryFault(answer, _retry_after(error.headers.get("Retry-After", "") if error.headers else ""))
    return UserError(f"{address}: {answer}")


def _retry_after(value: str) -> float | None:
    """Seconds from now; the header has seconds or a date."""
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


@contextmanager
def _s3(address: str, start: int, silence: float, anonymous: bool) -> Iterator[Arriving]:
    with _s3_faults(address):
        # Each read asks for its range, and of the file that it was when it was opened.
        file = _s3_system(silence, anonymous).open(address, cache_type="none")
        start = min(start, file.size)
        file.seek(start)

    def read(count: int) -> bytes:
        with _s3_faults(address):
            return file.read(count)

    with closing(file):
        yield Arriving(read, start, Version(file.details.get("ETag"), total=file.size))


def _s3_system(silence: float, anonymous: bool) -> Any:
    own = {"anon": True} if anonymous else {}  # else as the environment says
    timeouts = {"connect_timeout": silence, "read_timeout": silence, "retries": {"max_attempts": 1}}
    return fsspec.filesystem("s3", use_listings_cache=False, config_kwargs=timeouts, **own)


@contextmanager
def _s3_faults(address: str) -> Iterator[None]:
    try:
        from botocore.exceptions import BotoCoreError, HTTPClientError, NoCredentialsError
        from botocore.exceptions import ConnectionError as NoConnection
    except ImportError as error:
        raise UserError("reading s3:// takes one package more: pip install 'common-fate[s3]'") from error

    try:
        yield
    except FileNotFoundError:
        raise _missing(address) from None
    except PermissionError as error:
        raise _refused(address, f"the store says: {error}") from error
    except NoCredentialsError as error:
        raise _refused(address, "there are no credentials") from error
    except (HTTPClientError, NoConnection, aiohttp.ClientError, OSError) as error:
        raise TemporaryFault(str(error) or type(error).__name__) from error
    except (BotoCoreError, ValueError) as error:
        raise UserError(f"{address}: cannot be read: {error}") from error


def _missing(address: str) -> ShardError:
    return ShardError(f"{address}: there is no such file")


def _refused(address: str, why: str) -> UserError:
    where = "AWS_ACCESS_KEY_ID or a profile; FSSPEC_S3_ANON=1 for a public bucket"
    where = where if address.startswith("s3:") else "~/.netrc"
    return UserError(f"{address}: no access, {why}: check the address and your credentials ({where})")
