"""Which videos of the dataset are taken: what a line says against what is asked for, before any is drawn at random."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote_plus

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.shards.limits import quoted
from pipeline.sources.web import printable
from pipeline.sources.yfcc.lines import Line, lines

Filter = Callable[[Line], bool]

_LICENSE = re.compile(r"https?://creativecommons\.org/licenses/([a-z-]+)/([0-9.]+)", re.ASCII)
_COUNTRY = re.compile(rb"[\t,]\d+:([^:,\t]*):Country\b")


def license_name(line: Line) -> str:
    """Returns the short name, such as `CC BY-NC 2.0`; where it is none of Creative Commons, as the line has it."""
    found = _LICENSE.match(line.licenseurl)
    return f"CC {found[1].upper()} {found[2]}" if found else unquote_plus(line.licensename) or line.licenseurl


def of_license(names: Iterable[str]) -> Filter:
    """Makes a filter of the videos of one of the licences, by their short names."""
    wanted = frozenset(names)
    return lambda line: license_name(line) in wanted


def with_keyword(keywords: Iterable[str]) -> Filter:
    """Makes a filter of the videos that have one of the words in title, description or tags.

    Words count whole and in either case.
    """
    words = "|".join(re.escape(word.casefold()) for word in keywords)
    matches = re.compile(rf"(?<!\w)(?:{words})(?!\w)").search
    return lambda line: any(
        matches(unquote_plus(text).casefold()) is not None for text in (line.title, line.usertags, line.description)
    )


def taken(first: str, last: str) -> Filter:
    """Makes a filter of the videos that were taken from one date to another; each is a year, a month or a day."""
    return lambda line: _within(line.datetaken, first, last)


def uploaded(first: str, last: str) -> Filter:
    """Makes a filter of the videos that were uploaded from one date to another, in UTC."""
    return lambda line: _within(_date(line.dateuploaded), first, last)


def _within(date: str, first: str, last: str) -> bool:
    return date[:1].isdigit() and first <= date[: len(first)] and date[: len(last)] <= last


def _date(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat() if re.fullmatch(r"\d{1,11}", seconds) else ""


def of_ids(ids: Iterable[str]) -> Filter:
    """Makes a filter of the videos of a list of ids."""
    wanted = frozenset(ids)
    return lambda line: line.photoid in wanted


def in_country(places: Path, countries: Iterable[str]) -> Filter:
    """Makes a filter of the videos that the expansion pack of places sees in one of the countries.

    Countries are called as the pack calls them.

    Its lines are `id TAB woeid:Name:Type,woeid:Name:Type`. Eight bytes are kept for each photo and video that is there.
    """
    found = np.sort(_located(places, frozenset(name.casefold() for name in countries)))

    def there(line: Line) -> bool:
        at = np.searchsorted(found, int(line.photoid))
        return bool(at < len(found) and found[at] == int(line.photoid))

    return there


def _located(places: Path, countries: frozenset[str]) -> NDArray[np.int64]:
    ids, known = bytearray(), dict[bytes, bool]()
    for line in lines(places):
        for name in _COUNTRY.findall(line):
            if name not in known:
                known[name] = unquote_plus(name.decode("utf-8", "replace")).casefold() in countries
            if known[name]:
                number = line.partition(b"\t")[0]
                if not re.fullmatch(rb"\d{1,18}", number):
                    raise UserError(f"{places}: no expansion pack of places: {quoted(number)} is no id")
                ids += int(number).to_bytes(8, "little")
    if not ids:
        names = ", ".join(sorted(unquote_plus(name.decode("utf-8", "replace")) for name in known)[:300])
        raise UserError(
            f"{places}: nothing in {', '.join(sorted(countries))}; its countries are {printable(names) or 'none'}"
        )
    return np.frombuffer(ids, "<i8").astype(np.int64)
