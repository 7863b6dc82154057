"""A section of a video file: its packets, not decoded and not encoded anew."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import av.logging
from av.container import InputContainer, OutputContainer

from common_fate.errors import check_machine
from common_fate.shards.files import sync
from pipeline.downloads.policy import Gone


def cut(video: Path, to: Path, start: float, end: float) -> None:
    """Writes the pictures from the key frame at or before `start` up to `end` (seconds) to `to`, as Matroska.

    Raises:
        Gone: the video is none, or ends before the section begins.
        OSError, UserError: the disk is full, or fails.
    """
    av.logging.set_level(None)
    try:
        with (
            av.open(str(video.absolute()), options={"protocol_whitelist": "file"}) as source,
            to.open("wb") as file,
        ):
            # Without bitexact the muxer draws numbers at random.
            with av.open(file, "w", format="matroska", options={"fflags": "+bitexact"}) as target:
                pictures = _copy(source, target, start, end)
            sync(file)
    except (av.FFmpegError, ValueError) as error:
        check_machine(error, str(video))
        raise Gone("no video that FFmpeg can cut a section of") from error
    if not pictures:
        raise Gone("the video ends before the section begins")


def _copy(source: InputContainer, target: OutputContainer, start: float, end: float) -> int:
    """Copies packets, their times from 0 on; returns how many are of the section itself."""
    if not source.streams.video:
        raise ValueError("no video stream")
    stream = source.streams.video[0]
    base = stream.time_base
    if base is None or stream.codec_context is None:
        raise ValueError("a stream without times")
    copy = target.add_stream_from_template(stream)
    origin = stream.start_time or 0
    first, last = origin + round(start / base), origin + round(end / base)
    shift, pictures = None, 0
    for packet in _of_section(source.demux(stream), first, last):
        pictures += first <= packet.pts <= last
        shift = packet.dts if shift is None else shift
        packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
        target.mux(packet)
    return pictures


def _of_section(packets: Iterable[av.Packet], first: int, last: int) -> Iterator[av.Packet]:
    """The packets from the last key frame at or before `first` on. Not by seeking, which some containers do loosely."""
    waiting: list[av.Packet] = []
    horizon = last
    for packet in packets:
        if packet.dts is None or packet.pts is None:  # the empty one at the end
            continue
        if packet.is_keyframe and packet.pts <= first:
            waiting.clear()
        if packet.dts > horizon:
            break
        if packet.dts > last and packet.pts > horizon:
            continue
        # Stored before the end and shown after it: what is shown in between has to come, too.
        horizon = max(horizon, packet.pts)
        waiting.append(packet)
        if packet.dts > first:  # no other key frame comes that is shown before
            yield from waiting
            waiting.clear()
    yield from waiting
