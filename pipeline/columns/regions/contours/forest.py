"""Contours by a structured forest.

Dollar and Zitnick, "Fast Edge Detection Using Structured Forests", TPAMI 2015.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.columns.regions.contours.forest_channels import (
    CHANNELS,
    INNER,
    MARGIN,
    PATCH,
    SIDE,
    STRIDE,
    channel_planes,
    feature_places,
    padded,
    triangle_filtered,
)
from pipeline.columns.regions.contours.forest_file import Forest, load_forest
from pipeline.columns.regions.contours.forest_options import ForestOptions
from pipeline.kernels.forest_walk import edge_votes, forest_leaves, sharpened_votes

__all__ = ["Forest", "ForestOptions", "detect", "load_forest"]

_OFF = MARGIN - (PATCH - INNER) // 2  # from the corner of what is voted on to the image's
_PLACES = feature_places()


def detect(forest: Forest, image: NDArray[np.uint8], options: ForestOptions | None = None) -> NDArray[np.float32]:
    """Measures the strength of the contours of an image.

    Away from the border, at scale 1 and without sharpening, what OpenCV's detector gives. There it lacks the votes of
    patches that reach over the border; here the image is reflected instead.

    Args:
        image: `(H, W, 3)`, RGB, any size from 1 x 1.

    Returns:
        `(H, W)` in [0, 1].
    """
    options = options or ForestOptions()
    scales = [options.scale * octave for octave in ((0.5, 1.0, 2.0) if options.multiscale else (1.0,))]
    first, *others = (
        _resized_to(_detect_once(forest, _resized(image, scale), options.sharpen), *image.shape[:2]) for scale in scales
    )
    mean = sum(others, start=first) / np.float32(len(scales)) if others else first
    return np.minimum(mean, 1, dtype=np.float32)


def _resized(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    return _resized_to(image, *(max(1, round(side * scale)) for side in image.shape[:2]))


def _resized_to(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    if image.shape[:2] == (height, width):
        return image
    smaller = height < image.shape[0] or width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _detect_once(forest: Forest, image: NDArray[np.uint8], sharpen: int) -> NDArray[np.float32]:
    larger = padded(image)
    planes = channel_planes(larger, forest.radii)
    height, width = planes.shape[1:]
    places = _places(height, width)
    leaves = forest_leaves(planes, *forest.packed, places, forest.voters, height - SIDE, width - SIDE)
    if sharpen:
        colours = cv2.cvtColor(larger, cv2.COLOR_RGB2Luv)[(PATCH - INNER) // 2 :, (PATCH - INNER) // 2 :]
        row, segments = forest.segments
        votes = sharpened_votes(leaves, forest.edge_starts, forest.edge_bins, row, segments, colours, sharpen)
    else:
        votes = edge_votes(leaves, forest.edge_starts, forest.edge_bins)
    strength = votes.astype(np.float32) * np.float32(2 * STRIDE**2 / INNER**2 / forest.voters)
    return triangle_filtered(strength, 1)[_OFF : _OFF + image.shape[0], _OFF : _OFF + image.shape[1]]


@lru_cache(16)
def _places(height: int, width: int) -> NDArray[np.uint64]:
    """Where the planes of such a size hold the values of a feature: what `forest_leaves` calls its places."""
    kind, channel, y1, x1, y2, x2 = _PLACES.T.astype(np.uint64)
    plane = (kind * np.uint64(CHANNELS) + channel) * np.uint64(height)
    taken_off = np.where(kind == 1, (plane + y2) * np.uint64(width) + x2, np.uint64(2 * CHANNELS * height * width))
    return ((plane + y1) * np.uint64(width) + x1) | (taken_off << np.uint64(32))
