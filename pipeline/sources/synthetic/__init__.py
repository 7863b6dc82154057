"""The source kind `synthetic`: videos rendered from photographs, with the exact flow, occlusion and object masks.

The photographs are those that scikit-image ships in its wheel. Nothing is downloaded and nothing is stored: the uri of
a video determines its rendering, so that any frame and the truth between any two frames can be had at any time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError
from pipeline.option import option
from pipeline.sources.source import Frame, Source, Truth, Unreadable
from pipeline.sources.synthetic.layers import Scene, flow_between, image_at
from pipeline.sources.synthetic.scene import LICENSE, compose

FRAMES_PER_SECOND = 25.0

_LIMITS = {
    "videos": (1, 1_000_000),
    "frames": (1, 1_000_000),
    "height": (32, 4096),
    "width": (32, 4096),
    "objects": (0, 40),
    "seed": (0, 2**32 - 1),
    "speed": (0, 200),
}
_SWITCHES = ("varied", "bodies")


@dataclass(frozen=True)
class SyntheticOptions:
    """How many videos, and what they show. Raises `ValueError` where a number is out of range."""

    videos: int = option(8, "how many; raising it adds videos and leaves those there are", minimum=1)
    frames: int = option(24, "of a video", minimum=1)
    height: int = option(384, "pixels", minimum=32)
    width: int = option(512, "pixels", minimum=32)
    objects: int = option(5, "cut-outs before the background, some of them with limbs", minimum=0)
    seed: int = option(0, "another one renders other videos", minimum=0)
    speed: float = option(20, "pixels a frame that nothing exceeds", minimum=0)
    varied: bool = option(
        False,
        "also textures in all colours and scales, thin limbs, a faster camera, motion blur, swinging light, noise",
    )
    bodies: bool = option(False, "every other object is a body of many limbs: a person or an animal")

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)} and should be from {low} to {high}")


def _videos(options: SyntheticOptions, where: str) -> list[Video]:
    names = (f"synthetic_s{options.seed}_{index:04d}" for index in range(options.videos))
    return [Video(name, "synthetic", _uri(options, index), LICENSE) for index, name in enumerate(names)]


def _uri(options: SyntheticOptions, index: int) -> str:
    shown = {name: value for name, value in asdict(options).items() if name not in ("videos", *_SWITCHES)}
    on = {name: 1 for name in _SWITCHES if getattr(options, name)}  # where they are off, as before there were these
    return "synthetic:?" + urlencode({"index": index} | shown | {"speed": float(options.speed)} | on)


def _parse(uri: str) -> tuple[SyntheticOptions, int]:
    """The options and the index that make this very uri; raises `SampleError` for any other."""
    try:
        query = dict(parse_qsl(uri.removeprefix("synthetic:?"), strict_parsing=True))
        index, speed = int(query.pop("index")), float(query.pop("speed"))
        on = {name: bool(int(query.pop(name, "0"))) for name in _SWITCHES}
        numbers: dict[str, Any] = {name: int(value) for name, value in query.items()}
        options = SyntheticOptions(**numbers, speed=speed, **on)
        if index < 0 or _uri(options, index) != uri:
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise SampleError(f"'{uri[:200]}' is not the uri of a synthetic video") from None
    return options, index


@lru_cache(maxsize=2)
def _scene(uri: str) -> Scene:
    options, index = _parse(uri)
    size = options.height, options.width
    return compose(*size, options.objects, options.speed, options.seed, index, options.varied, options.bodies)


def _numbers(video: Video) -> range:
    return range(_parse(video.uri)[0].frames)


def _read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    there = _numbers(video)
    for number in wanted:
        if number in there:
            yield Frame(number, number / FRAMES_PER_SECOND, image_at(_scene(video.uri), number))
        else:
            yield Unreadable(number, f"the video has {len(there)} frames")


def _truth(video: Video, first: int, second: int) -> Truth:
    there = _numbers(video)
    if first not in there or second not in there:
        raise SampleError(f"no truth from one of these frames to the other: the video has {len(there)} frames")
    return flow_between(_scene(video.uri), first, second)


SOURCE = Source(
    name="synthetic",
    options=SyntheticOptions,
    videos=_videos,
    numbers=_numbers,
    read=_read,
    truth=_truth,
    select="all",
)
