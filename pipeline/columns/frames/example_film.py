"""A film with all that the filters look for, made of rendered scenes, and what is in it: to try and to draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.shards.files import atomic
from pipeline.sources.synthetic import SOURCE, SyntheticOptions

HEIGHT, WIDTH, RATE = 192, 256, 25
LASTS, FADES, DARK = 30, 10, 10  # frames of a scene, of a fade, of the black between two
FLASH = 45  # one white frame in the second scene
STEP = 16  # pixels a frame of the fast pan

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Film:
    """Pictures `(H, W, 3)` uint8, and the truth: frames that start a scene, black frames, frames of what never moves
    (without the first), and frames where only a spot of it moves.
    """

    pictures: list[Picture]
    cuts: list[int]
    black: range
    frozen: range
    still: range


def film() -> Film:
    """Renders a film with all that the filters look for.

    Two scenes, a flash in the second; a fade to black and out of it; a slide; a spot that moves; a fast pan.
    """
    first, second, third, other = (_scene(index) for index in range(4))
    second[FLASH - LASTS] = np.full_like(second[0], 255)
    level = (np.arange(FADES) + 1) / (FADES + 1)
    fading = [*second, *_dimmed(second[-FADES:], level[::-1])]
    black = [np.zeros_like(first[0])] * DARK
    rising = [*_dimmed(third[:FADES], level), *third[FADES:]]
    slide = [other[0]] * LASTS
    spot = [_with_spot(first[-1], 4 * number) for number in range(LASTS)]
    wide = np.concatenate([third[0], second[0], other[0]], axis=1)
    pan = [np.ascontiguousarray(wide[:, STEP * number : STEP * number + WIDTH]) for number in range(LASTS)]
    starts = np.cumsum([len(part) for part in (first, fading, black, rising, slide, spot)]).tolist()
    return Film(
        pictures=[*first, *fading, *black, *rising, *slide, *spot, *pan],
        cuts=[starts[0], *starts[2:]],
        black=range(starts[1], starts[2]),
        frozen=range(starts[3] + 1, starts[4]),
        still=range(starts[4], starts[5]),
    )


def write_film(path: Path, pictures: Sequence[Picture]) -> Path:
    """Writes pictures of one size as H.264 in MP4, 25 a second."""
    with atomic(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _scene(index: int) -> list[Picture]:
    options = SyntheticOptions(videos=index + 1, frames=LASTS, height=HEIGHT, width=WIDTH, speed=8, seed=5)
    video = SOURCE.videos(options, "")[index]
    return [frame.image for frame in SOURCE.read(video, range(LASTS)) if hasattr(frame, "image")]


def _dimmed(pictures: Sequence[Picture], levels: NDArray[np.float64]) -> list[Picture]:
    return [np.rint(picture * level).astype(np.uint8) for picture, level in zip(pictures, levels, strict=True)]


def _with_spot(picture: Picture, left: int) -> Picture:
    return np.asarray(cv2.circle(picture.copy(), (40 + left, HEIGHT // 2), 14, (235, 190, 30), -1, cv2.LINE_AA))
