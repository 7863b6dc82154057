"""What the filters drop of a video, drawn: thumbnails in time, what is dropped, the curves that decide on cuts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from common_fate.pictures import Picture
from common_fate.pictures.sheet import DARK, GREY, WHITE
from pipeline.columns.flow.stage import STILL
from pipeline.columns.frames.filters import DARK as BLACK
from pipeline.columns.frames.filters import DUPLICATE, HEIGHT, LEAST_CHANGE, MOST_RATIO, PLAIN, WIDTH, Thumbnail

SHEET_WIDTH, MARGIN, TITLE, ROW, CURVE = 1200, 14, 30, 14, 90
LEFT = 170  # of what the rows are called
PALE, RED = (205, 210, 216), (214, 39, 40)
MOST_DIFFERENCE = 100.0  # grey levels at the top of the curve
COLOURS = {BLACK: (32, 33, 36), PLAIN: (150, 155, 160), DUPLICATE: (230, 140, 20), STILL: (40, 110, 200)}


@dataclass(frozen=True)
class Judged:
    """What is drawn of a video: all its frames' `numbers`, `differences`, `scores` and `thumbnails`, one for each.

    `cuts` are the frames that start a scene; `dropped` has frames by reason, for a pair its first.
    """

    title: str
    numbers: Sequence[int]
    differences: Sequence[float]
    scores: NDArray[np.float64]
    thumbnails: Sequence[Thumbnail]
    cuts: Collection[int]
    dropped: Mapping[str, Collection[int]]


def draw_filters(videos: Sequence[Judged]) -> Picture:
    """Draws a band for each video, `(H, 1200, 3)` uint8."""
    return np.concatenate([_band(video) for video in videos])


def _band(video: Judged) -> Picture:
    room = SHEET_WIDTH - LEFT - MARGIN
    strip, top = room // WIDTH, TITLE + HEIGHT + 8
    bottom = top + ROW * len(COLOURS) + 10 + CURVE
    band = Image.new("RGB", (SHEET_WIDTH, bottom + 2 * MARGIN), WHITE)
    draw = ImageDraw.Draw(band)
    step = room / max(1, len(video.numbers))
    place = {number: LEFT + step * at for at, number in enumerate(video.numbers)}
    draw.text((MARGIN, 8), video.title, DARK, _font(16))
    for slot in range(strip):
        middle = (slot + 0.5) * WIDTH / step
        image = Image.fromarray(video.thumbnails[min(len(video.numbers) - 1, int(middle))])
        band.paste(image, (LEFT + slot * WIDTH, TITLE))
    for row, (reason, colour) in enumerate(COLOURS.items()):
        y = top + ROW * row
        found = [place[number] for number in video.dropped.get(reason, ()) if number in place]
        draw.text((MARGIN, y - 2), f"{reason}: {len(video.dropped.get(reason, ()))}", GREY, _font(12))
        draw.line([(LEFT, y + 6), (LEFT + room, y + 6)], PALE)
        for x in found:
            draw.rectangle([x, y, x + max(2.0, step - 1), y + ROW - 4], colour)
    _draw_curves(draw, video, bottom, step)
    for number in video.cuts:
        draw.line([(place[number], TITLE - 4), (place[number], bottom)], RED, 2)
    return np.asarray(band)


def _draw_curves(draw: ImageDraw.ImageDraw, video: Judged, bottom: int, step: float) -> None:
    """The difference of each frame from the one before in grey; in red how much it looks like a cut, and the least."""
    end = LEFT + step * len(video.numbers)
    for text, line in ((f"scene cuts: {len(video.cuts)}", 0), ("difference (grey)", 1), ("score (red)", 2)):
        draw.text((MARGIN, bottom - CURVE + 16 * line), text, GREY, _font(12))
    for at, difference in enumerate(video.differences):
        height = CURVE * min(difference / MOST_DIFFERENCE, 1)
        draw.rectangle([LEFT + step * at, bottom - height, LEFT + step * (at + 1), bottom], PALE)
    level = bottom - _scaled(LEAST_CHANGE)
    for x in np.arange(LEFT, end, 8):
        draw.line([(x, level), (x + 4, level)], RED)
    draw.text((LEFT - 8, level), f"{LEAST_CHANGE:g}", RED, _font(11), anchor="rm")
    for at in np.flatnonzero(video.scores).tolist():
        x = LEFT + step * at
        draw.ellipse(
            [x - 3, bottom - _scaled(video.scores[at]) - 3, x + 3, bottom - _scaled(video.scores[at]) + 3], RED
        )
    draw.line([(LEFT, bottom), (end, bottom)], GREY)
    draw.text((LEFT, bottom + 3), f"frame {video.numbers[0]}", GREY, _font(11))
    draw.text((end, bottom + 3), f"{video.numbers[-1]}", GREY, _font(11), anchor="ra")


def _scaled(score: float) -> float:
    """Pixels above the axis, of a score from 0 to `MOST_RATIO`; its root, so that low ones are seen."""
    return CURVE * float(min(score / MOST_RATIO, 1)) ** 0.5


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
