"""Animations as files, in memory."""

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from common_fate.pictures import Picture
from trainers.mp4 import mp4_bytes
from trainers.page.pictures import shrunk

GIF_SIDE = 480
"""The longer side of a GIF, pixels: it has no prediction from frame to frame, and grows with each pixel."""
GIF_FRAMES = 100


def there_and_back(frames: Sequence[Picture]) -> list[Picture]:
    """Returns frames, then those between the last and the first backwards, so that they can be played in a circle."""
    return [*frames, *frames[-2:0:-1]]


def film_bytes(kind: str, frames: Sequence[Picture], speed: float) -> bytes:
    """Returns frames `(H, W, 3)` as a file, `mp4` or `gif`, at `speed` frames a second."""
    return mp4_bytes(frames, speed) if kind == "mp4" else gif_bytes(frames, speed)


def gif_bytes(frames: Sequence[Picture], speed: float) -> bytes:
    """Returns frames `(H, W, 3)` as a GIF that runs in a circle, at `speed` frames a second, at most 50.

    It is no larger than `GIF_SIDE`, and has at most `GIF_FRAMES` frames: of more, every second is left out, or more.
    """
    step = math.ceil(len(frames) / GIF_FRAMES)
    images = [Image.fromarray(shrunk(frame, GIF_SIDE)) for frame in frames[::step]]
    # One palette, and no dithering: what stands still would flicker with them.
    palette = Image.fromarray(np.vstack([shrunk(frames[0], GIF_SIDE), shrunk(frames[-1], GIF_SIDE)])).quantize(256)
    drawn = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    ends = [round(100 * step * (i + 1) / speed) for i in range(len(drawn))]  # hundredths of a second, as GIF counts
    lasts = [10 * (end - start) for start, end in zip([0, *ends], ends, strict=False)]
    buffer = io.BytesIO()
    drawn[0].save(buffer, "GIF", save_all=True, append_images=drawn[1:], duration=lasts, loop=0, disposal=1)
    return buffer.getvalue()
