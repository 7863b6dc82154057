"""A picture of estimated flow: of some samples the image, the exact flow, the estimated one, and the errors."""

from collections.abc import Sequence

import cv2
import numpy as np

from common_fate.pictures import Tile, color_wheel_legend, contact_sheet, flow_to_color, typical_maximum
from pipeline.scores.flow.measure import Example

LEGEND_SIZE = 56
LEAST, SHARE = 5.0, 0.2
"""Pixels that an error is brightest from, and the share of full colour where that is more."""


def gallery(title: str, examples: Sequence[Example]) -> bytes:
    """Draws a sheet, as PNG, with one scale of colour in each row; what is not known is black."""
    sheet = contact_sheet([row(example) for example in examples], title, color_wheel_legend(LEGEND_SIZE))
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()


def row(example: Example) -> list[Tile]:
    """Draws the pictures of one sample and writes their captions."""
    fast = typical_maximum(example.target, example.valid)
    most = max(LEAST, SHARE * fast)
    errors = np.where(example.valid, np.hypot(*(example.estimated - example.target)), 0)
    off = f"{errors[example.valid].mean():.2f} px off on average" if example.valid.any() else "nowhere known"
    everywhere = np.ones_like(example.valid)
    heat = cv2.applyColorMap(np.rint(255 * np.clip(errors / most, 0, 1)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return [
        (np.rint(255 * example.image.transpose(1, 2, 0)).astype(np.uint8), example.key),
        (flow_to_color(example.target, example.valid, fast), f"exact\nfull colour {fast:.1f} px"),
        (flow_to_color(example.estimated, everywhere, fast), f"estimated\n{off}"),
        (cv2.cvtColor(heat, cv2.COLOR_BGR2RGB), f"error\nbrightest from {most:.0f} px"),
    ]
