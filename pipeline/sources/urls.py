"""Videos by their addresses, from a table: CSV, TSV, JSON Lines or Parquet."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.option import option
from pipeline.sources import web
from pipeline.sources.ids import video_id
from pipeline.sources.listing import expanded
from pipeline.sources.rows import Row, RowError, read_rows
from pipeline.sources.source import Source

_ID = re.compile("[A-Za-z0-9_]{1,64}", re.ASCII)
_READABLE = 40  # characters of an address's name that an id keeps
_HASH = 16  # hex digits: of millions of addresses no two share them


@dataclass(frozen=True)
class UrlsOptions:
    """The table, and which of its columns are which; all others go with the videos as what else is known of them."""

    path: str = option(help="the table: `.csv`, `.tsv`, `.jsonl`, each with or without `.gz`, or `.parquet`")
    column: str = option("url", "the column of addresses")
    id: str | None = option(None, "the column of ids; without it, videos are named by their addresses")
    license: str | None = option(None, "of all videos, or of those that `license_column` leaves empty")
    license_column: str | None = option(None, "the column of licences")
    sha256: str | None = option(None, "the column of sums: a video that differs is refused when it comes")
    bytes: str | None = option(None, "the column of sizes, likewise")


def _videos(options: UrlsOptions, where: str) -> list[Video]:
    path = Path(expanded(options.path))
    videos: dict[str, Video] = {}
    rows: dict[str, int] = {}
    try:
        for number, video in _distinct(path, options):
            if video.video in videos:
                raise RowError(
                    number,
                    f"the id {video.video!r} is that of row {rows[video.video]}, with another address: ids differ",
                )
            videos[video.video], rows[video.video] = video, number
    except OSError as error:
        raise UserError(f"{where}.path {options.path!r}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{where}.path {options.path!r}: {error}") from error
    if not videos:
        raise UserError(f"{where}.path {options.path!r}: has no row")
    return [videos[name] for name in sorted(videos)]


def _distinct(path: Path, options: UrlsOptions) -> Iterator[tuple[int, Video]]:
    """The videos with their rows; of an address that stands several times, the first."""
    seen: set[bytes] = set()
    for number, row in read_rows(path, _used(options)):
        try:
            address = _cell(row, options.column)
            if not address:
                raise ValueError(f"no address in the column {quoted(options.column)}")
            digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).digest()
            if digest not in seen:
                seen.add(digest)
                yield number, _video(row, address, options)
        except RowError:
            raise
        except ValueError as error:
            raise RowError(number, error) from error


def _video(row: Row, address: str, options: UrlsOptions) -> Video:
    try:
        web.check_address(address)
    except ValueError as error:
        raise ValueError(f"{quoted(address)}: {error}") from error
    sha256 = _cell(row, options.sha256).lower()
    if sha256 and not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"{quoted(sha256)} is no sha256, which has 64 hex digits")
    size = _cell(row, options.bytes)
    if size and not re.fullmatch("[1-9][0-9]{0,17}", size, re.ASCII):
        raise ValueError(f"{quoted(size)} is no number of bytes")
    used = _used(options)
    return Video(
        video=_name(row, address, options.id),
        kind="urls",
        uri=web.uri(address, sha256 or None, int(size) if size else None),
        license=web.printable(_cell(row, options.license_column)) or options.license,
        about=web.about({name: value for name, value in row.items() if name not in used}),
    )


def _used(options: UrlsOptions) -> set[str]:
    columns = (options.column, options.id, options.license_column, options.sha256, options.bytes)
    return {column for column in columns if column is not None}


def _cell(row: Row, column: str | None) -> str:
    if column is None:
        return ""
    if column not in row:
        raise ValueError(f"no column {quoted(column)}: the columns are {quoted(', '.join(row))}")
    return row[column].strip()


def _name(row: Row, address: str, column: str | None) -> str:
    if column is None:
        last = re.sub("[^A-Za-z0-9]+", "_", unquote(urlsplit(address).path).rpartition("/")[2]).strip("_")
        return f"{last[:_READABLE] or 'video'}_{hashlib.sha256(address.encode()).hexdigest()[:_HASH]}"
    name = _cell(row, column)
    if not name:
        raise ValueError(f"no id in the column {quoted(column)}")
    return name if _ID.fullmatch(name) else video_id(name, folder=True)


SOURCE = Source(
    name="urls",
    options=UrlsOptions,
    videos=_videos,
    numbers=web.numbers,
    read=web.read,
    truth=None,
    select={"every": 5},
    fetch=web.fetch,
)
