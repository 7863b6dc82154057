"""Named points over a picture: a disc each, in a colour of its own, beside its name where there are few."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from common_fate.pictures.arrows import OUTLINE
from common_fate.pictures.flow_colors import Picture
from common_fate.pictures.labels import label_colors

_SIDE = 384  # pixels: smaller pictures are enlarged to it, or discs would hide what they lie on
_MOST_NAMED = 20  # points: more names would hide the picture
_LONGEST = 24  # letters of a name
_BITS = 4  # OpenCV takes coordinates in sixteenths of a pixel


def draw_points(image: Picture, points: NDArray[np.float32], names: Sequence[str] = ()) -> Picture:
    """Draws named points as discs whose colours follow from their rows; hidden ones are rings.

    Args:
        image: `(H, W, 3)`; it is left as it is. The picture is a whole number of times as large where it is small.
        points: `(N, 3)`: y, x, and 1 where visible. Hidden ones at 0, 0 are not known, and not drawn.
        names: of the points, none or N; written where there are 20 at most.
    """
    times = max(1, -(-_SIDE // max(image.shape[:2])))
    height, width = times * image.shape[0], times * image.shape[1]
    canvas: Picture = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC) if times > 1 else image.copy()
    unit = max(height, width) / 240 / (1 if len(points) <= 20 else 1.5)
    colors = label_colors(np.arange(1, len(points) + 1)[None])[0].tolist()
    known = (points[:, 2] > 0) | points[:, :2].any(axis=1)
    places = np.clip((points[:, :2] + 0.5) * times - 0.5, -1e4, 1e4)  # OpenCV overflows far outside
    for (y, x), visible, color in zip(places[known], points[known, 2] > 0, np.array(colors)[known], strict=True):
        at = [round(float(x) * 2**_BITS), round(float(y) * 2**_BITS)]
        for grow, shade in ((unit, OUTLINE), (0, color.tolist())):
            radius = round(((2.6 if visible else 3.4) * unit + (grow if visible else 0)) * 2**_BITS)
            thickness = -1 if visible else max(1, round(unit + 1.4 * grow))
            cv2.circle(canvas, at, radius, shade, thickness, cv2.LINE_AA, _BITS)
    if 0 < len(names) <= _MOST_NAMED:
        rows = np.flatnonzero(known).tolist()
        return _with_names(canvas, [(names[row], places[row], colors[row]) for row in rows], 4 * unit)
    return canvas


def _with_names(
    canvas: Picture, written: Sequence[tuple[str, NDArray[np.float32], list[int]]], apart: float
) -> Picture:
    """Names beside their places, away from the middle of all where there is room: most things are symmetric."""
    picture = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(max(11, round(2 * apart)))
    middle = np.mean([place[1] for _, place, _ in written]) if written else 0
    for name, place, color in written:
        shown = "".join(letter if letter.isprintable() else " " for letter in name[:_LONGEST])
        y, x = map(float, place)
        room = apart + font.getlength(shown)
        rightwards = x + room < canvas.shape[1] if x >= middle else x - room < 0
        at = (x + (apart if rightwards else -apart), y)
        anchor = "lm" if rightwards else "rm"
        draw.text(at, shown, tuple(color), font, anchor, stroke_width=2, stroke_fill=OUTLINE)
    return np.asarray(picture)
