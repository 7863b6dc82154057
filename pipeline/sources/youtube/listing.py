"""The options of the source `youtube`, and its listing: ids and addresses, from config.yaml or a text file."""

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError, printable
from common_fate.foreign.files import open_file
from common_fate.shards.limits import quoted
from pipeline.option import option
from pipeline.sources.listing import expanded
from pipeline.sources.youtube.addresses import address_of, is_youtube, name_of

STANDARD = "standard YouTube licence unless the page says otherwise"
_MOST_TEXT = 1000  # characters of a category
_MOST_LINE = 2**16
_SECONDS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)\s*")
_STREAMS = re.compile(
    r"[+,]|(?<![\w.])(all|mergeall|-)(?![\w.])"
)  # of yt-dlp's selectors: more than one, or to be asked


@dataclass(frozen=True)
class YouTubeOptions:
    """Which videos, and what of each is fetched."""

    ids: tuple[str, ...] = option((), "YouTube's ids of 11 characters, in quotes, or addresses", minItems=1)
    path: str | None = option(None, "a text file: an id or address a line, then, after tabs, its categories")
    categories: tuple[str, ...] = option((), "of the file's videos, those of these alone", minItems=1)
    height: int = option(480, "the highest picture that is taken, pixels", minimum=16, maximum=8192)
    format: str | None = option(None, "one stream, as yt-dlp's `--format` says it")
    section: Any = option(
        None,
        "seconds: `[start, end]`, or `start-end`",
        type=["string", "array"],
        minItems=2,
        maxItems=2,
        items={"type": "number", "minimum": 0},
    )
    license: str | None = option(None, "where it is not given: of YouTube, its standard one; of other sites, none")

    def __post_init__(self) -> None:
        for name in ("ids", "categories"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON has lists
        if not self.ids and not self.path:
            raise ValueError("has neither ids nor path: name some videos")
        if self.categories and not self.path:
            raise ValueError(
                "categories choose among the videos of a file: make one by `python -m pipeline youtube8m`, and name "
                "it as path"
            )
        if not isinstance(self.height, int) or isinstance(self.height, bool) or not 16 <= self.height <= 8192:
            raise ValueError(f"height must be a whole number from 16 to 8192, not {self.height!r}")
        object.__setattr__(self, "section", _section(self.section))
        if self.format is not None:
            _check_format(self.format)


def list_videos(options: YouTubeOptions, where: str) -> list[Video]:
    """Lists the videos that are named, sorted by id; of one that is named twice, the first line counts.

    Opens no network.

    Raises:
        UserError: something named is no video, two would share an id, or no category is called that.
    """
    videos: dict[str, Video] = {}
    for place, entry, categories in _entries(options, where):
        try:
            address = address_of(entry)
        except ValueError as error:
            raise UserError(f"{place}: {error}") from error
        name = name_of(address)
        if name in videos:
            if (other := _address(videos[name])) == address:
                continue  # a video that is named twice is one
            raise UserError(f"{place}: {quoted(entry)} and {other} would both be called {name}: leave one out")
        about = {"page": address} | ({"category": "; ".join(categories)} if categories else {})
        videos[name] = Video(
            name,
            "youtube",
            _uri(address, options),
            options.license or (STANDARD if is_youtube(address) else None),
            about=json.dumps(about, sort_keys=True, ensure_ascii=False),
        )
    return [videos[name] for name in sorted(videos)]


def _address(video: Video) -> str:
    return json.loads(video.uri)["address"]


def _uri(address: str, options: YouTubeOptions) -> str:
    """All that fetching takes, as JSON."""
    shaping = {"address": address, "height": options.height, "format": options.format, "section": options.section}
    return json.dumps({key: value for key, value in shaping.items() if value is not None}, sort_keys=True)


def _entries(options: YouTubeOptions, where: str) -> Iterator[tuple[str, str, list[str]]]:
    """Where it stands, the id or address, and its categories."""
    for index, entry in enumerate(options.ids):
        yield f"{where}.ids[{index}]", entry.strip(), []
    if options.path:
        listed = [
            (f"{options.path}, line {line}", entry, names) for line, entry, names in read_list(options.path, where)
        ]
        chosen = _chosen(listed, options.categories, f"{where}.categories")
        if not chosen:
            raise UserError(f"{where}.path {options.path!r} lists no video")
        yield from chosen


def _chosen(
    listed: list[tuple[str, str, list[str]]], wanted: tuple[str, ...], where: str
) -> list[tuple[str, str, list[str]]]:
    if not wanted:
        return listed
    known = {name.lower(): name for _, _, names in listed for name in names}
    for name in wanted:
        check_known(name, known, where)
    chosen = {name.lower() for name in wanted}
    return [one for one in listed if chosen & {name.lower() for name in one[2]}]


def check_known(name: str, known: dict[str, Any], where: str) -> None:
    """Raises `UserError` where no category is called so, with the nearest names that there are."""
    if name.lower() in known:
        return
    near = difflib.get_close_matches(name.lower(), known, 3)
    near += [one for one in known if name.lower() in one and one not in near][: 3 - len(near)]
    raise UserError(f"{where}: no category is called {name!r}" + (f": is it {' or '.join(near)}?" if near else ""))


def read_list(path: str, where: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yields the number, the id or address, and the categories of each line that has one; `#` begins a comment.

    Raises:
        UserError: the file cannot be read, or is none of text.
    """
    try:
        with open_file(Path(expanded(path))) as file:
            number = 0
            while line := file.readline(_MOST_LINE):
                number += 1
                if not line.endswith(b"\n") and len(line) == _MOST_LINE:
                    raise UserError(f"{path}, line {number}: longer than {_MOST_LINE} bytes: is it a list of videos?")
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text and not text.startswith("#"):
                    entry, *names = (part.strip() for part in text.split("\t"))
                    yield number, entry, [printable(name)[:_MOST_TEXT] for name in names if name]
    except OSError as error:
        raise UserError(f"{where}.path {path!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{where}.path {path!r}: line {number} is not UTF-8: is it a list of videos?") from error


def _section(value: Any) -> list[float] | None:
    """Start and end in seconds. Raises ValueError where it is neither a pair of numbers nor `start-end`."""
    if value is None:
        return None
    if isinstance(value, str) and (match := _SECONDS.fullmatch(value)):
        value = [float(match[1]), float(match[2])]
    numbers = isinstance(value, list | tuple) and all(
        isinstance(part, int | float) and not isinstance(part, bool) for part in value
    )
    if not numbers or len(value) != 2 or not 0 <= value[0] < value[1] < float("inf"):
        raise ValueError(
            f"section must be seconds from the first to the last, such as 10-25 or [10, 25], not {value!r}"
        )
    return [float(part) for part in value]


def _check_format(format: str) -> None:
    """Raises ValueError where yt-dlp has no such format, or it is of several streams."""
    from pipeline.sources.youtube.guard import GuardedYoutubeDL

    if found := _STREAMS.search(re.sub(r"\[[^\]]*\]", "", format)):
        raise ValueError(
            f"format {format!r} asks for several streams ({found[0]}), and pictures are all that is read: choose one, "
            "such as bestvideo"
        )
    try:
        GuardedYoutubeDL({"quiet": True, "color": "never"}, check=lambda address: None).build_format_selector(format)
    except SyntaxError as error:
        raise ValueError(f"format {format!r} is none of yt-dlp's: {str(error.msg).splitlines()[0]}") from error
