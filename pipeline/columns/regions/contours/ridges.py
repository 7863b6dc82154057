"""Contours of one pixel's width, as benchmarks want them.

Canny, "A Computational Approach to Edge Detection", TPAMI 1986, section VI; with the orientations of the oriented
watershed transform.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.columns.regions.contours.forest_channels import triangle_filtered
from pipeline.kernels.orientation import boundary_orientation


def ridges(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keeps the strength where it is not weaker than one pixel to either side across the boundary; elsewhere, 0.

    Args:
        strength: `(H, W)`.

    Returns:
        `(H, W)`.
    """
    height, width = strength.shape
    # Where the strength is hollow, on the flanks of a ridge, it curves the most at right angles to where it bulges.
    hollow = cv2.Laplacian(triangle_filtered(strength, 4), cv2.CV_32F) > 0
    normal = boundary_orientation(strength) + np.where(hollow, np.float32(np.pi / 2), np.float32(0))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    stays = np.ones(strength.shape, bool)
    for step in (-1, 1):
        across = cv2.remap(
            strength,
            np.clip(x + step * np.cos(normal), 0, width - 1),
            np.clip(y + step * np.sin(normal), 0, height - 1),
            cv2.INTER_LINEAR,
        )
        stays &= strength >= across
    return np.where(stays, strength, np.float32(0))
