"""What a video file's packets tell, without decoding them: which frames there are, in which order, at which times.

Frames are those that `ffmpeg` shows, in its order: of the stream that it chooses, the two fields of a picture as one
frame, and recordings that were joined one after the other, whatever their clocks say.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from statistics import median_low

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from common_fate.errors import SampleError, check_machine
from pipeline.sources.h264 import SecondFields
from pipeline.sources.reading import MAX_PIXELS, check_pixels

_CONTAINERS = (
    *("mov", "matroska", "avi", "asf", "asf_o", "flv", "live_flv", "kux", "ogg", "rm", "ivr", "nut", "nsv", "nuv"),
    *("mpegts", "mpeg", "mpegvideo", "m4v", "pva", "wtv", "ty", "dv", "mxf", "gxf", "lxf", "dhav", "cine", "ser"),
    *("h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "ivf", "evc", "vc1", "vc1test", "dirac", "dnxhd", "r3d"),
    *("cavsvideo", "avs2", "avs3", "mjpeg", "mjpeg_2000", "mxg", "yuv4mpegpipe", "gif", "apng", "jpegxl_anim"),
    *("swf", "flic", "smk", "bink", "roq"),
)
"""What FFmpeg may take a file for: containers and streams of video, each whole in its one file.

Left out are playlists and lists (hls, dash, concat, imf), descriptions of streams (sdp), images and patterns of images
(which read their siblings), texts and subtitles (which FFmpeg would render), raw pixels and devices.
"""

_MOST_FRAMES = 1_000_000  # a key has six digits
_MOST_STREAMS = 64  # of video: to learn what a file holds, FFmpeg decodes some of each
_MOST_PIXELS = 4 * MAX_PIXELS  # of these together
_STILL = Disposition.timed_thumbnails | Disposition.still_image
_DEFAULT = 5_000_000  # pixels that being the default stream outweighs in `ffmpeg`'s choice
_JUMPING = 0x200  # AVFMT_TS_DISCONT: of containers whose clock may jump
_JITTER = 1  # seconds that a clock may go back within one recording
_LEAP = 10  # seconds that such a clock goes forward to a key frame at most, within one: `ffmpeg`'s own threshold
_LONGEST_PAUSE = 3600  # seconds between two recordings that are believed


@dataclass(frozen=True)
class Packets:
    """What demuxing tells of a video's frames.

    `stream` is the index of the stream that is shown. `numbers` is the frame number of each of its packets in the
    file's order, -1 where it is not shown or adds to the one before it, or None where the timestamps cannot tell and
    the order in which the decoder gives pictures out must. `seconds` is the time of each frame number since the first,
    empty where unknown. `frames` counts frames, with those that the container's index lists and the file lacks.
    `second_fields` has the packets that complete the picture of the one before, `starts` those that another recording
    begins with. `aspect` is the width of a pixel over its height, None where they are square or nothing says.
    """

    stream: int
    numbers: list[int] | None
    seconds: list[float]
    frames: int
    second_fields: frozenset[int] = frozenset()
    starts: tuple[int, ...] = ()
    aspect: Fraction | None = None


@dataclass
class _Track:
    """A stream's packets as they come: what there is to know of each, by its place in the file."""

    fields: SecondFields | None
    presented: list[int | None] = field(default_factory=list)
    decoded: list[int | None] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    second_fields: set[int] = field(default_factory=set)

    def add(self, packet: av.Packet) -> None:
        if self.fields is not None and self.fields.is_second(bytes(packet)):
            self.second_fields.add(len(self.keys))
        if packet.is_discard:
            self.hidden.add(len(self.keys))
        self.presented.append(packet.pts)
        self.decoded.append(packet.dts)
        self.keys.append(packet.is_keyframe)

    def shown(self, among: Sequence[int]) -> list[int]:
        """Those of the packets that bring a frame."""
        return [index for index in among if index not in self.hidden and index not in self.second_fields]


