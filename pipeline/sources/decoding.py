"""Decoding a video file with FFmpeg: which frames it has, and the pictures of those that are wanted.

A file is read twice, in order and never by seeking: demuxed alone, which is cheap and tells how many frames there are
and how their timestamps order them; then decoded up to the last frame wanted. One thread: a job is a shard's.
"""

import os
from bisect import bisect, insort
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from common_fate.errors import SampleError, check_machine
from pipeline.sources.reading import MAX_PIXELS, check_pixels

_MOST_FRAMES = 1_000_000  # a key has six digits
_LONGEST_DELAY = 32  # packets between a picture's own and the one that brings it out; H.264 and HEVC allow 16
_DAMAGED = "damaged: it cannot be decoded without error"
_PREDICTED = "damaged: predicted from a frame that cannot be decoded"
_UNDECODED = "damaged: no picture comes out of it"  # an error costs the one picture that was about to come out
_CUT = "the file ends before this frame"
_NO_FRAME = "no such frame"

_Outcome = tuple[int, VideoFrame | str]
"""A packet's index, or a frame's number, and its picture or why there is none."""


@dataclass(frozen=True)
class Packets:
    """What demuxing tells of a video's frames.

    `numbers` is the frame number of each packet in the file's order, -1 where it is not shown, or None where the
    timestamps cannot tell and the order in which the decoder gives pictures out must. `seconds` is the time of each
    frame number since the first, empty where unknown. `frames` counts frames, with those that the container's index
    lists and the file lacks.
    """

    numbers: list[int] | None
    seconds: list[float]
    frames: int


def pictures(path: str, wanted: Sequence[int]) -> Iterator[_Outcome]:
    """The decoded picture of each wanted frame number, ascending, or why there is none.

    Raises:
        SampleError: as `demuxed`.
    """
    packets = demuxed(path)
    for number, picture in _ascending(_numbered(path, packets, wanted), wanted):
        yield number, picture if number < packets.frames else _NO_FRAME


def demuxed(path: str) -> Packets:
    """What a file's packets tell.

    Raises:
        SampleError: the file cannot be opened or has no video. The message names no path.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise SampleError(f"cannot be read: {error.strerror}") from error
    if status.st_size == 0:
        raise SampleError("the file is empty")
    return _demuxed_file(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1)
def _demuxed_file(path: str, size: int, modified: int) -> Packets:
    """Kept for one file: its frames are counted just before they are read."""
    times: list[int | None] = []
    shown = []
    with _opened(path) as (container, stream):
        for packet in _packets(container, stream):
            times.append(packet.pts)
            shown.append(not packet.is_discard)
        listed = stream.index_entries
        cut = max(0, sum(entry.size > 0 for entry in listed) - len(times)) if len(listed) > len(times) else 0
        reorders = bool(stream.codec_context.has_b_frames)
        time_base = stream.time_base
    if not any(shown):
        raise SampleError("no video frame in the file")
    frames = sum(shown) + cut
    if frames > _MOST_FRAMES:
        raise SampleError(f"{frames} frames, and at most {_MOST_FRAMES} have a number: split the video")
    stamps = [time for time, visible in zip(times, shown, strict=True) if visible and time is not None]
    seconds = []
    if len(stamps) == sum(shown) and time_base is not None:
        first = min(stamps)
        seconds = [round(float((stamp - first) * time_base), 6) for stamp in sorted(stamps)]
    return Packets(_ranks(times, shown, reorders), seconds, frames)


def _ranks(times: list[int | None], shown: list[bool], reorders: bool) -> list[int] | None:
    """The frame number of each packet by timestamp, -1 where it is not shown; None where timestamps cannot tell.

    They cannot where one is missing or given twice, nor where the codec reorders pictures while timestamps follow the
    file's order: containers without presentation times (AVI) count packets instead.
    """
    order = [(time, index) for index, (time, visible) in enumerate(zip(times, shown, strict=True)) if visible]
    stamps = [time for time, _ in order if time is not None]
    if len(set(stamps)) < len(order):
        return None
    if reorders and stamps == sorted(stamps):
        return None
    numbers = [-1] * len(times)
    for number, index in enumerate(index for _, index in sorted(order, key=lambda pair: pair[0] or 0)):
        numbers[index] = number
    return numbers


@contextmanager
def _opened(path: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    av.logging.set_level(None)
    try:
        # An absolute path is never taken for a protocol, and a playlist in disguise opens nothing from the network.
        container = av.open(os.path.abspath(path), options={"protocol_whitelist": "file"})
    except av.FFmpegError as error:
        _check_readable(path)
        reason = f"FFmpeg cannot open it ({error.strerror}): cut short, damaged, or not a video"
        raise SampleError(reason) from error
    with container:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise SampleError("no video stream in the file")
        stream = streams[0]
        context = stream.codec_context
        if context is None:
            raise SampleError("FFmpeg has no decoder for its video")
        check_pixels(context.width, context.height)
        stream.thread_type = "NONE"
        stream.thread_count = 1
        # Without `explode` FFmpeg fills damaged pictures with a guess and passes them off as decoded.
        context.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
        yield container, stream


def _check_readable(path: str) -> None:
    """Raises UserError where it is the disk that fails: while it looks for an index, FFmpeg calls that invalid data."""
    try:
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass
    except OSError as error:
        check_machine(error, path)


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """The stream's packets, up to where the container is damaged."""
    try:
        for packet in container.demux(stream):
            if packet.size:  # the last one is empty and means the end
                yield packet
    except av.InvalidDataError:
        _check_readable(container.name)
        return
    except av.FFmpegError as error:  # a disk that fails has not cut the file short
        raise SampleError(f"cannot be read to its end: {error.strerror}") from error


