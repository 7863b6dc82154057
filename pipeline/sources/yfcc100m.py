"""The videos of YFCC100M, from the dataset's own metadata, and their media in the public copy of Multimedia Commons.

Thomee et al., "YFCC100M: The New Data in Multimedia Research", Communications of the ACM 59(2), 2016.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.option import option
from pipeline.sources import web
from pipeline.sources.listing import Paths, check_paths, expanded, find
from pipeline.sources.source import Source
from pipeline.sources.yfcc import filters
from pipeline.sources.yfcc.filters import Filter, license_name
from pipeline.sources.yfcc.lines import Line, lines, videos
from pipeline.sources.yfcc.selection import chosen, remembered

MEDIA = "https://multimedia-commons.s3-us-west-2.amazonaws.com"
LICENSES = [f"CC {name} 2.0" for name in ("BY", "BY-SA", "BY-ND", "BY-NC", "BY-NC-SA", "BY-NC-ND")]
PRESETS = {"cmp": 205_000}
"""How many clips a published training set has, by method. Which ones is known of none; see docs/sources/yfcc100m.md."""

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)
_ID = re.compile(r"\d{1,18}", re.ASCII)
_HASH = re.compile("[0-9a-f]{16,32}", re.ASCII)


@dataclass(frozen=True)
class Yfcc100mOptions:
    """The metadata, and which of its videos."""

    path: Paths = option(help="the files of yfcc100m_dataset: plain, `.bz2` or `.parquet`", minItems=1)
    licenses: list[str] | None = option(None, "videos of one of these", minItems=1, items={"enum": [*LICENSES]})
    keywords: list[str] | None = option(
        None,
        "those with one of the words in title, description or tags",
        minItems=1,
        items={"type": "string", "minLength": 1},
    )
    countries: list[str] | None = option(
        None,
        "those in one of the countries, as `places` has them",
        minItems=1,
        items={"type": "string", "minLength": 1},
    )
    places: str | None = option(None, "the file yfcc100m_places, plain or `.bz2`")
    taken: list[str | int] | None = option(
        None, "from one date to another, both included: years, or months or days in quotes", minItems=2, maxItems=2
    )
    uploaded: list[str | int] | None = option(None, "likewise", minItems=2, maxItems=2)
    ids: str | list[str | int] | None = option(None, "a list, or a file with one a line", minItems=1)
    sample: int | None = option(None, "so many at random of those that are left", minimum=1)
    seed: int = option(0, "of the sample", minimum=0)
    preset: str | None = option(None, "`cmp`: a sample of 205,000", enum=[*PRESETS])
    media: str = option(MEDIA, "where the media are, in the layout of Multimedia Commons")
    cache: str = option("downloads/listings", "the folder that keeps what was selected")

    def __post_init__(self) -> None:
        check_paths(self.path)
        if self.countries and not self.places:
            raise ValueError("countries are in the file yfcc100m_places: say where it is with `places`")
        if odd := [name for name in self.licenses or [] if name not in LICENSES]:
            raise ValueError(f"licenses has {odd[0]!r}: should be of {', '.join(LICENSES)}")
        for name in ("taken", "uploaded"):
            dates = [str(date) for date in getattr(self, name) or []]
            if dates and (len(dates) != 2 or not all(_DATE.fullmatch(date) for date in dates)):
                raise ValueError(f'{name} should be two dates, such as [2008, 2012] or ["2008-05", "2012-12-31"]')
        if self.preset is not None and self.preset not in PRESETS:
            raise ValueError(f"preset is {self.preset!r}: should be one of {', '.join(PRESETS)}")
        web.check_address(self.media)

    @property
    def wanted(self) -> int | None:
        """How many videos are drawn; None takes all."""
        return self.sample if self.sample is not None or self.preset is None else PRESETS[self.preset]


def media_hash(address: str) -> str:
    """Returns the name of the media in Multimedia Commons.

    It is the MD5 of the download address, its bytes without leading zeros.
    """
    return "".join(f"{byte:x}" for byte in hashlib.md5(address.encode(), usedforsecurity=False).digest())


def _videos(options: Yfcc100mOptions, where: str) -> list[Video]:
    paths = [Path(found.path) for found in find(options.path, where)]
    beside = [Path(expanded(name)) for name in (options.places, _ids_file(options)) if name]
    known = asdict(options)
    del known["cache"], known["path"], known["places"]
    try:
        taken = remembered(
            Path(expanded(options.cache)), known, [*paths, *beside], lambda: _selected(paths, options, where)
        )
    except OSError as error:
        raise UserError(f"{where}: cannot read {error.filename!r}: {error.strerror}") from error
    if not taken:
        raise UserError(f"{where}: no video is left of those in {options.path!r}: ask for less, or look at the files")
    return taken


def _selected(paths: list[Path], options: Yfcc100mOptions, where: str) -> list[Video]:
    wanted = _filters(options, where)
    found = (line for line in videos(paths) if all(holds(line) for holds in wanted))
    return chosen(_rows(found, options.media.rstrip("/")), options.wanted, options.seed)


def _filters(options: Yfcc100mOptions, where: str) -> list[Filter]:
    """Those that tell most at the least cost come first."""
    wanted: list[Filter] = []
    if options.ids is not None:
        wanted.append(filters.of_ids(_ids(options, where)))
    if options.licenses:
        wanted.append(filters.of_license(options.licenses))
    if options.taken:
        wanted.append(filters.taken(*map(str, options.taken)))
    if options.uploaded:
        wanted.append(filters.uploaded(*map(str, options.uploaded)))
    if options.keywords:
        wanted.append(filters.with_keyword(options.keywords))
    if options.countries:
        wanted.append(filters.in_country(Path(expanded(options.places or "")), options.countries))
    return wanted


def _ids_file(options: Yfcc100mOptions) -> str | None:
    return options.ids if isinstance(options.ids, str) else None


def _ids(options: Yfcc100mOptions, where: str) -> Iterator[str]:
    name = _ids_file(options)
    listed = lines(Path(expanded(name))) if name else (str(number).encode() for number in options.ids or [])
    for number, line in enumerate(listed, 1):
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip()
        if text and not text.startswith("#"):
            if not _ID.fullmatch(text):
                raise UserError(f"{where}.ids: entry {number}, {quoted(text)}, is no id: they are numbers")
            yield text


def _rows(found: Iterator[Line], media: str) -> Iterator[Video]:
    for line in found:
        name = line.hash if _HASH.fullmatch(line.hash) else media_hash(line.downloadurl)
        facts = {
            "title": unquote_plus(line.title),
            "attribution": f"{unquote_plus(line.unickname)} ({unquote_plus(line.uid)})",
            "page": line.pageurl,
            "taken": line.datetaken,
        }
        yield Video(
            video=line.photoid,
            kind="yfcc100m",
            uri=web.uri(f"{media}/data/videos/mp4/{name[:3]}/{name[3:6]}/{name}.mp4"),
            license=web.printable(license_name(line)) or None,
            about=web.about(facts),
        )


SOURCE = Source(
    name="yfcc100m",
    options=Yfcc100mOptions,
    videos=_videos,
    numbers=web.numbers,
    read=web.read,
    truth=None,
    select={"every": 5},
    fetch=web.fetch,
)