def demuxed(path: str) -> Packets:
    """Returns what a file's packets tell.

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
    _check_streams(path)
    with _opened(path) as container:
        streams = _candidates(container)
        tracks = {stream.index: _Track(_fields_of(stream)) for stream in streams}
        for packet in packets(container, streams):
            tracks[packet.stream_index].add(packet)
        stream = _chosen(streams, tracks)
        chosen = stream.index
        track = tracks[chosen]
        check_pixels(stream.codec_context.width, stream.codec_context.height)
        listed = stream.index_entries
        came = len(track.keys)
        missing = max(0, sum(entry.size > 0 for entry in listed) - came) if len(listed) > came else 0
        reorders = bool(stream.codec_context.has_b_frames)
        time_base = stream.time_base
        aspect = stream.sample_aspect_ratio
        jumping = bool(container.format.flags & _JUMPING)
    shown = track.shown(range(len(track.keys)))
    if not shown:
        raise SampleError("no video frame in the file")
    frames = len(shown) + (missing // 2 if track.second_fields else missing)
    if frames > _MOST_FRAMES:
        raise SampleError(f"more than {_MOST_FRAMES} frames, and no more have a number: split the video")
    starts = _starts(track, time_base, jumping)
    recordings = [track.shown(range(*part)) for part in pairwise([0, *starts, len(track.keys)])]
    return Packets(
        chosen,
        _ranks(track.presented, recordings, reorders),
        _seconds(track.presented, recordings, time_base),
        frames,
        frozenset(track.second_fields),
        starts,
        aspect if aspect and aspect > 0 and aspect != 1 else None,
    )


@contextmanager
def opened(path: str, index: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Yields a file and its stream of that index, to be decoded in one thread.

    Raises SampleError where it cannot be opened.
    """
    with _opened(path) as container:
        stream = next((one for one in container.streams.video if one.index == index), None)
        if stream is None:
            raise SampleError("no video stream in the file")
        check_pixels(stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "NONE"
        stream.thread_count = 1
        # Without `explode` FFmpeg fills damaged pictures with a guess and passes them off as decoded.
        stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
        yield container, stream


@contextmanager
def _opened(path: str, **options: str) -> Iterator[InputContainer]:
    av.logging.set_level(None)
    # An absolute path is never taken for a protocol, and a playlist in disguise opens nothing.
    options |= {"protocol_whitelist": "file", "format_whitelist": ",".join(_CONTAINERS), "max_pixels": str(MAX_PIXELS)}
    try:
        container = av.open(os.path.abspath(path), options=options)
    except av.ArgumentError as error:
        raise SampleError("not a video, but what FFmpeg takes for an image, a text, a playlist or the like") from error
    except av.FFmpegError as error:
        _check_readable(path)
        reason = f"FFmpeg cannot open it ({error.strerror}): cut short, damaged, or not a video"
        raise SampleError(reason) from error
    with container:
        yield container


def _check_streams(path: str) -> None:
    """Raises SampleError where a file has so many streams, or so large ones, that opening it would exhaust memory.

    That is found out without a decoder: FFmpeg tries each stream to see what it holds.
    """
    with _opened(path, codec_whitelist="none") as container:
        sizes = [(s.codec_context.width, s.codec_context.height) for s in container.streams.video if s.codec_context]
    if len(sizes) > _MOST_STREAMS:
        raise SampleError(f"more than {_MOST_STREAMS} streams of video")
    if len(sizes) > 1 and sum(width * height for width, height in sizes) > _MOST_PIXELS:
        raise SampleError(f"its streams of video have more than {_MOST_PIXELS} pixels together")


def _candidates(container: InputContainer) -> list[VideoStream]:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise SampleError("no video stream in the file")
    streams = [s for s in streams if s.codec_context is not None]
    if not streams:
        raise SampleError("FFmpeg has no decoder for its video")
    return streams


def _chosen(streams: Sequence[VideoStream], tracks: dict[int, _Track]) -> VideoStream:
    """The stream that `ffmpeg` takes: the default one, then the largest, then the first.

    Beside a film, a stream of a single packet is a picture of it: a cover that is not marked as one.
    """
    films = [one for one in streams if len(tracks[one.index].keys) > 1 and not one.disposition & _STILL] or streams

    def score(stream: VideoStream) -> int:
        pixels: int = stream.codec_context.width * stream.codec_context.height
        return pixels + (_DEFAULT if stream.disposition & Disposition.default else 0)

    return max(films, key=score)


def _fields_of(stream: VideoStream) -> SecondFields | None:
    context = stream.codec_context
    return SecondFields(context.extradata) if context.name == "h264" else None


def packets(container: InputContainer, streams: Sequence[VideoStream]) -> Iterator[av.Packet]:
    """Yields the streams' packets, up to where the container is damaged."""
    try:
        for packet in container.demux(*streams):
            if packet.size:  # the last one of a stream is empty and means the end
                yield packet
    except av.InvalidDataError:
        _check_readable(container.name)
        return
    except av.FFmpegError as error:  # a disk that fails has not cut the file short
        raise SampleError(f"cannot be read to its end: {error.strerror}") from error


def _check_readable(path: str) -> None:
    """Raises UserError where it is the disk that fails: while it looks for an index, FFmpeg calls that invalid data."""
    try:
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass
    except OSError as error:
        check_machine(error, path)


def _starts(track: _Track, time_base: Fraction | None, jumping: bool) -> tuple[int, ...]:
    """The packets that another recording begins with: files may be joined, and each has its own clock.

    One begins where the clock of decoding goes back, at a key frame that would be presented before what came earlier
    (none is, in one recording) or by more than jitter. Of a clock that jumps, the key frame alone tells, and so does
    a leap forward.
    """
    starts = []
    second = 1 / time_base if time_base else 0
    before = latest = None
    for index, (presented, decoded) in enumerate(zip(track.presented, track.decoded, strict=True)):
        key = track.keys[index] and index not in track.second_fields
        early = key and presented is not None and latest is not None and presented <= latest
        step = 0 if decoded is None or before is None else decoded - before
        back = step < 0 and (early or -step > _JITTER * second)
        jump = jumping and (early or step > (_LEAP if key else _LONGEST_PAUSE) * second > 0)
        if back or jump:
            starts.append(index)
            latest = None
        before = before if decoded is None else decoded
        latest = presented if latest is None else max(latest, presented or latest)
    return tuple(starts)


def _ranks(times: list[int | None], recordings: list[list[int]], reorders: bool) -> list[int] | None:
    """The frame number of each packet by timestamp, -1 where it is not shown; None where timestamps cannot tell.

    They cannot where one is missing or given twice, nor where the codec reorders pictures while timestamps follow the
    file's order: containers without presentation times (AVI) count packets instead.
    """
    ranked: list[int] = []
    follow = True
    for recording in recordings:
        stamps = {index: stamp for index in recording if (stamp := times[index]) is not None}
        if len(set(stamps.values())) < len(recording):
            return None
        inside = sorted(stamps, key=lambda index: stamps[index])
        follow = follow and inside == recording
        ranked += inside
    if reorders and follow:
        return None
    numbers = [-1] * len(times)
    for number, index in enumerate(ranked):
        numbers[index] = number
    return numbers


def _seconds(times: list[int | None], recordings: list[list[int]], time_base: Fraction | None) -> list[float]:
    """The time of each frame since the first, never going back; empty where unknown.

    A recording starts as long after the one before as its clock says, where that is an hour at most; else one frame
    after. (FFmpeg takes an earlier time for that of a clock of 33 bits which has run over.)
    """
    seconds: list[float] = []
    zero, end = 0, None  # in the clock of the recording: the time of the first frame of all, and of the last one so far
    frame = 0
    for recording in recordings:
        stamps = sorted(stamp for index in recording if (stamp := times[index]) is not None)
        if len(stamps) < len(recording) or time_base is None:
            return []
        if not stamps:
            continue
        if len(stamps) > 1:
            frame = median_low(later - earlier for earlier, later in pairwise(stamps))
        if end is None:
            zero = stamps[0]
        elif not 0 < (stamps[0] - end) * time_base <= _LONGEST_PAUSE:
            zero += stamps[0] - (end + frame)
        end = stamps[-1]
        seconds += [round(float((stamp - zero) * time_base), 6) for stamp in stamps]
    return seconds
