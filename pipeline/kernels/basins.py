"""The graph of the watershed's basins, and steps between them: the kernels of the spectral signal.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 3.2.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
def basin_graph(
    level: NDArray[np.float64], basins: NDArray[np.int32], scale: float, count: int
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
    """The degree of each basin, and for each boundary element its two basins `(2, E)` and how alike its pixels are."""
    height, width = level.shape
    degree = np.zeros(count, np.float64)
    ends = np.empty((2, 2 * height * width), np.int32)
    likeness = np.empty(2 * height * width, np.float64)
    elements = 0
    for y in range(height):
        for x in range(width):
            for down, right in ((0, 1), (1, 0)):
                if y + down == height or x + right == width:
                    continue
                a, b = basins[y, x], basins[y + down, x + right]
                alike = np.exp(-max(level[y, x], level[y + down, x + right]) / scale)
                degree[a] += alike
                degree[b] += alike
                if a != b:
                    ends[0, elements], ends[1, elements], likeness[elements] = a, b, alike
                    elements += 1
    return degree, ends[:, :elements].copy(), likeness[:elements].copy()


@njit(cache=True)
def largest_steps(basins: NDArray[np.int32], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """At each pixel the largest of the steps to its four neighbours: the sum over the vectors' absolute differences."""
    height, width = basins.shape
    steps = np.zeros((height, width), np.float64)
    for y in range(height):
        for x in range(width):
            for down, right in ((0, 1), (1, 0)):
                if y + down == height or x + right == width:
                    continue
                a, b = basins[y, x], basins[y + down, x + right]
                if a == b:
                    continue
                step = 0.0
                for k in range(vectors.shape[1]):
                    step += abs(vectors[a, k] - vectors[b, k])
                steps[y, x] = max(steps[y, x], step)
                steps[y + down, x + right] = max(steps[y + down, x + right], step)
    return steps
