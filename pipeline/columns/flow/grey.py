"""The grey that OpenCV's flow algorithms take."""

import cv2
import numpy as np
from numpy.typing import NDArray


def grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns `(3, H, W)` in [0, 1] as `(H, W)` uint8; frames of 8 bits come back exactly."""
    pixels = np.rint(image * np.float32(255)).astype(np.uint8)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels.transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY), np.uint8)
