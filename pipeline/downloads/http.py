"""Fetching a video from an address: http, https, s3 or file, within what config.yaml allows."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import aiohttp

from common_fate.errors import ShardError, UserError, check_machine
from common_fate.foreign.files import open_file
from common_fate.remote.fetch_file import Opening, Patience, TooLarge, Wrong, discard, fetch_into
from common_fate.remote.transport import Arriving, TemporaryFault, Version, arriving
from common_fate.shards.files import advice
from pipeline.downloads.access import Access, Refused
from pipeline.downloads.policy import DownloadPolicy, Gone, Later, Missed
from pipeline.downloads.robots import disallowed

WEB_PAGE = "a web page, no video"
_NO_FILE = "there is no such file"
_log = logging.getLogger(__name__)


class _OptedOut(Refused):
    """The server disallows it."""


def fetch_address(
    address: str, downloading: DownloadPolicy, to: Path, *, sha256: str | None = None, size: int | None = None
) -> None:
    """Fetches a file into `to`, from the end of what that holds on.

    Args:
        sha256, size: what is expected; `None` where nothing says so.

    Raises:
        Gone: there is no such file, no access, a web page or another file in its place. Nothing stays in `to`.
        Later: the server is away, slow or busy, or config.yaml does not allow it. What has arrived stays, unless the
            server disallows its use.
        UserError: `to` cannot be written; the package for s3 is missing.
    """
    patience = Patience(attempts=downloading.attempts, silence=downloading.silence)
    try:
        with _reasons(address, downloading):
            opening = _of_videos(_opening(address, downloading), address, downloading)
            fetch_into(to, opening, address, sha256, size, downloading.most_bytes, patience)
    except (Gone, _OptedOut):
        discard(to)
        raise
    except OSError as error:
        raise UserError(f"{to}: cannot be written: {advice(error)}") from error


def _opening(address: str, downloading: DownloadPolicy) -> Opening:
    """How the address is opened. Raises `Refused` where it is known not to be allowed."""
    access, parts = Access(downloading.allow_hosts, downloading.allow_paths), _parts(address)
    host = parts.hostname or ""
    if parts.scheme == "file" and host in ("", "localhost") and "\0" not in unquote(parts.path):
        path = access.check_file(unquote(parts.path))
        return lambda start, _: _local(path, start)
    if parts.scheme == "s3":
        access.check_host(host)
    elif parts.scheme not in ("http", "https") or not host:
        raise Gone("its address is none of http, https, s3 and file")
    anonymous = not downloading.s3_credentials
    return lambda start, known: arriving(
        address, start, downloading.silence, access.client, known=known, anonymous=anonymous
    )


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise Gone("its address is none") from None


def _host(address: str) -> str:
    """The host and its port, without name and password."""
    return _parts(address).netloc.rpartition("@")[2]


@contextmanager
def _local(path: Path, start: int) -> Iterator[Arriving]:
    try:
        file = open_file(path)
    except OSError as error:
        check_machine(error, str(path))
        raise Gone(_NO_FILE if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}") from error
    with closing(file):
        facts, total = os.fstat(file.fileno()), file.seek(0, 2)
        start = file.seek(min(start, total))

        def read(count: int) -> bytes:
            try:
                return file.read(count)
            except OSError as error:
                check_machine(error, str(path))
                raise TemporaryFault("cannot be read") from error

        yield Arriving(read, start, Version(f"{facts.st_ino} {facts.st_mtime_ns}", total=total))


def _of_videos(opening: Opening, address: str, downloading: DownloadPolicy) -> Opening:
    """Refuses what the server disallows, and web pages, before they are read; reads no faster than it may."""
    most_rate = downloading.most_rate

    @contextmanager
    def opened(start: int, known: Version | None) -> Iterator[Arriving]:
        with opening(start, known) as source:
            if said := disallowed(source.robots, downloading.disallowed_header_directives):
                line = f"{address}: refused, for X-Robots-Tag says {said}: see download.disallowed_header_directives"
                raise _OptedOut(f"its server disallows it: X-Robots-Tag says {said}", line)
            if source.web_page:
                raise Gone(WEB_PAGE)
            yield replace(source, read=_slowed(source.read, most_rate)) if most_rate else source

    return opened


def _slowed(read: Callable[[int], bytes], most_rate: int) -> Callable[[int], bytes]:
    began, taken = time.monotonic(), 0

    def slowly(count: int) -> bytes:
        nonlocal taken
        time.sleep(max(0.0, began + taken / most_rate - time.monotonic()))
        data = read(min(count, most_rate))
        taken += len(data)
        return data

    return slowly


@contextmanager
def _reasons(address: str, downloading: DownloadPolicy) -> Iterator[None]:
    """Turns what goes wrong into `Gone` and `Later`, whose messages name no host; the log has the rest."""
    try:
        yield
    except Refused as refused:
        _log.warning("%s", refused.line)
        raise
    except TooLarge as fault:
        line = f"{address}: {fault}: if it is to be fetched, raise download.most_bytes"
        _log.warning("%s", line)
        raise Refused("larger than download.most_bytes", line) from fault
    except Wrong as fault:
        _log.warning("%s: %s", address, fault)
        raise Gone("not the file that was listed: its length or its sha256 differs") from fault
    except TemporaryFault as fault:
        _log.warning("%s: %s, %d times in a row", address, fault, downloading.attempts)
        raise _later(fault, _host(address)) from fault
    except (ShardError, UserError) as error:
        if (missed := _gone(error, _host(address), downloading)) is None:
            raise
        _log.warning("%s", error)
        raise missed from error


def _later(fault: TemporaryFault, host: str) -> Later:
    cause = fault.__cause__
    if isinstance(cause, aiohttp.ClientResponseError) and cause.status:
        busy = cause.status == HTTPStatus.TOO_MANY_REQUESTS
        return Later(f"the server answers {cause.status}", host if busy else "")
    if isinstance(cause, TimeoutError):
        return Later("the server is silent")
    if isinstance(cause, aiohttp.ClientConnectorError):
        return Later("no connection to the server")
    return Later("it comes too slowly, or is cut off again and again")


def _gone(error: UserError, host: str, downloading: DownloadPolicy) -> Missed | None:
    """What a lasting fault of `transport` means; None for one that is the user's to put right before going on."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, ShardError):
        return Gone("the server answers 404")
    if isinstance(cause, aiohttp.TooManyRedirects):
        return Gone("the server redirects it again and again")
    if isinstance(cause, aiohttp.ClientResponseError):
        forbidden = cause.status == HTTPStatus.FORBIDDEN
        return Gone(f"the server answers {cause.status}", host if forbidden else "")
    if isinstance(cause, PermissionError):
        if not downloading.s3_credentials:
            return Later("not for everybody: see download.s3_credentials", host)
        return Gone("the server answers 403", host)
    if isinstance(cause, aiohttp.ClientSSLError):
        return Later("no trusted connection to the server")
    if isinstance(cause, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return Gone("leads to an address that is not http or https")
    if cause is None:
        return Gone("leads to an address that is not encrypted")
    if isinstance(cause, ImportError):
        return None
    from botocore.exceptions import NoCredentialsError

    if isinstance(cause, NoCredentialsError):
        return Later("there are no credentials for s3: see download.s3_credentials")
    return Gone("its address cannot be read")
