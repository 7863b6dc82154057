"""The frames stage: the selected frames of each video as JPEG, and the pairs they form.

Pairs as in Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, section 4.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from tempfile import SpooledTemporaryFile, gettempdir
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError, UserError, check_machine
from common_fate.shards.files import advice
from common_fate.shards.keys import frame_key
from pipeline.columns.frames.filters import CUT, CUTS, FILTERS, Sieve, watched
from pipeline.columns.frames.selection import Selection, check_pairs, check_select, select
from pipeline.option import option
from pipeline.sources.source import Frame, Source, Unreadable
from pipeline.stages.stage import Dropped, Failure, Items, Outcomes, Sample, Stage, failure, reason_of

_SPOOLED = 2**26  # bytes of a video's frames that are kept in memory until it is known which of them form pairs
_NUMBER = {"type": "integer", "minimum": 1}
_ONE_KEY: dict[str, Any] = {
    "type": ["string", "object"],
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
SELECT: dict[str, Any] = _ONE_KEY | {
    "properties": {
        "every": _NUMBER,
        "random": _NUMBER,
        "list": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
    }
}
PAIRS: dict[str, Any] = _ONE_KEY | {"properties": {"max_gap": _NUMBER, "offset": _NUMBER}}
# Reasons are counted, so what they are of stands in the key: here, in the sample that has no pair.
_PAIR_LOST = "; a pair that another frame starts is lost with it"
_REST_LOST = "; the rest of the video is lost with it"
LIST_ANEW = "run snakemake again, which lists it anew"


@dataclass(frozen=True)
class FramesOptions:
    """Which frames, in which pairs, at what size."""

    select: Any = option(
        "all",
        "`all`, `{every: n}`, `{random: n}` of each video, or `{list: [numbers]}`; "
        "by default `{every: 5}` of `videos` and of what is on the web",
        **SELECT,
    )
    pairs: Any = option(
        {"max_gap": 9},
        "`{max_gap: n}`: consecutive selected frames at most n apart; "
        "`{offset: n}`: each selected frame and the one n later; `none`, as images have it",
        **PAIRS,
    )
    triplets: bool = option(False, "a pair's first frame also has a neighbour before it")
    shorter_side: int | None = option(
        416, "larger frames are reduced to this many pixels; null keeps every size", minimum=16
    )
    jpeg_quality: int = option(95, "of the frames as they are kept", minimum=1, maximum=100)
    seed: int = option(0, "of `{random: n}`", minimum=0)
    filters: Any = option(
        [],
        "of `cuts`, `black`, `duplicates`: no pair across a scene cut, no black or repeated frame; "
        "all three for what is on the web",
        added=True,
        type="array",
        uniqueItems=True,
        items={"enum": [*FILTERS]},
    )

    square_pixels: bool = option(
        False,
        "pixels of videos that are not square are made so, as players do; else they are kept",
        added=True,
    )
    deinterlace: bool = option(
        False,
        "interlaced frames of videos are made of one field (FFmpeg's `estdif`); else of both",
        added=True,
    )

    def __post_init__(self) -> None:
        check_select(self.select)
        check_pairs(self.pairs)
        if not isinstance(self.triplets, bool):
            raise ValueError(f"triplets must be true or false, not {self.triplets!r}")
        for name in ("square_pixels", "deinterlace"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, not {getattr(self, name)!r}")
        if self.triplets and self.pairs == "none":
            raise ValueError("triplets extend pairs, and pairs is none: use {max_gap: n} or {offset: n}")
        if self.shorter_side is not None:
            _check_range("shorter_side", self.shorter_side, 16, 8192)
        _check_range("jpeg_quality", self.jpeg_quality, 1, 100)
        _check_range("seed", self.seed, 0, 2**63 - 1)
        if not isinstance(self.filters, list) or any(name not in FILTERS for name in self.filters):
            raise ValueError(f"filters must be a list of some of {', '.join(FILTERS)}, not {self.filters!r}")


def _check_range(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


def resized_shape(height: int, width: int, shorter_side: int | None) -> tuple[int, int]:
    """Returns height and width with the shorter side at `shorter_side`, the longer one rounded; never enlarged."""
    shorter = min(height, width)
    if shorter_side is None or shorter <= shorter_side:
        return height, width
    longer = (2 * max(height, width) * shorter_side + shorter) // (2 * shorter)
    return (longer, shorter_side) if height > width else (shorter_side, longer)


def _run(items: Items, options: FramesOptions) -> Outcomes:
    for video, sample in items:
        if "missing" in sample:  # it is on the web, and did not come
            yield Failure(video, sample["missing"], None)
            continue
        yield from _video(video, sample["video"], options)


def _video(name: str, video: Video, options: FramesOptions) -> Outcomes:
    from pipeline.sources import SOURCES  # sources are many and heavy: only a job that reads videos pays for them

    source = SOURCES[video.kind]
    state = source.state(video)
    if video.bytes is not None and state[0] != video.bytes:
        raise UserError(f"{name}: had {video.bytes} bytes when it was listed, and has {state[0]} now: {LIST_ANEW}")
    yield from _outcomes(name, video, source, options)
    if source.state(video) != state:
        raise UserError(f"{name}: changed while it was read: {LIST_ANEW}")


def _outcomes(name: str, video: Video, source: Source, options: FramesOptions) -> Outcomes:
    try:
        numbers = source.numbers(video)
        choose = partial(select, numbers, options.select, options.pairs, options.triplets, options.seed, name)
        chosen = choose()
    except Exception as error:
        yield failure(name, error, None)
        return
    if options.pairs != "none" and not chosen.next:
        yield Failure(name, _why_no_pair(len(numbers), options), None)
    read = partial(source.deinterlaced if options.deinterlace and source.deinterlaced else source.read, video)
    if options.filters:
        yield from _filtered(name, numbers, choose, read, options)
    else:
        yield from _samples(name, chosen, _stored(read(chosen.frames), options), options)


def _filtered(
    name: str,
    numbers: Sequence[int],
    choose: Callable[..., Selection],
    read: Callable[[Sequence[int]], Iterator[Frame | Unreadable]],
    options: FramesOptions,
) -> Outcomes:
    """What was dropped, and then the samples: which frames form pairs is known only once all have been looked at."""
    chosen, sieve = choose(), Sieve(options.filters)
    seen = watched(numbers, chosen) if CUTS in options.filters else chosen.frames
    with _spooled(_stored(sieve.kept(read(seen), frozenset(chosen.frames)), options)) as again:
        whole = choose(without=sieve.dropped)
        parted = choose(without=sieve.dropped, cuts=sieve.cuts())
        yield from (Dropped(frame_key(name, number), reason) for number, reason in sieve.dropped.items())
        lost = sorted(whole.next.keys() - parted.next.keys())
        yield from (Dropped(frame_key(name, number), CUT) for number in lost)
        needed = frozenset(parted.frames)
        yield from _samples(name, parted, (frame for frame in again if frame.number in needed), options)


def _why_no_pair(frames: int, options: FramesOptions) -> str:
    if frames == 1:
        return "one frame only: no pair"
    wanted = "triplet" if options.triplets else "pair"
    if "offset" in options.pairs:
        return f"no selected frame has a partner {options.pairs['offset']} away: no {wanted}"
    return f"no selected frames are at most {options.pairs['max_gap']} apart: no {wanted}"


@dataclass(frozen=True)
class _Stored:
    """A frame ready to be written."""

    number: int
    seconds: float | None
    height: int
    width: int
    jpeg: bytes


@contextmanager
def _spooled(frames: Iterator[_Stored | Unreadable]) -> Iterator[Iterator[_Stored | Unreadable]]:
    """Reads all frames, and gives them once more: their pictures wait in memory, or on disk where they are many.

    What ends the reading early ends the second one in the same way.
    """
    found: list[tuple[_Stored | Unreadable, int]] = []
    ended: list[Exception] = []

    def read() -> Iterator[_Stored | Unreadable]:
        try:
            yield from frames
        except Exception as error:
            ended.append(error)

    try:
        with SpooledTemporaryFile(max_size=_SPOOLED) as file:
            for frame in read():
                jpeg = b"" if isinstance(frame, Unreadable) else frame.jpeg
                file.write(jpeg)
                found.append((frame if isinstance(frame, Unreadable) else replace(frame, jpeg=b""), len(jpeg)))
            file.seek(0)

            def again() -> Iterator[_Stored | Unreadable]:
                for frame, size in found:
                    jpeg = file.read(size)
                    yield frame if isinstance(frame, Unreadable) else replace(frame, jpeg=jpeg)
                if ended:
                    raise ended[0]

            yield again()
    except OSError as error:
        raise UserError(f"the temporary folder {gettempdir()} fails: {advice(error)}, or set TMPDIR") from error


def _stored(frames: Iterator[Frame | Unreadable], options: FramesOptions) -> Iterator[_Stored | Unreadable]:
    for frame in frames:
        if isinstance(frame, Unreadable):
            yield frame
            continue
        height, width = frame.shown if options.square_pixels and frame.shown else frame.image.shape[:2]
        height, width = resized_shape(height, width, options.shorter_side)
        try:
            jpeg = _jpeg(_resized(frame.image, height, width), options.jpeg_quality)
        except SampleError as error:
            yield Unreadable(frame.number, str(error))
        else:
            yield _Stored(frame.number, frame.seconds, height, width, jpeg)


def _resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    # Means of areas are no way to widen; only pixels that are not square are ever widened.
    enlarged = height > image.shape[0] or width > image.shape[1]
    how = cv2.INTER_LINEAR if enlarged else cv2.INTER_AREA
    resized: NDArray[np.uint8] = cv2.resize(image, (width, height), interpolation=how)
    return resized


def _jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    try:
        made, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:
        made = False
    if not made:
        raise SampleError(f"a frame of {image.shape[1]}x{image.shape[0]} is no size of a JPEG")
    return bytes(data)


def _samples(name: str, chosen: Selection, frames: Iterator[_Stored | Unreadable], options: FramesOptions) -> Outcomes:
    """Samples and failures by ascending frame; a frame waits until its next one is read or is known to be lost."""
    waiting: dict[int, _Stored | Unreadable] = {}
    stored: set[int] = set()
    partners = {*chosen.next.values(), *chosen.previous.values()}
    read = -1

    def outcome(frame: _Stored | Unreadable) -> tuple[str, Sample] | Failure:
        return _outcome(name, frame, chosen, stored, partners, options.triplets)

    try:
        for frame in frames:
            waiting[frame.number] = frame
            read = frame.number
            if isinstance(frame, _Stored):
                stored.add(read)
            while waiting and (chosen.next.get(first := next(iter(waiting)), first)) <= read:
                yield outcome(waiting.pop(first))
    except Exception as error:
        check_machine(error, name)
        yield from map(outcome, waiting.values())
        lost = max(1, sum(number > read for number in chosen.frames))
        yield Failure(name, f"{reason_of(error)}{_REST_LOST if read >= 0 else ''}", lost if read >= 0 else None)
        return
    yield from map(outcome, waiting.values())


def _outcome(
    name: str, frame: _Stored | Unreadable, chosen: Selection, stored: set[int], partners: set[int], triplets: bool
) -> tuple[str, Sample] | Failure:
    key = frame_key(name, frame.number)
    if isinstance(frame, Unreadable):
        return Failure(key, frame.reason + (_PAIR_LOST if frame.number in partners else ""))
    following, previous = chosen.next.get(frame.number), chosen.previous.get(frame.number)
    if following not in stored or (triplets and previous not in stored):
        following = previous = None
    facts = {
        "video": name,
        "frame": frame.number,
        "seconds": frame.seconds,
        "width": frame.width,
        "height": frame.height,
        "next": following,
        "previous": previous,
    }
    return key, {"jpg": frame.jpeg, "json": facts}


def _measure(sample: Sample) -> dict[str, float]:
    return {"width": sample["json"]["width"], "height": sample["json"]["height"]}


def _provenance(options: FramesOptions) -> dict[str, Any]:
    """The FFmpeg libraries inside PyAV: what a damaged or lossy frame decodes to is theirs to say."""
    import av

    versions = av.library_versions
    used = ("libavcodec", "libavformat", "libswscale", *(("libavfilter",) if options.deinterlace else ()))
    return {name: ".".join(map(str, versions[name])) for name in used}


STAGE = Stage(
    name="frames",
    version=1,
    reads=("source",),
    options=FramesOptions,
    run=_run,
    measure=_measure,
    software=("av", "opencv-contrib-python-headless"),
    provenance=_provenance,
    minutes=120,
)
