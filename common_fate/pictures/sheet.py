"""Contact sheets: rows of pictures over their captions, under a title.

Arrays in, arrays out: pictures are `(H, W, 3)` uint8, RGB.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common_fate.pictures.flow_colors import Picture, as_picture

Tile = tuple[Picture, str]
"""A picture and its caption."""

DARK, GREY, WHITE = (32, 33, 36), (112, 117, 122), (255, 255, 255)
SHEET_WIDTH, TILE_WIDTH, GAP, TEXT_SIZE, LINE_HEIGHT = 1200, 384, 14, 13, 17


def contact_sheet(rows: Sequence[Sequence[Tile]], title: str, legend: Picture | None = None) -> Picture:
    """Returns a sheet of pictures in rows of equal tiles, 1200 px wide at most, each over its caption, under a title.

    Captions may have several lines, the first is darker; lines too long for a tile lose their middle. Rows of single
    pictures are set side by side. `legend`, such as `color_wheel_legend(56)`, goes to the right of the title.
    """
    rows = [row for row in rows if row]
    if all(len(row) == 1 for row in rows):
        singles = [row[0] for row in rows]
        rows = [singles[i : i + 4] for i in range(0, len(singles), 4)]
    columns = max((len(row) for row in rows), default=1)
    width = min(TILE_WIDTH, (SHEET_WIDTH - GAP) // columns - GAP)
    bands = [_header(title, columns * (width + GAP) + GAP, legend)]
    bands += [_band(row, columns, width) for row in rows]
    return np.concatenate(bands)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _shorten(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, without as much of its middle as does not fit into `width` pixels."""
    kept, short = len(text), text
    while font.getlength(short) > width and kept > 2:
        kept -= 1
        short = text[: (kept + 1) // 2] + "..." + text[len(text) - kept // 2 :]
    return short


def _header(title: str, width: int, legend: Picture | None) -> Picture:
    height = max(44, 0 if legend is None else legend.shape[0] + GAP)
    sheet = Image.new("RGB", (width, height), WHITE)
    room = width - 2 * GAP
    if legend is not None:
        sheet.paste(Image.fromarray(legend), (width - GAP - legend.shape[1], GAP))
        room -= legend.shape[1] + GAP
    font = _font(20)
    ImageDraw.Draw(sheet).text((GAP, height / 2 + 3), _shorten(title, room, font), DARK, font, anchor="lm")
    return np.asarray(sheet)


def _band(row: Sequence[Tile], columns: int, width: int) -> Picture:
    """One row of tiles over their captions."""
    font = _font(TEXT_SIZE)
    tiles = [_fit(picture, width) for picture, _ in row]
    captions = [caption.splitlines() for _, caption in row]
    tallest = max(tile.shape[0] for tile in tiles)
    height = GAP + tallest + 5 + LINE_HEIGHT * max(map(len, captions)) + 4
    band = Image.new("RGB", (columns * (width + GAP) + GAP, height), WHITE)
    draw = ImageDraw.Draw(band)
    for column, (tile, lines) in enumerate(zip(tiles, captions, strict=True)):
        left = GAP + column * (width + GAP)
        band.paste(Image.fromarray(tile), (left, GAP + tallest - tile.shape[0]))
        for i, line in enumerate(lines):
            at = (left, GAP + tallest + 5 + i * LINE_HEIGHT)
            draw.text(at, _shorten(line, width, font), DARK if i == 0 else GREY, font)
    return np.asarray(band)


def kept(picture: Picture) -> Picture:
    """Returns the picture, no larger than a sheet could need: all of a sheet's are in memory at once."""
    return picture if max(picture.shape[:2]) <= 2 * SHEET_WIDTH else _fit(picture, 2 * SHEET_WIDTH)


def _fit(picture: Picture, width: int) -> Picture:
    """The picture as wide as a tile, or as high where it is higher than wide."""
    factor = width / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return as_picture(cv2.resize(picture, size, interpolation=method))
