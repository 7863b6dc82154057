"""Labels as colours."""

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.pictures.flow_colors import Picture, as_picture


def _make_palette() -> Picture:
    """Black and 180 colours, `(181, 3)`, neighbours far apart on the circle of hues."""
    shades = [(0.0, 0.0, 0.0)]
    for i in range(1, 181):
        hue = i * 67 % 180 / 180  # 67 is near the golden section of 180 and shares no factor with it
        shades.append(colorsys.hsv_to_rgb(hue, (0.6, 0.85)[i % 2], (0.96, 0.86, 0.76)[i % 3]))
    return np.rint(np.multiply(shades, 255)).astype(np.uint8)


PALETTE = _make_palette()


def label_colors(labels: NDArray[Any]) -> Picture:
    """Labels `(H, W)` as colours: black for 0, and for any other label always the same one of 180."""
    colors = PALETTE[1 + (labels.astype(np.int64) - 1) % (len(PALETTE) - 1)]
    return as_picture(np.where(labels[..., None] == 0, PALETTE[0], colors))
