"""Flow at points, as arrows in the colours of the wheel."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.pictures.flow_colors import Picture, flow_to_color, known_flow

OUTLINE = (32, 33, 36)


def draw_arrows(
    image: Picture,
    points: NDArray[np.float32],
    flow: NDArray[np.float32],
    scale: float = 1.0,
    max_magnitude: float | None = None,
) -> Picture:
    """The image with an arrow at each point: the flow there, in its colour on the wheel; a dot where nothing moves.

    Args:
        image: `(H, W, 3)`; it is left as it is.
        points: `(N, 3)` rows of y, x and distance, as the guidance column has them. Points outside are not drawn.
        flow: `(2, H, W)`, pixels.
        scale: the length of an arrow over the motion it stands for.
        max_magnitude: as for `flow_to_color`.
    """
    canvas = np.ascontiguousarray(image).copy()
    places = points[np.isfinite(points).all(axis=1), :2]
    places = places[((places >= 0) & (places <= np.array(flow.shape[1:]) - 1)).all(axis=1)]
    y, x = np.rint(places).astype(np.intp).T
    told = flow[:, y, x]
    told = np.where(known_flow(told), told, 0)
    colors = flow_to_color(told[:, None, :], max_magnitude=max_magnitude)[0].tolist()
    unit = max(1.0, max(image.shape[:2]) / 280)
    for outline in (True, False):  # all outlines first, so that none of them crosses an arrow
        for start, step, color in zip(places[:, ::-1], scale * told.T, colors, strict=True):
            _draw_arrow(canvas, start, step, OUTLINE if outline else color, unit, grow=unit if outline else 0)
    return canvas


def _draw_arrow(
    canvas: Picture, start: NDArray[Any], step: NDArray[Any], color: Sequence[int], unit: float, grow: float
) -> None:
    """Draws a shaft with a filled head in place, or a dot, `grow` pixels fatter all around."""
    bits = 4  # OpenCV takes coordinates in sixteenths of a pixel

    def fixed(at: NDArray[Any]) -> NDArray[np.int32]:
        near = np.clip(at, -1e4, 1e4)  # OpenCV's line clipping overflows far outside
        return np.asarray(np.rint(near * 2**bits), np.int32)

    def disc(at: NDArray[Any], radius: float) -> None:
        cv2.circle(canvas, fixed(at).tolist(), round((radius + grow) * 2**bits), color, -1, cv2.LINE_AA, bits)

    length = float(np.hypot(*step))
    if length < 2 * unit:
        disc(start, 2 * unit)
        return
    along = step / length
    across = np.array([-along[1], along[0]])
    tip, head = start + step, min(6 * unit, length)
    neck = tip - along * head
    disc(start, 1.4 * unit)
    thickness = max(1, round(1.6 * unit + 2 * grow))
    cv2.line(canvas, fixed(start).tolist(), fixed(neck).tolist(), color, thickness, cv2.LINE_AA, bits)
    corners = np.stack([tip, neck + across * 0.5 * head, neck - across * 0.5 * head])
    cv2.fillConvexPoly(canvas, fixed(corners), color, cv2.LINE_AA, bits)
    if grow:
        cv2.polylines(canvas, [fixed(corners)], True, color, max(1, round(2 * grow)), cv2.LINE_AA, bits)
