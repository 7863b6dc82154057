"""A picture of what a network segments: some images, each a row with its mask and the prediction."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from common_fate.datasets.show import spread
from common_fate.pictures import Picture, contact_sheet, label_colors
from common_fate.pictures.sheet import DARK, GAP, WHITE
from trainers.data.transforms import IGNORED
from trainers.evaluations.segmentation.data import MaskedImages

SWATCH, LINE, TEXT = 13, 22, 13  # pixels of the legend
SHARP = 384  # pixels, about a tile of the sheet: a small mask is enlarged in squares, not blurred
IGNORED_COLOUR = (218, 220, 224)
MOST_NAMED = 64  # classes


@torch.no_grad()
def draw(title: str, net: nn.Module, images: MaskedImages, names: Sequence[str], count: int) -> bytes:
    """Draws some images, spread evenly, as a sheet in PNG; each class has a colour of its own.

    Args:
        net: images `(1, 3, H, W)` to scores `(1, classes, H, W)`; it is left in evaluation mode.
    """
    net.eval()
    device = next(net.parameters()).device
    rows = []
    for index in spread([len(images)], count).get(0, []):
        sample = images[index]
        labels = sample["labels"].numpy()
        predicted = net(sample["image"].to(device)[None]).argmax(1)[0].cpu().numpy()
        image = np.rint(255 * sample["image"].permute(1, 2, 0).numpy()).astype(np.uint8)
        counted = labels != IGNORED
        right = f"{np.mean(predicted[counted] == labels[counted]):.0%} of its pixels right" if counted.any() else ""
        rows.append(
            [
                (image, f"image\n{sample['key']}"),
                (coloured(labels), "mask"),
                (coloured(np.where(counted, predicted, IGNORED)), f"predicted\n{right}"),
            ]
        )
    sheet = contact_sheet(rows, title)
    sheet = np.concatenate([sheet, _legend(names, sheet.shape[1])])
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()


def coloured(labels: NDArray[np.int64]) -> Picture:
    """Returns labels `(H, W)` as colours, larger where they are small: the first class is black, `IGNORED` grey."""
    colours = label_colors(labels)
    colours[labels == IGNORED] = IGNORED_COLOUR
    factor = max(1, round(SHARP / max(labels.shape)))
    return colours.repeat(factor, axis=0).repeat(factor, axis=1)


def _legend(names: Sequence[str], width: int) -> Picture:
    """The colour of each class beside its name, line by line."""
    font = ImageFont.load_default(TEXT)
    places, x, y = [], GAP, 4
    for label, name in enumerate(names[:MOST_NAMED]):
        long = SWATCH + 6 + int(font.getlength(name)) + 16
        if x + long > width - GAP and x > GAP:
            x, y = GAP, y + LINE
        places.append((label, name, x, y))
        x += long
    sheet = Image.new("RGB", (width, y + LINE + 6), WHITE)
    pen = ImageDraw.Draw(sheet)
    for label, name, x, y in places:
        colour = tuple(int(channel) for channel in label_colors(np.full((1, 1), label))[0, 0])
        pen.rectangle((x, y + 3, x + SWATCH, y + 3 + SWATCH), fill=colour, outline=DARK)
        pen.text((x + SWATCH + 6, y + 2), name, DARK, font)
    return np.asarray(sheet)
