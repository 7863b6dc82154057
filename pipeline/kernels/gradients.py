"""What a structured forest sees of an image, before it is smoothed: colours, gradients and their orientations.

Dollar and Zitnick, "Fast Edge Detection Using Structured Forests", TPAMI 2015, section 3.1. Each number is OpenCV's
(`RFFeatureGetter`) to the last bit, operation by operation in single precision; only the order of the work is another.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_F = np.float32

# OpenCV's `fastAtan2`: c, c^3, c^5 and c^7, degrees.
_C1, _C3, _C5, _C7 = (
    _F(_F(c) * _F(180 / np.pi))
    for c in (0.9997878412794807, -0.3258083974640975, 0.1555786518463281, -0.04432655554792128)
)
_TINY = _F(np.finfo(np.float64).eps)


@njit(cache=True, error_model="numpy")
def luv_planes(image: NDArray[np.float32], lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Converts the image to CIE Luv, scaled to about [0, 1], with a ring around it.

    The ring is one pixel wide, and repeats the outermost pixels.

    Args:
        image: `(H, W, 3)`, RGB in [0, 1].
        lightness: `(1025,)`, by luminance, 1024 to 1.

    Returns:
        `(3, H + 2, W + 2)`.
    """
    height, width = image.shape[:2]
    planes = np.empty((3, height + 2, width + 2), np.float32)
    least_u, least_v = _F(-88) * (_F(1) / _F(270)), _F(-134) * (_F(1) / _F(270))
    white_u, white_v = _F(13) * _F(0.197833), _F(13) * _F(0.468331)
    for y in range(height):
        row = image[y]
        row_l, row_u, row_v = planes[0, y + 1], planes[1, y + 1], planes[2, y + 1]
        for x in range(width):
            r, g, b = row[x, 0], row[x, 1], row[x, 2]
            cx = _F(0.430574) * r + _F(0.341550) * g + _F(0.178325) * b
            cy = _F(0.222015) * r + _F(0.706655) * g + _F(0.071330) * b
            cz = _F(0.020183) * r + _F(0.129553) * g + _F(0.939180) * b
            inverse = _F(1) / _F(np.float64(cx + _F(15) * cy + _F(3) * cz) + 1e-35)
            light = lightness[np.uint32(_F(1024) * cy)]
            row_l[x + 1] = light
            row_u[x + 1] = light * (_F(52) * cx * inverse - white_u) - least_u
            row_v[x + 1] = light * (_F(117) * cy * inverse - white_v) - least_v
    _repeat_outermost(planes)
    return planes


