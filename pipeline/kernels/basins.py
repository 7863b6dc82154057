"""The graph of the watershed's basins, and steps between them: the kernels of the spectral signal.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 3.2.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit


def basin_graph(
    level: NDArray[np.floating], basins: NDArray[np.int32], scale: float, count: int
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
    """Returns the degree of each basin, and the graph's edges.

    An edge is a stretch of boundary: its two basins, `(2, E)`, and how alike its pixels are.

    Two pixels are as alike as `exp(-s / scale)`, where s is the larger of their levels; a stretch has the sum over its
    elements. The boundary of two basins may be in several stretches.
    """
    level = np.ascontiguousarray(level, np.float32 if level.dtype == np.float32 else np.float64)
    return _basin_graph(np.exp(level * level.dtype.type(-1 / scale)), basins, count)


@njit(cache=True)
def _basin_graph(
    alone: NDArray[np.floating], basins: NDArray[np.int32], count: int
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
    height, width = alone.shape
    degree = np.zeros(count, np.float64)
    ends = np.empty((2, 2 * height * width), np.int32)
    likeness = np.empty(2 * height * width, np.float64)
    stretches = 0
    previous = np.full(width + 1, -1)  # the last stretch that ran down column x, and last, the one along the line
    for y in range(height):
        a, whole = basins[y, 0], degree[basins[y, 0]]  # of the basin at hand, for memory takes longer than to add
        for x in range(width):
            if basins[y, x] != a:
                degree[a] = whole
                a = basins[y, x]
                whole = degree[a]
            for side in range(2):
                if side == 0:
                    if x + 1 == width:
                        continue
                    b, alike, run = basins[y, x + 1], min(alone[y, x], alone[y, x + 1]), x
                else:
                    if y + 1 == height:
                        continue
                    b, alike, run = basins[y + 1, x], min(alone[y, x], alone[y + 1, x]), width
                whole += alike
                if a == b:
                    whole += alike
                    continue
                degree[b] += alike
                last = previous[run]
                if last < 0 or ends[0, last] != a or ends[1, last] != b:
                    last = previous[run] = stretches
                    ends[0, last], ends[1, last], likeness[last] = a, b, 0
                    stretches += 1
                likeness[last] += alike
        degree[a] = whole
    return degree, ends[:, :stretches].copy(), likeness[:stretches].copy()


@njit(cache=True)
def largest_steps(basins: NDArray[np.int32], vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Returns at each pixel the largest of the steps to its four neighbours.

    A step is the sum over the vectors' absolute differences.
    """
    height, width = basins.shape
    steps = np.zeros((height, width), np.float32)
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
