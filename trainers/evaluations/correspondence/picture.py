"""A picture of matches: of some pairs the matches as arrows, the exact motion, that of the matches, and the errors."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.pictures import Tile, color_wheel_legend, contact_sheet, draw_arrows, flow_to_color, typical_maximum
from pipeline.columns.flow.networks.matching.matches import Matches, fill
from trainers.evaluations.correspondence.accuracy import THRESHOLDS

LEGEND_SIZE = 56
ARROWS = 16  # along the longer side at the most: more hide each other, and the image
UNMATCHED = (112, 117, 122)


@dataclass(frozen=True)
class Shown:
    """A pair whose matches are drawn: `image (3, H, W)` in [0, 1], `truth (2, H, W)`, pixels, known where `valid`."""

    key: str
    image: NDArray[np.float32]
    truth: NDArray[np.float32]
    valid: NDArray[np.bool_]
    matches: Matches


def matches_picture(title: str, pairs: Sequence[Shown]) -> bytes:
    """Draws a sheet, as PNG, a row a pair, with one scale of colour in each row."""
    sheet = contact_sheet([row(one) for one in pairs], title, color_wheel_legend(LEGEND_SIZE))
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()


def row(one: Shown) -> list[Tile]:
    """Draws the pictures of one pair and writes their captions."""
    flow, found = fill(one.matches, *one.valid.shape)
    fast, most = typical_maximum(one.truth, one.valid), max(THRESHOLDS)
    error = np.hypot(*(flow - np.where(one.valid, one.truth, 0)))
    heat = cv2.applyColorMap(np.rint(255 * np.clip(error / most, 0, 1)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    heat = np.where(found[..., None], heat[..., ::-1], UNMATCHED)
    right = 100 * (found & (error <= most))[one.valid].mean() if one.valid.any() else None
    verified = one.matches.verified
    return [
        (_arrows(one, fast), f"{one.key}\n{verified.sum():,} of {verified.size:,} matches verified"),
        (flow_to_color(one.truth, one.valid, fast), f"exact\nfull colour {fast:.1f} px"),
        (flow_to_color(flow, found, fast), f"nearest match\n{100 * found.mean():.0f} % of pixels have one"),
        (
            np.where(one.valid[..., None], heat, 0).astype(np.uint8),
            f"error, brightest from {most} px\n" + ("nowhere known" if right is None else f"{right:.1f} % within that"),
        ),
    ]


def _arrows(one: Shown, fast: float) -> NDArray[np.uint8]:
    """The image with every few of its verified matches, from where a point is to where it goes."""
    image = np.rint(255 * one.image.transpose(1, 2, 0)).astype(np.uint8)
    every = -(-max(one.matches.score.shape) // ARROWS)
    some = np.zeros_like(one.matches.verified)
    some[every // 2 :: every, every // 2 :: every] = True
    points = one.matches.points()[:, some & one.matches.verified]
    x, y = points.astype(np.intp)
    flow = np.zeros_like(one.truth)
    flow[:, y, x] = one.matches.flow[:, some & one.matches.verified]
    return draw_arrows(image, np.stack([y, x, np.zeros_like(x)], 1).astype(np.float32), flow, max_magnitude=fast)