@njit(cache=True)
def halved(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns planes of half the size, by the means of 2 x 2 pixels; both with their ring. Sides are even."""
    height, width = (planes.shape[1] - 2) // 2, (planes.shape[2] - 2) // 2
    half = np.empty((len(planes), height + 2, width + 2), np.float32)
    for c in range(len(planes)):
        for y in range(height):
            upper, lower, row = planes[c, 2 * y + 1], planes[c, 2 * y + 2], half[c, y + 1]
            for x in range(width):
                row[x + 1] = (upper[2 * x + 1] + upper[2 * x + 2] + lower[2 * x + 1] + lower[2 * x + 2]) * _F(0.25)
    _repeat_outermost(half)
    return half


@njit(cache=True)
def _repeat_outermost(planes: NDArray[np.float32]) -> None:
    for plane in planes:
        plane[:, 0] = plane[:, 1]
        plane[:, -1] = plane[:, -2]
        plane[0] = plane[1]
        plane[-1] = plane[-2]


@njit(cache=True, error_model="numpy")
def gradients(planes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Measures the gradient of each pixel in its steepest channel.

    It is returned as how steep it is, `(H, W)`, and in which of four orientations, 0 to 3, `(H, W)`.

    Args:
        planes: `(3, H + 2, W + 2)`, with their ring.
    """
    height, width = planes.shape[1] - 2, planes.shape[2] - 2
    magnitude = np.empty((height, width), np.float32)
    orientation = np.empty((height, width), np.int32)
    for y in range(height):
        up0, here0, down0 = planes[0, y], planes[0, y + 1], planes[0, y + 2]
        up1, here1, down1 = planes[1, y], planes[1, y + 1], planes[1, y + 2]
        up2, here2, down2 = planes[2, y], planes[2, y + 1], planes[2, y + 2]
        steepness, turn = magnitude[y], orientation[y]
        for x in range(width):
            dx, dy = here0[x + 2] - here0[x], down0[x + 1] - up0[x + 1]
            square = dx * dx + dy * dy
            other_x, other_y = here1[x + 2] - here1[x], down1[x + 1] - up1[x + 1]
            other = other_x * other_x + other_y * other_y
            steeper = other > square
            square = other if steeper else square
            dx = other_x if steeper else dx
            dy = other_y if steeper else dy
            other_x, other_y = here2[x + 2] - here2[x], down2[x + 1] - up2[x + 1]
            other = other_x * other_x + other_y * other_y
            steeper = other > square
            square = other if steeper else square
            dx = other_x if steeper else dx
            dy = other_y if steeper else dy
            steepness[x] = np.sqrt(square)

            ax, ay = abs(dx), abs(dy)
            flat = ax >= ay
            c = (ay if flat else ax) / ((ax if flat else ay) + _TINY)
            c2 = c * c
            angle = (((_C7 * c2 + _C5) * c2 + _C3) * c2 + _C1) * c
            angle = angle if flat else _F(90) - angle
            angle = _F(180) - angle if dx < 0 else angle
            angle = _F(360) - angle if dy < 0 else angle
            turns = _F(4) * (angle / _F(180) - (_F(1) if dy < 0 else _F(0)))
            # The nearest whole number, of two equally near the even one.
            nearest = (
                np.int32(turns > _F(0.5))
                + np.int32(turns >= _F(1.5))
                + np.int32(turns > _F(2.5))
                + np.int32(turns >= _F(3.5))
            )
            turn[x] = np.int32(2) if ax + ay < _F(1e-5) else nearest & np.int32(3)
    return magnitude, orientation


@njit(cache=True)
def write_gradients(
    magnitude: NDArray[np.float32], orientation: NDArray[np.int32], size: int, to: NDArray[np.float32], first: int
) -> None:
    """Writes the gradient, and how much of it is in each orientation.

    Args:
        magnitude, orientation: `(H, W)`.
        size: pixels in height and width whose mean is taken, 1 or 2.
        to: `(H / size, W / size, C)`; its channel `first` is the gradient's, the next four are the orientations'.
    """
    height, width = to.shape[:2]
    gradient, turns = np.uint32(first), np.uint32(first + 1)
    in_fours = width - width % 4  # the columns that OpenCV adds up side by side, in another order than the others
    for y in range(height):
        for x in range(width):
            pixel = to[y, x]
            pixel[turns] = pixel[turns + 1] = pixel[turns + 2] = pixel[turns + 3] = 0
            if size == 1:
                pixel[gradient] = magnitude[y, x]
                pixel[turns + np.uint32(orientation[y, x])] = magnitude[y, x]
                continue
            i, j = 2 * y, 2 * x
            a, b, c, d = magnitude[i, j], magnitude[i, j + 1], magnitude[i + 1, j], magnitude[i + 1, j + 1]
            pixel[gradient] = ((a + b) + (c + d) if x < in_fours else a + b + c + d) * _F(0.25)
            pixel[turns + np.uint32(orientation[i, j])] += a * _F(0.25)
            pixel[turns + np.uint32(orientation[i, j + 1])] += b * _F(0.25)
            pixel[turns + np.uint32(orientation[i + 1, j])] += c * _F(0.25)
            pixel[turns + np.uint32(orientation[i + 1, j + 1])] += d * _F(0.25)


@njit(cache=True)
def write_planes(pixels: NDArray[np.float32], to: NDArray[np.float32]) -> None:
    """Writes the channels of pixels `(H, W, C)` one after the other, `(C, H, W)`.

    Line by line: NumPy goes through the whole image for each channel, which takes longer than its pixels.
    """
    height, width, channels = pixels.shape
    for y in range(height):
        line = pixels[y]
        for c in range(channels):
            row = to[c, y]
            for x in range(width):
                row[x] = line[x, c]
