"""Video files, in any container and codec that FFmpeg reads: their frames in RGB, upright."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError
from pipeline.option import option
from pipeline.sources.decoding import pictures
from pipeline.sources.demuxing import demuxed
from pipeline.sources.listing import Paths, as_videos, check_paths, file_state, find
from pipeline.sources.reading import check_pixels, of_one_size
from pipeline.sources.source import Frame, Source, Unreadable

_EXACT = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
)  # the same pixels on every machine; the fast path is off by a grey level besides
_BT601 = (2, 5, 6)  # AVColorSpace: unspecified, BT.470 BG, SMPTE 170M; FFmpeg too takes the first for the others
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


def _frames(path: str, wanted: Sequence[int]) -> Iterator[Frame | Unreadable]:
    seconds = dict(enumerate(demuxed(path).seconds))
    reformatter = VideoReformatter()
    for number, picture in pictures(path, wanted):
        if isinstance(picture, str):
            yield Unreadable(number, picture)
        else:
            yield _shown(picture, number, seconds.get(number), reformatter)


def _shown(
    picture: VideoFrame, number: int, seconds: float | None, reformatter: VideoReformatter
) -> Frame | Unreadable:
    """A picture in RGB, turned and mirrored as the file says."""
    try:
        check_pixels(picture.width, picture.height)
        image = _rgb(picture, reformatter)
    except SampleError as error:
        return Unreadable(number, str(error))
    except (av.FFmpegError, ValueError):
        return Unreadable(number, f"pixels of format {picture.format.name} cannot be converted to RGB")
    return Frame(number, seconds, np.ascontiguousarray(_upright(image, picture)))


def _upright(image: NDArray[np.uint8], picture: VideoFrame) -> NDArray[np.uint8]:
    """A picture as its display matrix has it, of which quarter turns and mirrorings count, as `ffmpeg` shows them.

    The matrix takes x to ax + cy and y to bx + dy: FFmpeg's libavutil/display.h.
    """
    matrix: Any = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d, *_ = memoryview(matrix).cast("B").cast("i")
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, right, down = image.swapaxes(0, 1), c, b
    else:
        right, down = a, d
    return image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]


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
)
