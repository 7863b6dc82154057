"""The source kind `world`: simulated and drawn videos of one thing each, with exact flow and named points.

Nothing is downloaded and nothing is stored: the uri of a video determines its simulation and drawing, so that any
frame, the truth between any two frames and the points of any frame can be had at any time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError
from pipeline.sources.source import Frame, Points, Source, Truth, Unreadable
from pipeline.sources.worlds.world import WORLDS, Film, WorldOptions

FRAMES_PER_SECOND = 25.0
LICENSE = "CC0-1.0"


def _videos(options: WorldOptions, where: str) -> list[Video]:
    names = (f"{options.world}_s{options.seed}_{index:04d}" for index in range(options.videos))
    return [Video(name, "world", _uri(options, index), LICENSE) for index, name in enumerate(names)]


def _uri(options: WorldOptions, index: int) -> str:
    shown = {name: value for name, value in asdict(options).items() if name != "videos"}
    return "world:?" + urlencode({"index": index} | shown)


def _parse(uri: str) -> tuple[WorldOptions, int]:
    """The options and the index that make this very uri; raises `SampleError` for any other."""
    try:
        query = dict(parse_qsl(uri.removeprefix("world:?"), strict_parsing=True))
        world, index = query.pop("world"), int(query.pop("index"))
        options = WorldOptions(world, **{name: int(value) for name, value in query.items()})
        if index < 0 or _uri(options, index) != uri:
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise SampleError(f"'{uri[:200]}' is not the uri of a video of a world") from None
    return options, index


@lru_cache(maxsize=2)
def _film(uri: str) -> Film:
    options, index = _parse(uri)
    return WORLDS[options.world].film(options, index)


def _numbers(video: Video) -> range:
    return range(_parse(video.uri)[0].frames)


def _read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    there = _numbers(video)
    for number in wanted:
        if number in there:
            yield Frame(number, number / FRAMES_PER_SECOND, _film(video.uri).image(number))
        else:
            yield Unreadable(number, f"the video has {len(there)} frames")


def _truth(video: Video, first: int, second: int) -> Truth:
    there = _numbers(video)
    if first not in there or second not in there:
        raise SampleError(f"no truth from one of these frames to the other: the video has {len(there)} frames")
    return _film(video.uri).truth(first, second)


def _points(video: Video, number: int) -> Points:
    there = _numbers(video)
    if number not in there:
        raise SampleError(f"no points of frame {number}: the video has {len(there)} frames")
    return _film(video.uri).points(number)


SOURCE = Source(
    name="world",
    options=WorldOptions,
    videos=_videos,
    numbers=_numbers,
    read=_read,
    truth=_truth,
    points=_points,
    select="all",
)
