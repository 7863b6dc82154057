"""A picture of what a detector finds: some images, each beside what its annotations say."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pycocotools import mask as coco

from common_fate.datasets.show import spread
from common_fate.pictures import Picture, contact_sheet, label_colors
from common_fate.pictures.sheet import WHITE
from pipeline.sources.archives import Tree
from trainers.evaluations.boxed_images.images import Boxed, decoded
from trainers.metrics.detection import Found, Mask, Truth

SHARP = 480  # pixels, about a tile of the sheet: a small image is enlarged before anything is drawn on it
SHOWN = 0.5  # the least score, but for the best one of an image
TEXT = 13  # pixels
GREY = (150, 150, 150)  # what does not count
OPACITY = 0.5  # of masks


def draw(
    title: str,
    tree: Tree,
    images: Sequence[Boxed],
    truth: Sequence[Truth],
    found: Sequence[Found],
    names: Sequence[str],
    count: int,
) -> bytes:
    """Draws some images, spread evenly, as a sheet in PNG: the truth on the left, what was found on the right.

    Each class has a colour of its own; what does not count is grey.
    """
    rows = []
    for index in spread([len(images)], count).get(0, []):
        image, there, seen = decoded(tree, images[index]), truth[index], found[index]
        sure = np.flatnonzero(seen.scores >= min(SHOWN, seen.scores.max(initial=0.0)))
        counts = ~(there.crowd | there.difficult)
        true = [
            names[label] if one else f"{names[label]}, not counted"
            for label, one in zip(there.labels, counts, strict=True)
        ]
        colours = [_colour(int(label)) if one else GREY for label, one in zip(there.labels, counts, strict=True)]
        right = drawn_on(
            image,
            seen.boxes[sure],
            [f"{names[seen.labels[i]]} {seen.scores[i]:.2f}" for i in sure],
            [_colour(int(seen.labels[i])) for i in sure],
            [seen.masks[i] for i in sure] if seen.masks else (),
        )
        left = drawn_on(image, there.boxes, true, colours, there.masks)
        said = f"found: {len(sure)}" + (f", and {len(seen.scores) - len(sure)} less sure" if len(seen.scores) else "")
        rows.append([(left, f"annotations: {counts.sum()}\n{images[index].key}"), (right, said)])
    return cv2.imencode(".png", cv2.cvtColor(contact_sheet(rows, title), cv2.COLOR_RGB2BGR))[1].tobytes()


def drawn_on(
    image: Picture,
    boxes: NDArray[np.float32],
    words: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
    masks: Sequence[Mask] = (),
) -> Picture:
    """Returns an image `(H, W, 3)`, larger where it is small, with boxes `(N, 4)`, their words and N masks on it."""
    painted = image.astype(np.float32)
    for mask, colour in zip(masks, colours, strict=False):
        inside = coco.decode(mask).astype(bool)
        painted[inside] = OPACITY * np.array(colour, np.float32) + (1 - OPACITY) * painted[inside]
    factor = max(1, round(SHARP / max(image.shape[:2])))
    whole = painted.round().astype(np.uint8).repeat(factor, axis=0).repeat(factor, axis=1)
    sheet = Image.fromarray(whole)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    line = max(1, round(max(whole.shape[:2]) / 240))
    for box, word, colour in zip(boxes * factor, words, colours, strict=True):
        x0, y0, x1, y1 = (float(edge) for edge in box)
        pen.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=line)
        wide = font.getlength(word)
        x, y = max(0.0, min(x0, whole.shape[1] - wide - 4)), max(0.0, y0 - TEXT - 4)
        pen.rectangle((x, y, x + wide + 4, y + TEXT + 4), fill=colour)
        pen.text((x + 2, y + 1), word, WHITE if sum(colour) < 384 else (0, 0, 0), font)
    return np.asarray(sheet)


def _colour(label: int) -> tuple[int, int, int]:
    red, green, blue = label_colors(np.full((1, 1), label + 1))[0, 0].tolist()
    return red, green, blue