def _numbered(path: str, packets: Packets, wanted: Sequence[int]) -> Iterator[_Outcome]:
    """Frames by number, nearly in order; of what is wanted, each at most once."""
    if packets.numbers is not None:
        numbers = packets.numbers
        needed = frozenset(wanted)
        wanted_packets = {index for index, number in enumerate(numbers) if number in needed}
        for index, picture in _decoded(path, wanted_packets, numbers):
            yield numbers[index], picture
        return
    yield from _counted(_decoded(path, None, None))


def _counted(outcomes: Iterable[_Outcome]) -> Iterator[_Outcome]:
    """Numbers by the order in which pictures come out; a lost one leaves the number free that its packet suggests."""
    shown = following = 0
    lost: list[int] = []
    reason = _UNDECODED
    for index, picture in outcomes:
        if isinstance(picture, str):
            insort(lost, index)
            reason = picture
            continue
        number = max(following, shown + bisect(lost, index))
        yield from ((gap, reason) for gap in range(following, number))
        yield number, picture
        shown, following = shown + 1, number + 1
    yield from ((gap, reason) for gap in range(following, shown + len(lost)))


def _ascending(outcomes: Iterable[_Outcome], wanted: Sequence[int]) -> Iterator[_Outcome]:
    """Exactly the wanted numbers, ascending; those that never come are cut off or were lost."""
    waiting = sorted(set(wanted), reverse=True)
    came: dict[int, VideoFrame | str] = {}
    needed = set(waiting)
    if not waiting:
        return
    for number, picture in outcomes:
        if number in needed:
            came.setdefault(number, picture)
        while waiting and waiting[-1] in came:
            needed.discard(waiting[-1])
            yield waiting[-1], came.pop(waiting.pop())
        if not waiting:
            return
    while waiting:
        number = waiting.pop()
        yield number, came.pop(number, _CUT)


def _decoded(path: str, wanted: set[int] | None, numbers: list[int] | None) -> Iterator[_Outcome]:
    """Pictures by the index of their packet, as the decoder gives them out, and why others are lost.

    With `wanted`, only these packets have an outcome, and a picture that no other is predicted from is decoded only
    if it is one of them. After an error nothing is decoded up to the next key frame, nor what is presented before
    that key frame: those pictures are predicted from the lost one.
    """
    due: dict[int, None] = {}  # packets whose picture has not come out yet, in the file's order
    broken = False
    sound_from = 0
    with _opened(path) as (container, stream):
        context = stream.codec_context
        for index, packet in enumerate(chain(_packets(container, stream), [None])):
            if packet is not None:
                if broken and packet.is_keyframe:
                    broken, sound_from = False, numbers[index] if numbers else 0
                awaited = index in wanted if wanted is not None else not packet.is_discard
                if broken or (numbers and 0 <= numbers[index] < sound_from):
                    if awaited:
                        yield index, _PREDICTED
                    continue
                if awaited:
                    due[index] = None
                if wanted is not None:
                    context.skip_frame = "DEFAULT" if index in wanted else "NONREF"
                packet.pts = packet.dts = index  # the decoder hands it on to the picture
            frames, sound = _pictures(context, packet, index)
            broken = sound <= index
            for frame in frames:
                if frame.pts in due:
                    del due[frame.pts]
                    yield frame.pts, frame if frame.pts < sound else _DAMAGED
            overdue = index if broken or packet is None else index - _LONGEST_DELAY
            for late in [one for one in due if one <= overdue]:
                del due[late]
                yield late, _DAMAGED if broken and late >= sound else _UNDECODED


def _pictures(context: VideoCodecContext, packet: av.Packet | None, index: int) -> tuple[list[VideoFrame], int]:
    """What the decoder gives out for a packet (None: the end), and from which packet on that is not sound.

    After an error the decoder is emptied and starts anew.
    """
    sound = index + 1
    frames = []
    try:
        if packet is not None and packet.is_corrupt:
            sound = index
        else:
            frames = context.decode(packet)
    except av.FFmpegError:
        sound = index
    sound = min([sound, *(index if frame.pts is None else frame.pts for frame in frames if frame.is_corrupt)])
    if packet is not None and sound <= index:
        with suppress(av.FFmpegError):
            frames += context.decode(None)
        context.flush_buffers()
    return frames, sound
