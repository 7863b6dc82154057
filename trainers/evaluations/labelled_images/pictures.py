"""Pictures of what a network says of labelled images: some of them, and which classes are taken for which."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from common_fate.datasets.show import spread
from common_fate.pictures import Picture, Tile, contact_sheet
from common_fate.pictures.sheet import DARK, GAP, GREY, WHITE
from trainers.evaluations.labelled_images.images import LabelledImages

COLUMNS, SHARP, FRAME = 4, 256, 6  # of a sheet; pixels
RIGHT, WRONG = (46, 125, 50), (179, 38, 30)
_SIDE, _LARGEST, _SMALLEST, _NAMED = 720, 44, 2, 17  # pixels: of a matrix, a cell, and a cell that has its name beside
_BLUE = np.array((26, 102, 194))


@dataclass(frozen=True)
class Said:
    """What is said of an image.

    Args:
        row: its number among the images.
        true: its classes.
        guessed: those that it is thought to have, each with its probability.
    """

    row: int
    true: Sequence[str]
    guessed: Sequence[tuple[str, float]]

    @property
    def right(self) -> bool:
        """Whether the classes are those."""
        return {name for name, _ in self.guessed} == set(self.true)


def shown_rows(images: LabelledImages, count: int) -> list[int]:
    """Returns the numbers of the images to draw, spread evenly."""
    return spread([len(images)], count).get(0, [])


def images_sheet(title: str, images: LabelledImages, several: Sequence[Said]) -> bytes:
    """Draws images as the network sees them, in green where all that is said is right and in red elsewhere: PNG."""
    tiles = [_tile(images, one) for one in several]
    rows = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    return _png(contact_sheet(rows, title))


def confusion_sheet(title: str, classes: Sequence[str], confusion: Tensor) -> bytes:
    """Draws which share of the images of a class (row) are taken for one (column), `(C, C)`: PNG.

    The darker, the more; names and percents stand where there is room. A class without images has an empty row.
    """
    counts = confusion.cpu().numpy().astype(np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = int(np.clip(_SIDE // len(classes), _SMALLEST, _LARGEST))
    font = ImageFont.load_default(12)
    names = list(classes) if cell >= _NAMED else []
    margin = int(max((font.getlength(name) for name in names), default=0)) + 2 * GAP
    top = margin + 60
    side = cell * len(classes)
    sheet = Image.new("RGB", (max(margin + side + GAP, 420), top + side + GAP), WHITE)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), title, DARK, ImageFont.load_default(16))
    pen.text((GAP, GAP + 24), "rows: true, columns: predicted; percent of the row", GREY, font)
    colours = np.rint(255 + shares[..., None] * (_BLUE - 255)).astype(np.uint8)
    sheet.paste(Image.fromarray(colours.repeat(cell, axis=0).repeat(cell, axis=1)), (margin, top))
    pen.rectangle((margin - 1, top - 1, margin + side, top + side), outline=GREY)
    for number, name in enumerate(names):
        middle = cell * number + cell // 2
        pen.text((margin - 6, top + middle), name, DARK, font, anchor="rm")
        sheet.paste(_upright(name, font), (margin + middle - 8, top - 6 - int(font.getlength(name)) - 2))
    if cell >= 28:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.005:
                place = (margin + cell * column + cell // 2, top + cell * row + cell // 2)
                pen.text(place, f"{100 * share:.0f}", WHITE if share > 0.5 else DARK, font, anchor="mm")
    return _png(np.asarray(sheet))


def _upright(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """A name to be read from below."""
    line = Image.new("RGB", (int(font.getlength(name)) + 2, 16), WHITE)
    ImageDraw.Draw(line).text((1, 8), name, DARK, font, anchor="lm")
    return line.transpose(Image.Transpose.ROTATE_90)


def _tile(images: LabelledImages, said: Said) -> Tile:
    sample = images[said.row]
    picture = np.rint(255 * sample["image"][0].permute(1, 2, 0).numpy()).astype(np.uint8)
    times = max(1, round(SHARP / max(picture.shape)))
    large: NDArray[np.uint8] = np.ascontiguousarray(picture.repeat(times, axis=0).repeat(times, axis=1))
    colour = RIGHT if said.right else WRONG
    large = cv2.copyMakeBorder(large, *(FRAME,) * 4, cv2.BORDER_CONSTANT, value=colour)
    guessed = ", ".join(f"{name} {probability:.0%}" for name, probability in said.guessed) or "nothing"
    return large, f"{guessed}\nis {', '.join(said.true) or 'none of them'}\n{sample['key']}"


def _png(picture: Picture) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
