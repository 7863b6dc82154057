"""Video files, in any container and codec that FFmpeg reads: their frames in RGB, upright."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError
from pipeline.option import option
from pipeline.sources.decoding import pictures
from pipeline.sources.demuxing import demuxed
from pipeline.sources.listing import Paths, as_videos, check_paths, file_state, find
from pipeline.sources.reading import MAX_PIXELS, check_pixels, of_one_size
from pipeline.sources.source import Frame, Source, Unreadable

_EXACT = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
)  # the same pixels on every machine; the fast path is off by a grey level besides
_BT601 = (2, 5, 6)  # AVColorSpace: unspecified, BT.470 BG, SMPTE 170M; FFmpeg too takes the first for the others
_TICK = Fraction(1, 25)  # of a single picture, whose time counts for nothing
_LIMITED = (0, 1)  # AVColorRange: unspecified, limited


@dataclass(frozen=True)
class VideosOptions:
    """Where the files are."""

    path: Paths = option(help="a glob of files, a `.txt` file that lists them, or a list of these", minItems=1)
    license: str | None = option(None, "carried into the catalog")

    def __post_init__(self) -> None:
        check_paths(self.path)


def _videos(options: VideosOptions, where: str) -> list[Video]:
    return as_videos(find(options.path, where), "videos", options.license, where)


def _numbers(video: Video) -> Sequence[int]:
    return range(demuxed(video.uri).frames)


def _read(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    return of_one_size(_frames(video.uri, wanted))


def _deinterlaced(video: Video, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    return of_one_size(_frames(video.uri, wanted, deinterlace=True))


def _frames(path: str, wanted: Sequence[int], deinterlace: bool = False) -> Iterator[Frame | Unreadable]:
    packets = demuxed(path)
    seconds = dict(enumerate(packets.seconds))
    reformatter = VideoReformatter()
    for number, picture in pictures(path, wanted):
        if isinstance(picture, str):
            yield Unreadable(number, picture)
        else:
            yield _shown(picture, number, seconds.get(number), packets.aspect, deinterlace, reformatter)


def _shown(
    picture: VideoFrame,
    number: int,
    seconds: float | None,
    aspect: Fraction | None,
    deinterlace: bool,
    reformatter: VideoReformatter,
) -> Frame | Unreadable:
    """A picture in RGB, turned and mirrored as the file says."""
    try:
        check_pixels(picture.width, picture.height)
        image = _rgb(_of_fields(picture) if deinterlace and picture.interlaced_frame else picture, reformatter)
    except SampleError as error:
        return Unreadable(number, str(error))
    except (av.FFmpegError, ValueError):
        return Unreadable(number, f"pixels of format {picture.format.name} cannot be converted to RGB")
    turned, right, down = _orientation(picture)
    upright = image.swapaxes(0, 1) if turned else image
    upright = np.ascontiguousarray(upright[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])
    height, width = image.shape[0], max(1, round(image.shape[1] * (aspect or 1)))
    if aspect is None or height * width > MAX_PIXELS:
        return Frame(number, seconds, upright)
    return Frame(number, seconds, upright, (width, height) if turned else (height, width))


def _orientation(picture: VideoFrame) -> tuple[bool, int, int]:
    """Whether rows become columns, and whether the picture then runs right and down or, below zero, the other way.

    As `ffmpeg` shows it, in quarter turns. The matrix makes x ax + cy and y bx + dy: FFmpeg's libavutil/display.h.
    """
    matrix: Any = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, 1, 1
    a, b, _, c, d, *_ = memoryview(matrix).cast("B").cast("i")
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    return (True, c, b) if turned else (False, a, d)


def _of_fields(picture: VideoFrame) -> VideoFrame:
    """A picture whose second field is made anew from the first, along edges: FFmpeg's filter `estdif`.

    It looks at no other frame, so a frame is the same whatever else is read.
    """
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=_TICK),
        graph.add("estdif", "mode=frame:deint=interlaced"),
        graph.add("buffersink"),
    ).configure()
    picture.pts, picture.time_base = 0, _TICK
    graph.push(picture)
    graph.push(None)
    made = graph.pull()
    assert isinstance(made, VideoFrame)
    return made


def _rgb(picture: VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    even = picture.width % 2 == 0 and picture.height % 2 == 0
    usual = picture.colorspace in _BT601 and picture.color_range in _LIMITED
    if picture.format.name == "yuv420p" and even and usual:  # most videos, and ten times faster
        return np.asarray(cv2.cvtColor(picture.to_ndarray(), cv2.COLOR_YUV2RGB_I420), np.uint8)
    converted = reformatter.reformat(picture, format="rgb24", interpolation=_EXACT, threads=1)
    return np.asarray(converted.to_ndarray(), np.uint8)


SOURCE = Source(
    name="videos",
    options=VideosOptions,
    videos=_videos,
    numbers=_numbers,
    read=_read,
    truth=None,
    select={"every": 5},
    state=lambda video: file_state(video.uri),
    within=lambda video: "",
    deinterlaced=_deinterlaced,
)
