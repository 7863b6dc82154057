"""Opening a file at an address, by fsspec, and what its faults mean: another attempt, or a line for the user."""

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import fsspec

from common_fate.errors import ShardError, UserError


class TemporaryFault(Exception):
    """A fault that is worth another attempt, after `seconds` where the server says how many."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


Client = Callable[..., Awaitable[aiohttp.ClientSession]]
"""Makes the session that requests go through, given what it takes; it may look at them, and refuse."""


@dataclass(frozen=True)
class Arriving:
    """A file as it comes in from byte `start` on.

    `read` gives at most as many bytes as are asked for, and none at the end. `total` is the whole file's size where the
    server says so; `web_page` whether it says that this is one; `robots` the values of its headers `X-Robots-Tag`.
    """

    read: Callable[[int], bytes]
    start: int
    total: int | None
    web_page: bool = False
    robots: tuple[str, ...] = ()


@contextmanager
def arriving(address: str, start: int, silence: float, client: Client | None = None) -> Iterator[Arriving]:
    """Opens a file from byte `start` on, or from its first where the server cannot do that.

    Args:
        silence: seconds without an answer or a byte after which it is given up.
        client: for http and https, where not any address will do. What it raises passes through.

    Raises:
        TemporaryFault: dropped, silent, overloaded, out of order; reading raises it, too.
        ShardError: there is no such file.
        UserError: no access, or nothing that trying again would change.
    """
    s3 = address.startswith("s3://")
    with _s3(address, start, silence) if s3 else _http(address, start, silence, client) as file:
        yield file


def total_bytes(address: str, silence: float) -> int | None:
    """Returns the size of a file as its server says, if it does. Raises as `arriving` does."""
    if address.startswith("s3://"):
        with _s3_faults(address):
            return _s3_system(silence).info(address)["size"]
    with _http_faults(address, silence):
        try:
            return _http_system().info(address, timeout=silence)["size"]
        except FileNotFoundError as error:  # whatever went wrong
            raise error.__cause__ or error from None


@contextmanager
def _http(address: str, start: int, silence: float, client: Client | None) -> Iterator[Arriving]:
    with _http_faults(address, silence):
        file = _http_file(address, start, silence, client)
    with closing(file):
        headers = file.r.headers
        if address.startswith("https:") and file.r.url.scheme != "https":
            raise UserError(f"{address}: leads to {file.r.url}, which is not encrypted: refused")
        if file.r.status != HTTPStatus.PARTIAL_CONTENT:
            start = 0

        def read(count: int) -> bytes:
            with _http_faults(address, silence):
                return file.read(count)

        length = headers.get("Content-Length", "")
        # Of a coded answer the length is not the file's.
        known = length.isdecimal() and headers.get("Content-Encoding", "identity") == "identity"
        yield Arriving(
            read,
            start,
            start + int(length) if known else None,
            headers.get("Content-Type", "").startswith("text/html"),
            tuple(headers.getall("X-Robots-Tag", ())),
        )


def _http_file(address: str, start: int, silence: float, client: Client | None) -> Any:
    """An open answer that begins at `start`, or at 0 where the server has nothing from there on."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        # Without blocks it comes as one stream; a size, whichever, saves asking for it first.
        file = _http_system(client).open(address, block_size=0, size=1, headers=headers, timeout=_timeout(silence))
    except aiohttp.ClientResponseError as error:
        if start and error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _http_file(address, 0, silence, client)
        raise
    partial = file.r.status == HTTPStatus.PARTIAL_CONTENT
    if partial and not file.r.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        file.close()
        if not start:
            raise TemporaryFault("the server sends another part than it was asked for")
        return _http_file(address, 0, silence, client)
    return file


def _http_system(client: Client | None = None) -> Any:
    own = {"get_client": client} if client else {}
    return fsspec.filesystem("http", client_kwargs={"trust_env": True}, **own)  # proxies, ~/.netrc


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
def _s3(address: str, start: int, silence: float) -> Iterator[Arriving]:
    with _s3_faults(address):
        file = _s3_system(silence).open(address, cache_type="none")  # each read asks for its range
        start = min(start, file.size)
        file.seek(start)

    def read(count: int) -> bytes:
        with _s3_faults(address):
            return file.read(count)

    with closing(file):
        yield Arriving(read, start, file.size)


def _s3_system(silence: float) -> Any:
    timeouts = {"connect_timeout": silence, "read_timeout": silence, "retries": {"max_attempts": 1}}
    return fsspec.filesystem("s3", use_listings_cache=False, config_kwargs=timeouts)


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
