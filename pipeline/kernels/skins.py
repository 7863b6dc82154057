"""Which triangle of a plane mesh a place lies in, and where in it: what carries a skin's points along with it."""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

ROUNDING = 1e-9  # of a triangle: a place on the edge of two is in either


def locate(
    places: NDArray[np.complex128], corners: NDArray[np.complex128]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns the last triangle that each place is in, -1 where there is none, and the weights of its corners.

    Places and corners are complex numbers, x + iy. A place is the sum of its triangle's corners times their weights,
    which are from 0 to 1 and sum to 1. Triangles without an area hold nothing.

    Args:
        places: `(N,)`.
        corners: `(T, 3)`.

    Returns:
        `(N,)` and `(N, 3)`.
    """
    return _locate(np.ascontiguousarray(places), np.ascontiguousarray(corners))


@njit(cache=True)
def _locate(
    places: NDArray[np.complex128], corners: NDArray[np.complex128]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    found = np.full(len(places), -1, np.int64)
    weights = np.zeros((len(places), 3))
    if not len(corners):
        return found, weights
    left, right = corners.real.min() - ROUNDING, corners.real.max() + ROUNDING
    top, bottom = corners.imag.min() - ROUNDING, corners.imag.max() + ROUNDING
    for n in range(len(places)):
        x, y = places[n].real, places[n].imag
        if not (left <= x <= right and top <= y <= bottom):
            continue
        for t in range(len(corners) - 1, -1, -1):
            a, b, c = corners[t, 0], corners[t, 1], corners[t, 2]
            area = (b.real - a.real) * (c.imag - a.imag) - (b.imag - a.imag) * (c.real - a.real)
            if area == 0:
                continue
            second = ((x - a.real) * (c.imag - a.imag) - (y - a.imag) * (c.real - a.real)) / area
            third = ((b.real - a.real) * (y - a.imag) - (b.imag - a.imag) * (x - a.real)) / area
            if second >= -ROUNDING and third >= -ROUNDING and second + third <= 1 + ROUNDING:
                found[n] = t
                weights[n, 0], weights[n, 1], weights[n, 2] = 1 - second - third, second, third
                break
    return found, weights
