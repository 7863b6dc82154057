"""Semi-automatic annotation: a few clicks to a mask of whatever would move along (section 4.3, Figure 7)."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pycocotools import mask as coco

from common_fate.errors import UserError
from common_fate.pictures import Picture
from trainers.methods.cmp.apps.predict import as_image, check_inside, model_size, predict_flow
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions

Mask = NDArray[np.bool_]
Response = NDArray[np.float64]
Points = NDArray[np.float64]

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # dy, dx
GREEN, RED, WHITE, INK = (60, 220, 90), (235, 55, 55), (255, 255, 255), (32, 33, 36)
TINT = (40, 140, 255)


def annotate(
    net: CMPNet,
    options: CMPOptions,
    image: Picture,
    positive: ArrayLike,
    negative: ArrayLike = (),
    strength: float = 10.0,
    threshold: float = 0.5,
) -> Mask:
    """Returns the mask of what moves with the positive points and not with the negative ones, `(H, W)`.

    Positive points are pulled to the right, left, down and up in turn, while negative ones are held still. The mask is
    where the mean of |u| and |v| over the four predictions exceeds `threshold` of its maximum; it may have several
    parts, and holes. Nothing, where the network predicts no motion at all.

    Args:
        image: `(H, W, 3)`.
        positive: `(N, 2)` rows of y and x, at least one.
        negative: `(M, 2)` likewise, if any.
        strength: how far points are pulled, pixels of the network's input; the default is the published one.
        threshold: a share, from 0 to 1.

    Raises:
        UserError: no positive point, or a point outside the image.
    """
    return above(response(net, options, image, positive, negative, strength), threshold)


def above(found: Response, threshold: float) -> Mask:
    """Returns where a response `(H, W)` exceeds a share of its maximum."""
    return np.asarray(found > threshold * found.max())


def response(
    net: CMPNet,
    options: CMPOptions,
    image: Picture,
    positive: ArrayLike,
    negative: ArrayLike = (),
    strength: float = 10.0,
) -> Response:
    """Returns how far each pixel moves with the positive points, `(H, W)`, pixels of the network's input, summed.

    Args and raises are those of `annotate`.
    """
    size = image.shape[:2]
    pulled, held = _checked(positive, size, "positive"), _checked(negative, size, "negative")
    if not len(pulled):
        raise UserError("annotate needs at least one positive point: --positive y,x")
    unit = np.divide(size, model_size(net, options, size))  # pixels of the image in one of the network's input
    still = np.pad(held, ((0, 0), (0, 2)))
    moved = np.zeros(size)
    for direction in DIRECTIONS:
        pull = np.broadcast_to(strength * unit * direction, pulled.shape)
        flow = predict_flow(net, options, as_image(image), np.concatenate([np.hstack([pulled, pull]), still]))
        moved += np.abs(flow.numpy() / unit[::-1, None, None]).mean(axis=0)
    return moved


def run_lengths(mask: Mask) -> dict[str, object]:
    """Encodes a mask `(H, W)` as COCO has it in JSON: `size` (height, width) and compressed run lengths, `counts`."""
    coded = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": coded["counts"].decode("ascii")}


def annotation_picture(image: Picture, mask: Mask, positive: ArrayLike, negative: ArrayLike = ()) -> Picture:
    """Draws the image with the mask tinted and outlined, positive points green, negative ones red, `(H, W, 3)`."""
    grey = image.mean(axis=-1, keepdims=True)
    inside, outside = 0.6 * image + 0.4 * np.array(TINT), 0.3 * image + 0.3 * grey
    canvas = np.ascontiguousarray(np.where(mask[..., None], inside, outside).astype(np.uint8))
    unit = max(1.0, max(image.shape[:2]) / 400)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, WHITE, max(1, round(unit)), cv2.LINE_AA)
    for points, color in ((negative, RED), (positive, GREEN)):
        for y, x in np.asarray(points, np.float64).reshape(-1, 2):
            at = (round(16 * x), round(16 * y))  # OpenCV takes sixteenths of a pixel
            for radius, fill in ((6.5, INK), (5.5, WHITE), (4.0, color)):
                cv2.circle(canvas, at, round(16 * radius * unit), fill, -1, cv2.LINE_AA, 4)
    return canvas


def _checked(points: ArrayLike, size: tuple[int, int], name: str) -> Points:
    rows = np.array(points, np.float64).reshape(-1, 2)
    for y, x in rows:
        check_inside((y, x), size, f"{name} point {y:g},{x:g}")
    return rows
