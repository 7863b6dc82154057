"""A picture of guidance and the motion that it leads to (Figure 6)."""

import numpy as np
from numpy.typing import NDArray

from common_fate.pictures import (
    Picture,
    color_wheel_legend,
    contact_sheet,
    draw_arrows,
    flow_to_color,
    typical_maximum,
)

ARROW_SHARE = 1 / 8  # of the longer side, which the longest arrow may span when arrows are drawn longer than the motion


def propagation_picture(name: str, image: Picture, guidance: NDArray[np.float64], flow: NDArray[np.float32]) -> Picture:
    """Draws the image with its guidance as arrows, beside the predicted flow on the colour wheel.

    Args:
        name: the title.
        image: `(H, W, 3)`.
        guidance: `(N, 4)` rows of y, x, dy, dx.
        flow: `(2, H, W)`.
    """
    told = np.zeros_like(flow)
    y, x = np.rint(guidance[:, :2]).astype(np.intp).T
    told[:, y, x] = guidance[:, :1:-1].T
    longest = float(np.hypot(*told).max())
    factor = max((n for n in (1, 2, 3, 5, 10) if n * longest <= max(image.shape[:2]) * ARROW_SHARE), default=1)
    fast = max(typical_maximum(flow), longest)
    arrows = draw_arrows(_paler(image), guidance[:, :3].astype(np.float32), told, factor, fast)
    vectors = f"{len(guidance)} vector{'s' * (len(guidance) != 1)}"
    row = [
        (arrows, f"guidance\n{vectors}, longest {longest:.1f} px" + f" · arrows {factor} x motion" * (factor > 1)),
        (flow_to_color(flow, max_magnitude=fast), f"predicted flow\n{_speeds(flow)}, full colour {fast:.1f} px"),
    ]
    return contact_sheet([row], name, color_wheel_legend(56))


def _paler(image: Picture) -> Picture:
    """With less colour, so that arrows stand out."""
    grey = image.mean(axis=-1, keepdims=True)
    return np.asarray(0.55 * image + 0.3 * grey).astype(np.uint8)


def _speeds(flow: NDArray[np.float32]) -> str:
    speed = np.hypot(*flow)
    return f"mean {speed.mean():.1f}, max {speed.max():.1f}"
