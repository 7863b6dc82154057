"""Frame numbers from the names of images: numbers that are there, else the place of each in the order of the names."""

import os
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

_LARGEST_NUMBER = 999_999  # what a key has room for
_ENDING = re.compile(r"(?P<before>.*?)(?P<sign>-?)(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]+))?", re.DOTALL)
_CLOCK = re.compile(r"(.*[^0-9])?[0-9]+([-_:.])[0-9]{2}\2[0-9]{2}[-_:.,][0-9]+", re.DOTALL)  # hours, minutes, seconds


def numbered(names: Iterable[str]) -> dict[int, str]:
    """Returns the names of images by frame number, ascending.

    A frame's number is the one its stem ends in, where all stems do and the numbers differ; else its place in natural
    order. Where stems end in times (seconds with decimals, or hours, minutes and so on) or in numbers below zero, its
    place in the order of these.
    """
    names = sorted(names, key=lambda name: ([(t, int(n or -1)) for t, n in re.findall(r"(\D*)(\d*)", name)], name))
    stems = [os.path.splitext(name)[0] for name in names]
    endings = [ending for stem in stems if (ending := _ENDING.fullmatch(stem))]
    if names and len(endings) == len(names):
        if (places := _by_value(endings)) is not None:
            return dict(enumerate(names[place] for place in places))
        if _has_clock(stems, endings):
            return dict(enumerate(names))
    digits = [re.search(r"(\d+)$", stem, re.ASCII) for stem in stems]
    numbers = [int(found[1]) for found in digits if found]
    if len(set(numbers)) < len(names) or max(numbers, default=0) > _LARGEST_NUMBER:
        return dict(enumerate(names))
    return dict(sorted(zip(numbers, names, strict=True)))


def same_but_for_ending(names: Iterable[str]) -> tuple[str, str] | None:
    """Finds two names of images that differ in their extension alone; None where there are none.

    Such two are one picture, or two of one frame.
    """
    seen: dict[str, str] = {}
    for name in sorted(names):
        if (other := seen.setdefault(os.path.splitext(name)[0], name)) != name:
            return other, name
    return None


def _by_value(endings: Sequence[re.Match[str]]) -> list[int] | None:
    """The places in the order of the values that stems end in, where these are times or fall below zero; else None.

    A dash is a sign where other names have none in its place, and else parts words. A point stands before decimals
    where what is before it changes (it is no `shot1.0001`) or counts seconds since 1970, where it is followed by
    microseconds, and where decimals have no one width but begin with zeros.
    """
    if len({ending["before"] for ending in endings}) > 1:
        return None
    wholes = {(ending["sign"], int(ending["whole"])) for ending in endings}
    parts = [ending["part"] for ending in endings]
    signed = len({sign for sign, _ in wholes}) > 1
    widths = {len(part or "") for part in parts}
    uneven = len(widths) > 1 and any(len(part) > 1 and part[0] == "0" for part in parts if part)
    seconds = all(whole >= 10**8 for _, whole in wholes)
    timed = any(parts) and (len(wholes) > 1 or seconds or uneven or min(widths) >= 6)
    if not timed and not (signed and not any(parts)):
        return None
    values = [
        Decimal(f"{ending['sign'] if signed else ''}{ending['whole']}.{ending['part'] or 0}") for ending in endings
    ]
    return sorted(range(len(endings)), key=lambda place: values[place])


def _has_clock(stems: Sequence[str], endings: Sequence[re.Match[str]]) -> bool:
    """Whether stems end in times of several parts, of which not only the last one changes."""
    return len({ending["before"] for ending in endings}) > 1 and all(map(_CLOCK.fullmatch, stems))
