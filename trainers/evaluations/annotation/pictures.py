"""A picture of what clicks make: some objects, from the best to the worst, click by click."""

from collections.abc import Sequence

import cv2
import numpy as np
from pycocotools import mask as coco

from common_fate.pictures import Picture, Tile, contact_sheet
from trainers.evaluations.annotation.clicks import Click
from trainers.evaluations.annotation.data import Objects
from trainers.evaluations.annotation.measure import Measured, Session
from trainers.methods.cmp.apps.annotate import annotation_picture

SHARP = 448  # pixels, about twice a tile of the sheet: points and outlines on a small image are drawn on a larger one


def gallery(
    title: str,
    several: Sequence[tuple[str, Objects, Measured]],
    counts: Sequence[int],
    model: str,
    baseline: str,
) -> bytes:
    """Draws a sheet, as PNG: of each object its mask, three masks of the model on the way, and a baseline's last.

    Args:
        several: an image's name, what is on it, and what was measured of one of its objects.
        counts: the numbers of clicks that were measured.
        model, baseline: the names of their sessions.
    """
    shown = sorted({0, len(counts) // 2, len(counts) - 1})
    rows = []
    for name, objects, one in several:
        row = [(drawn(objects.picture, objects.masks[one.object]), f"{name}\nthe annotation")]
        row += [_tile(objects.picture, one.sessions[model], place, counts[place], "") for place in shown]
        row.append(_tile(objects.picture, one.sessions[baseline], len(counts) - 1, counts[-1], f"{baseline}, "))
        rows.append(row)
    return cv2.imencode(".png", cv2.cvtColor(contact_sheet(rows, title), cv2.COLOR_RGB2BGR))[1].tobytes()


def drawn(image: Picture, mask: object, clicks: Sequence[Click] = ()) -> Picture:
    """Returns an image `(H, W, 3)`, larger where it is small, with a mask `(H, W)` and clicks on it."""
    factor = max(1, round(SHARP / max(image.shape[:2])))
    size = (image.shape[1] * factor, image.shape[0] * factor)
    large = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    inside = np.kron(np.asarray(mask, np.uint8), np.ones((factor, factor), np.uint8)) > 0
    positive, negative = (
        [((click.y + 0.5) * factor - 0.5, (click.x + 0.5) * factor - 0.5) for click in clicks if click.positive == kind]
        for kind in (True, False)
    )
    return annotation_picture(large, inside, positive, negative)


def _tile(image: Picture, session: Session, place: int, count: int, of: str) -> Tile:
    clicks = session.clicks[:count]
    said = f"{of}{len(clicks)} click{'s' if len(clicks) > 1 else ''}\nIoU {100 * session.iou[place]:.0f} %"
    return drawn(image, coco.decode(session.masks[place]), clicks), said
