"""What a source is: how its videos are listed, and how their frames are read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.catalog import Video
from pipeline.downloads.policy import DownloadPolicy


@dataclass(frozen=True)
class Frame:
    """A decoded frame: its number in the video, its time, and `image (H, W, 3)` uint8, RGB.

    `shown` is the height and width it is to be shown at, where its pixels are not square.
    """

    number: int
    seconds: float | None
    image: NDArray[np.uint8]
    shown: tuple[int, int] | None = None


@dataclass(frozen=True)
class Unreadable:
    """A frame that was asked for and could not be read, and why (no path, no time, no host: the record keeps it)."""

    number: int
    reason: str


@dataclass(frozen=True)
class Truth:
    """Ground truth of a pair of frames, at the size of the video's own frames.

    `flow (2, H, W)` float32 in pixels, from the first frame to the second; `valid (H, W)` bool, where the flow is
    known; `occlusion (H, W)` bool, pixels of the first frame not visible in the second; `objects (H, W)` uint8, 0 the
    background.
    """

    flow: NDArray[np.float32]
    valid: NDArray[np.bool_]
    occlusion: NDArray[np.bool_] | None = None
    objects: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Points:
    """Named points of a frame, at the size of the video's own frames.

    `size` is that height and width. `names` has N of them; where one begins with `left` or `right`, a mirrored image
    has it in place of the other. `rows (N, 3)` float32 are y and x in pixels, a pixel's centre at whole numbers, and 1
    where the point is visible; 0 where it is hidden, or not known at all: y and x are then 0.
    """

    size: tuple[int, int]
    names: tuple[str, ...]
    rows: NDArray[np.float32]


State = tuple[int | None, int]
"""A video's bytes, as the catalog has them, and the time stamps of its files, in nanoseconds and summed; 0 where it has
none."""


def _never_changes(video: Video) -> State:
    return video.bytes, 0


def _whole_uri(video: Video) -> str:
    return video.uri


@dataclass(frozen=True)
class Source:
    """A source kind.

    Args:
        name: as in `source.kind` of config.yaml.
        options: the frozen dataclass of the other keys under `source`.
        videos: `(options, where) -> videos`; `where` is the path of the key in config.yaml (`datasets.x.source`), for
            errors. Raises `UserError` where nothing matches or a folder cannot be read. Fast: opens no video.
        numbers: the frame numbers of a video in presentation order, ascending. Raises `SampleError` for a video
            without frames.
        read: yields the asked frames, ascending, decoding sequentially; a frame that cannot be had is `Unreadable`.
        truth: ground truth from one frame to another, or None where there is none.
        select: the frames taken when config.yaml does not say.
        state: what changes when a video does; of one that is gone, `(0, 0)`.
        within: what is left of a uri wherever its files lie.
        fetch: of videos on the web: brings one into the file that the path names, which holds what came of it
            before, if anything. Raises `Gone`, `Later` or `Blocked`. `numbers` and `read` are then those of the file,
            and the filters for web video are on where config.yaml does not say.
        masks: the labels of a frame, `(H, W)` uint8 at its own size, 0 the background and 255 void, or None where
            there are none.
        points: the named points of a frame, or None where there are none.
        single: whether a video is one image, and has no pairs.
        deinterlaced: as `read`, with interlaced frames made of one field; None where there are none.
    """

    name: str
    options: type[Any]
    videos: Callable[[Any, str], list[Video]]
    numbers: Callable[[Video], Sequence[int]]
    read: Callable[[Video, Sequence[int]], Iterator[Frame | Unreadable]]
    truth: Callable[[Video, int, int], Truth | None] | None
    select: Any
    state: Callable[[Video], State] = _never_changes
    within: Callable[[Video], str] = _whole_uri
    fetch: Callable[[Video, DownloadPolicy, Path], None] | None = None
    masks: Callable[[Video, int], NDArray[np.uint8] | None] | None = None
    points: Callable[[Video, int], Points | None] | None = None
    single: bool = False
    deinterlaced: Callable[[Video, Sequence[int]], Iterator[Frame | Unreadable]] | None = None
