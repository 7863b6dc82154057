"""What a structured forest sees of an image: its channels, and which of their pixels a feature compares.

Dollar and Zitnick, "Fast Edge Detection Using Structured Forests", TPAMI 2015, section 3.1; training and both
detectors, ours and OpenCV's, see the same numbers.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.gradients import gradients, halved, luv_planes, write_gradients, write_planes

PATCH = 32  # side of the square of image that a tree looks at, pixels
INNER = 16  # side of the square in its middle whose edges it tells
SHRINK = 2  # pixels of the image to a pixel of the channels
STRIDE = 2  # pixels from one patch to the next
ORIENTATIONS = 4  # of the gradients
GRID = 5  # cells along a side of the patch whose differences are features
CHANNELS = 3 + 2 * (ORIENTATIONS + 1)  # Luv; at full and half resolution gradient magnitude and its orientations
SIDE = PATCH // SHRINK  # of the patch, in pixels of the channels
PIXEL_FEATURES = SIDE * SIDE * CHANNELS
FEATURES = PIXEL_FEATURES + GRID**2 * (GRID**2 - 1) // 2 * CHANNELS  # 7228

MARGIN = 24  # pixels by which an image is padded: every patch whose inner square touches the image, and smoothing


@dataclass(frozen=True)
class Radii:
    """Radii of the triangle filters in pixels of the image; 0 is no smoothing."""

    gradient_smoothing: int = 0
    feature_smoothing: int = 2
    similarity_smoothing: int = 8
    gradient_normalization: int = 4


def padded(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns the image in [0, 1], reflected beyond its border.

    That is by `MARGIN` at the top and left, and by as much or a little more at the others.

    Args:
        image: `(H, W, 3)`, RGB.

    Returns:
        `(H', W', 3)`, sides divisible by 4: then no channel is resampled at an uneven ratio.
    """
    bottom, right = (MARGIN + 4 - side % 4 for side in image.shape[:2])
    larger = cv2.copyMakeBorder(image, MARGIN, bottom, MARGIN, right, cv2.BORDER_REFLECT).astype(np.float32)
    larger /= np.float32(255)
    return larger


def channels(image: NDArray[np.float32], radii: Radii) -> NDArray[np.float32]:
    """Computes the channels of an image, smoothed a little for the pixel features and then more for the differences.

    Args:
        image: `(H, W, 3)`, RGB in [0, 1], sides divisible by 4.

    Returns:
        `(2, 13, H / 2, W / 2)`.
    """
    planes = channel_planes(image, radii)
    return planes[:-1].reshape(2, CHANNELS, *planes.shape[1:])


def channel_planes(image: NDArray[np.float32], radii: Radii) -> NDArray[np.float32]:
    """Computes the same channels one after the other, and then zeros: `(27, H / 2, W / 2)`."""
    raw = _raw(image, radii) if radii.gradient_smoothing == 0 else _by_opencv(image, radii)
    height, width = raw.shape[:2]
    planes = np.empty((2 * CHANNELS + 1, height, width), np.float32)
    for i, radius in enumerate((radii.feature_smoothing, radii.similarity_smoothing)):
        smoothed = triangle_filtered(raw, round(radius / SHRINK))
        write_planes(smoothed, planes[i * CHANNELS : (i + 1) * CHANNELS])
    planes[-1] = 0
    return planes


def _raw(image: NDArray[np.float32], radii: Radii) -> NDArray[np.float32]:
    """What `_by_opencv` gives, in a third of the time, where the gradients are not smoothed."""
    raw = np.empty((image.shape[0] // SHRINK, image.shape[1] // SHRINK, CHANNELS), np.float32)
    full = luv_planes(image, _lightness())
    half = halved(full)
    raw[:, :, :3] = half[:, 1:-1, 1:-1].transpose(1, 2, 0)
    for planes, size, first in ((full, SHRINK, 3), (half, 1, 3 + 1 + ORIENTATIONS)):
        magnitude, orientation = gradients(planes)
        magnitude /= triangle_filtered(magnitude, radii.gradient_normalization) + np.float32(0.01)
        write_gradients(magnitude, orientation, size, raw, first)
    return raw


def _by_opencv(image: NDArray[np.float32], radii: Radii) -> NDArray[np.float32]:
    """The channels before they are smoothed, `(H / 2, W / 2, 13)`."""
    raw = np.empty((image.shape[0] // SHRINK, image.shape[1] // SHRINK, CHANNELS), np.float32)
    cv2.ximgproc.createRFFeatureGetter().getFeatures(
        image, raw, radii.gradient_normalization, radii.gradient_smoothing, SHRINK, CHANNELS, ORIENTATIONS
    )
    return raw


@lru_cache(1)
def _lightness() -> NDArray[np.float32]:
    """OpenCV's lightness by luminance, 1024 to 1, as greys have it: the last bits depend on the C library's roots."""
    greys = np.append((np.arange(1024) + 0.5) / 1024, 1.0).astype(np.float32)
    row = np.repeat(greys, 2 * SHRINK)[None, :, None]
    return _by_opencv(np.tile(row, (2 * SHRINK, 1, 3)), Radii())[0, ::2, 0].copy()


def triangle_filtered(values: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Smooths along both axes by a triangle of that radius, pixels; the border reflects."""
    if radius == 0:
        return values
    rising = np.arange(1, radius + 2, dtype=np.float32)
    kernel = np.concatenate([rising, rising[-2::-1]]) / np.float32((radius + 1) ** 2)
    return cv2.sepFilter2D(values, -1, kernel, kernel)


def feature_places() -> NDArray[np.int32]:
    """Returns which pixels of the channels each feature is about: `(7228, 6)`.

    A row is kind, channel, y and x of a pixel, and y and x of the pixel whose value is taken off, both in the patch.
    Kind 0 is the value of one pixel (the second is the same, and nothing is taken off), kind 1 the difference of two
    cells of a 5 x 5 grid. In the order of OpenCV's detector: channel by channel, each column by column.
    """
    column, row = np.divmod(np.arange(SIDE * SIDE), SIDE)
    cells = _grid_centres()
    first, second = np.triu_indices(GRID * GRID, 1)
    places = []
    for channel in range(CHANNELS):
        same = np.full(SIDE * SIDE, channel)
        places.append(np.stack([0 * same, same, row, column, row, column], axis=1))
    for channel in range(CHANNELS):
        same = np.full(len(first), channel)
        places.append(
            np.stack(
                [
                    0 * same + 1,
                    same,
                    cells[first % GRID],
                    cells[first // GRID],
                    cells[second % GRID],
                    cells[second // GRID],
                ],
                axis=1,
            )
        )
    return np.concatenate(places).astype(np.int32)


def _grid_centres() -> NDArray[np.int64]:
    half = round(SIDE / (2 * GRID))  # of a cell
    steps = np.arange(1, GRID + 1) * (SIDE + 2 * half - 1) / (GRID + 1)
    return (steps - half + 0.5).astype(np.int64)
