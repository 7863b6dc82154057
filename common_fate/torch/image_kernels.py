"""A decoded image as a trainer wants it, compiled: the same numbers as a division by 255, in a third of the time."""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

# A product takes a fraction of a division's time, and one with float32(1/255) is not its quotient. With 1/255 in two
# parts it is, for all 256 values: the products with the first, which has 9 bits, are exact.
_HIGH = np.float32(257 / 65536)
_LOW = np.float32(1 / 255 - 257 / 65536)


@njit(cache=True)
def planes_of(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns an image `(H, W, 3)` uint8 as `(3, H, W)` float32 in [0, 1]."""
    height, width, _ = image.shape
    planes = np.empty((3, height, width), np.float32)
    # Flat, and each of the three by itself: so it becomes vector instructions.
    values = image.reshape(-1)
    first, second, third = planes[0].reshape(-1), planes[1].reshape(-1), planes[2].reshape(-1)
    for pixel in range(height * width):
        value = np.float32(values[3 * pixel])
        first[pixel] = value * _HIGH + value * _LOW
        value = np.float32(values[3 * pixel + 1])
        second[pixel] = value * _HIGH + value * _LOW
        value = np.float32(values[3 * pixel + 2])
        third[pixel] = value * _HIGH + value * _LOW
    return planes
