"""Decoding a video file with FFmpeg: the pictures of the frames that are wanted.

A file is read twice, in order and never by seeking: demuxed alone, which is cheap and tells how many frames there are
and how their timestamps order them; then decoded up to the last frame wanted. One thread: a job is a shard's.
"""

from bisect import bisect, insort
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from pipeline.sources.demuxing import Packets, demuxed, opened
from pipeline.sources.demuxing import packets as packets_of

_LONGEST_DELAY = 32  # packets between a picture's own and the one that brings it out; H.264 and HEVC allow 16
_DAMAGED = "damaged: it cannot be decoded without error"
_PREDICTED = "damaged: predicted from a frame that cannot be decoded"
_UNDECODED = "damaged: no picture comes out of it"  # an error costs the one picture that was about to come out
_CUT = "the file ends before this frame"
_NO_FRAME = "no such frame"

_Outcome = tuple[int, VideoFrame | str]
"""A packet's index, or a frame's number, and its picture or why there is none."""


def pictures(path: str, wanted: Sequence[int]) -> Iterator[_Outcome]:
    """Yields the decoded picture of each wanted frame number, ascending, or why there is none.

    Raises:
        SampleError: as `demuxed`.
    """
    packets = demuxed(path)
    for number, picture in _ascending(_numbered(path, packets, wanted), wanted):
        yield number, picture if number < packets.frames else _NO_FRAME


def _numbered(path: str, packets: Packets, wanted: Sequence[int]) -> Iterator[_Outcome]:
    """Frames by number, nearly in order; of what is wanted, each at most once."""
    if packets.numbers is not None:
        numbers = packets.numbers
        needed = frozenset(wanted)
        wanted_packets = {index for index, number in enumerate(numbers) if number in needed}
        for index, picture in _decoded(path, packets, wanted_packets):
            yield numbers[index], picture
        return
    yield from _counted(_decoded(path, packets, None))


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


def _decoded(path: str, packets: Packets, wanted: set[int] | None) -> Iterator[_Outcome]:
    """Pictures by the index of their packet, as the decoder gives them out, and why others are lost.

    With `wanted`, only these packets have an outcome, and a picture that no other is predicted from is decoded only
    if it is one of them. After an error nothing is decoded up to the next key frame, nor what is presented before
    that key frame: those pictures are predicted from the lost one. A picture in two fields goes by its first one, and
    each recording is decoded by itself.
    """
    numbers, seconds, starts = packets.numbers, packets.second_fields, frozenset(packets.starts)
    fields = 2 if seconds else 1
    # What FFmpeg says of the end of a recording is that the next one does not count on from it.
    ends = {start - back for start in starts for back in range(1, 2 * fields + 1)}
    due: dict[int, None] = {}  # packets whose picture has not come out yet, in the file's order
    broken = False
    sound_from = 0
    with opened(path, packets.stream) as (container, stream):
        context = stream.codec_context
        for index, packet in enumerate(chain(packets_of(container, [stream]), [None])):
            first = index - 1 if index in seconds else index
            if index in starts:
                yield from _drained(context, due)
                broken = True
            if packet is not None:
                if broken and packet.is_keyframe and first == index:
                    broken, sound_from = False, numbers[index] if numbers else 0
                awaited = first == index and (index in wanted if wanted is not None else not packet.is_discard)
                if broken or (numbers and 0 <= numbers[first] < sound_from):
                    if awaited:
                        yield index, _PREDICTED
                    continue
                if awaited:
                    due[index] = None
                if wanted is not None:
                    context.skip_frame = "DEFAULT" if first in wanted else "NONREF"
                packet.pts = packet.dts = index  # the decoder hands it on to the picture
            trusted = packet is None or not packet.is_corrupt or index in ends
            frames, sound = _pictures(context, packet, index, first) if trusted else (_rest(context), first)
            broken = sound <= index
            for frame in frames:
                if frame.pts in due:
                    del due[frame.pts]
                    yield frame.pts, frame if frame.pts < sound else _DAMAGED
            overdue = index if broken or packet is None else index - fields * _LONGEST_DELAY
            for late in [one for one in due if one <= overdue]:
                del due[late]
                yield late, _DAMAGED if broken and late >= sound else _UNDECODED


def _drained(context: VideoCodecContext, due: dict[int, None]) -> Iterator[_Outcome]:
    """What is still to come of a recording."""
    for frame in _rest(context):
        if frame.pts in due:
            del due[frame.pts]
            yield frame.pts, _DAMAGED if frame.is_corrupt else frame
    yield from ((late, _UNDECODED) for late in due)
    due.clear()


def _pictures(
    context: VideoCodecContext, packet: av.Packet | None, index: int, first: int
) -> tuple[list[VideoFrame], int]:
    """What the decoder gives out for a packet (None: the end), and from which packet on that is not sound.

    After an error the decoder is emptied and starts anew. `first` is the packet that the picture began with.
    """
    sound = index + 1
    frames = []
    try:
        frames = context.decode(packet)
    except av.FFmpegError:
        sound = first
    sound = min([sound, *(first if frame.pts is None else frame.pts for frame in frames if frame.is_corrupt)])
    if packet is not None and sound <= index:
        frames += _rest(context)
    return frames, sound


def _rest(context: VideoCodecContext) -> list[VideoFrame]:
    """The pictures that the decoder still has. Then it starts anew."""
    frames = []
    with suppress(av.FFmpegError):
        frames = context.decode(None)
    context.flush_buffers()
    return frames
