"""Lines one pixel wide.

Guo and Hall, "Parallel Thinning with Two-Subiteration Algorithms", Communications of the ACM 1989, algorithm A1: what
BSDS500's benchmark does to a contour map after each threshold.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

# The neighbours as (dy, dx), anticlockwise from the east: bit k of a neighbourhood is the k-th.
_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def thinned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thins a mask's lines until nothing changes; what is connected stays connected.

    Args:
        mask: `(H, W)`; all is clear around it.

    Returns:
        `(H, W)`.
    """
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.bool_)
    padded[1:-1, 1:-1] = mask
    _thin(padded, _DELETED)
    return padded[1:-1, 1:-1]


def _deleted() -> NDArray[np.bool_]:
    """Whether the first and the second subiteration delete a pixel, by its neighbourhood: `(2, 256)`."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1 == 1
    x = {k + 1: bits[:, k % 8] for k in range(9)}  # the paper counts from 1, and round: x9 is x1
    crossings = sum((~x[2 * i - 1] & (x[2 * i] | x[2 * i + 1])).astype(int) for i in range(1, 5))
    one = sum((x[2 * k - 1] | x[2 * k]).astype(int) for k in range(1, 5))
    other = sum((x[2 * k] | x[2 * k + 1]).astype(int) for k in range(1, 5))
    fewer = np.minimum(one, other)
    inessential = (crossings == 1) & (fewer >= 2) & (fewer <= 3)
    first = inessential & ~((x[2] | x[3] | ~x[8]) & x[1])
    second = inessential & ~((x[6] | x[7] | ~x[4]) & x[5])
    return np.stack([first, second])


_DELETED = _deleted()


@njit(cache=True)
def _thin(padded: NDArray[np.bool_], deleted: NDArray[np.bool_]) -> None:
    """Thin in place; the outermost ring is clear."""
    width = padded.shape[1]
    flat = padded.ravel()
    around = np.empty(8, np.int64)
    for k in range(8):
        around[k] = _AROUND[k][0] * width + _AROUND[k][1]
    left = np.flatnonzero(flat)
    going = np.empty(len(left), np.int64)
    changed = True
    while changed:
        changed = False
        for half in range(2):
            gone = kept = 0
            for i in range(len(left)):
                pixel = left[i]
                code = np.int64(0)
                for k in range(8):
                    code |= np.int64(flat[pixel + around[k]]) << k
                if deleted[half, code]:
                    going[gone] = pixel
                    gone += 1
                else:
                    left[kept] = pixel
                    kept += 1
            for i in range(gone):  # all at once, after all have been looked at
                flat[going[i]] = False
            left = left[:kept]
            changed = changed or gone > 0
