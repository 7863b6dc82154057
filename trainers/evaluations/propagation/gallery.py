"""A picture of what a model predicts: some samples, each a row with guidance, prediction, target and baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.pictures import (
    Picture,
    Tile,
    color_wheel_legend,
    contact_sheet,
    draw_arrows,
    flow_to_color,
    typical_maximum,
)

T = TypeVar("T", bound=np.generic)
LEGEND_SIZE = 56
REACH = 0.12  # of the picture's side, spanned by the arrow of a fast motion
SHARP = 256  # pixels, about a tile of the sheet
FRAME = (218, 220, 224)
DIMMED = 0.6  # so that bright arrows stand out against the image


@dataclass(frozen=True)
class Example:
    """A sample and what is predicted for it: flow in pixels, and mean end-point errors, None where nothing is valid."""

    key: str
    kind: str  # of target and guidance: estimated or exact
    image: NDArray[np.float32]  # (3, H, W) in [0, 1]
    guidance: NDArray[np.float32]  # (3, H, W)
    target: NDArray[np.float32]  # (2, H, W)
    valid: NDArray[np.bool_]  # (H, W)
    predicted: NDArray[np.float32]  # (2, H, W)
    nearest: NDArray[np.float32]  # (2, H, W)
    error: float | None
    nearest_error: float | None


def gallery(title: str, examples: Sequence[Example]) -> bytes:
    """Draws a sheet, as PNG, with one scale of colour in each row; what is not valid is black."""
    sheet = contact_sheet([row(example) for example in examples], title, color_wheel_legend(LEGEND_SIZE))
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()


def row(example: Example) -> list[Tile]:
    """Draws the pictures of one sample and writes their captions."""
    fast = typical_maximum(example.target, example.valid)
    side = max(example.valid.shape)
    factor = max(1, round(SHARP / side))  # arrows on a small crop would be a few coarse pixels
    image = np.rint(255 * DIMMED * example.image.transpose(1, 2, 0)).astype(np.uint8)
    image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    y, x = np.nonzero(example.guidance[2])
    points = np.stack([y, x, np.zeros_like(y)], axis=1).astype(np.float32) * factor + factor // 2
    scale = float(max(1, round(REACH * side / fast)))
    arrows = draw_arrows(image, points, _enlarged(example.guidance[:2], factor), scale * factor, fast)

    def shown(flow: NDArray[np.float32]) -> Picture:
        return _framed(flow_to_color(_enlarged(flow, factor), _enlarged(example.valid, factor), fast))

    count = f"{len(points)} point{'s' * (len(points) != 1)}"
    return [
        (arrows, f"guidance: {count}, arrows {scale:g} x motion\n{example.key}"),
        (shown(example.predicted), f"predicted\n{_off(example.error)}"),
        (shown(example.target), f"target: {example.kind} flow\nfull colour {fast:.1f} px"),
        (shown(example.nearest), f"nearest guidance point\n{_off(example.nearest_error)}"),
    ]


def _enlarged(array: NDArray[T], factor: int) -> NDArray[T]:
    """`(..., H, W)` with each pixel as a square of them."""
    return array.repeat(factor, axis=-2).repeat(factor, axis=-1)


def _framed(picture: Picture) -> Picture:
    """With a thin line around it: what stands still is as white as the sheet."""
    return cv2.rectangle(picture, (0, 0), (picture.shape[1] - 1, picture.shape[0] - 1), FRAME, 1)


def _off(error: float | None) -> str:
    return "nowhere valid" if error is None else f"{error:.2f} px off on average"
