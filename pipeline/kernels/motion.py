"""Where motion changes, how far that is, and where it is farthest: the kernels of guidance.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, section 3.2, made exact:
gradients in double precision, distances as integer squares, ties by position.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_FLOOR = 0.01  # a field whose strongest gradient is weaker than this has its edges measured against this


def motion_edges(flow: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Finds the pixels where the flow changes by more than `threshold` of the field's strongest change.

    The change is the Sobel gradient magnitude (kernel 1, 2, 1, not normalised; the border repeats its pixels), summed
    over u and v, and divided by the larger of its maximum and 0.01. All in double precision, where this is bit for bit
    what `scipy.ndimage.sobel(mode="reflect")` gives.

    Args:
        flow: `(2, H, W)`, pixels, finite.
        threshold: a share, in (0, 1).

    Returns:
        `(H, W)`. Nothing in a constant field.
    """
    strength = _gradient_strength(np.ascontiguousarray(flow, np.float32))
    return _stronger_than(strength, max(strength.max(initial=0.0), _FLOOR), threshold)


@njit(cache=True)
def _gradient_strength(flow: NDArray[np.float32]) -> NDArray[np.float64]:
    """The Sobel gradient magnitude summed over the channels, `(H, W)` float64."""
    channels, height, width = flow.shape
    strength = np.zeros((height, width), np.float64)
    along = np.empty(width + 2, np.float64)
    change = np.empty(width + 2, np.float64)
    for c in range(channels):
        for y in range(height):
            up, here, down = flow[c, max(y - 1, 0)], flow[c, y], flow[c, min(y + 1, height - 1)]
            for x in range(width):
                above, below = np.float64(up[x]), np.float64(down[x])
                along[x + 1] = 2 * np.float64(here[x]) + (above + below)
                change[x + 1] = below - above
            along[0], along[width + 1] = along[1], along[width]
            change[0], change[width + 1] = change[1], change[width]
            for x in range(width):
                gx = along[x + 2] - along[x]
                gy = 2 * change[x + 1] + (change[x] + change[x + 2])
                strength[y, x] += np.sqrt(gx * gx + gy * gy)
    return strength


@njit(cache=True)
def _stronger_than(strength: NDArray[np.float64], strongest: float, share: float) -> NDArray[np.bool_]:
    height, width = strength.shape
    stronger = np.empty((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            stronger[y, x] = strength[y, x] / strongest > share
    return stronger


def distance_to_edges(edges: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Returns the squared Euclidean distance of every pixel to the nearest edge, exact.

    Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions", Theory of Computing 2012, in integers.

    Args:
        edges: `(H, W)`, sides at most 16384.

    Returns:
        `(H, W)`, square pixels.

    Raises:
        ValueError: there is no edge to be distant from.
    """
    if not edges.any():
        raise ValueError("no edges: the distance to the nearest is not defined")
    return _squared_distance(np.ascontiguousarray(edges))


@njit(cache=True)
def _squared_distance(edges: NDArray[np.bool_]) -> NDArray[np.int32]:
    height, width = edges.shape
    far = np.int32(height + width)  # longer than any distance within the image
    # Down and up the columns: the distance to the nearest edge of the own column.
    distance = np.empty((height, width), np.int32)
    run = np.full(width, far, np.int32)
    for y in range(height):
        for x in range(width):
            run[x] = np.int32(0) if edges[y, x] else min(run[x] + np.int32(1), far)
            distance[y, x] = run[x]
    run[:] = far
    for y in range(height - 1, -1, -1):
        for x in range(width):
            run[x] = min(distance[y, x], run[x] + np.int32(1))
            distance[y, x] = run[x]
    # Along a row, the lower envelope of one parabola a column: `apex[k]` is the column of the k-th, `start[k]` the
    # first column where it is the lowest.
    apex = np.empty(width + 1, np.int64)
    start = np.empty(width + 1, np.int64)
    squares = np.empty(width, np.int64)
    for y in range(height):
        top = -1
        for x in range(width):
            here = np.int64(distance[y, x])
            squares[x] = here * here
            if here == far:
                continue
            first = 0
            while top >= 0:
                last = apex[top]
                # Column from which this parabola is strictly below the last; the floor of a quotient of
                # integers this small is exact in double precision.
                numerator = squares[x] - squares[last] + x * x - last * last
                first = int(np.floor(numerator / (2.0 * (x - last)))) + 1
                if first > start[top]:
                    break
                top -= 1
                first = 0
            if first < width:
                top += 1
                apex[top], start[top] = x, first
        start[top + 1] = width
        for k in range(top + 1):
            for x in range(start[k], start[k + 1]):
                offset = x - apex[k]
                distance[y, x] = squares[apex[k]] + offset * offset
    return distance


def window_maxima(distance: NDArray[np.int32], kernel_size: int) -> NDArray[np.float32]:
    """Finds the key-points: the pixels that are farthest from every edge within their window.

    A candidate is a pixel inside the outermost ring of the image whose distance is above 0 and the maximum of the
    `kernel_size`-sided window centred on it (cut off at the image's border, whose pixels count): "Points on image
    borders are removed". Candidates are taken farthest first, equals by the smaller y, then the smaller x; each is kept
    unless one that is kept already lies within `|dy|` and `|dx|` both less than `(kernel_size - 1) / 2`. The published
    sampler drops one of such a pair by chance.

    Args:
        distance: `(H, W)`, squared, as `distance_to_edges` gives it.
        kernel_size: odd, pixels.

    Returns:
        `(N, 3)` rows of y, x and distance (no longer squared) in pixels, in the order they were taken.
    """
    rows = _kept_maxima(np.ascontiguousarray(distance), (kernel_size - 1) // 2)
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    return np.stack([rows[:, 0], rows[:, 1], np.sqrt(rows[:, 2])], axis=1).astype(np.float32)


@njit(cache=True)
def _kept_maxima(distance: NDArray[np.int32], radius: int) -> NDArray[np.int64]:
    """Rows of y, x and squared distance, by y, then x.

    Candidates that are near enough to exclude each other lie in each other's window, so they are equally far, and
    farthest first comes to the same as line by line.

    The maximum of a window's columns comes from van Herk, "A fast algorithm for local minimum and maximum filters on
    rectangular and octagonal kernels", Pattern Recognition Letters 1992: with lines in blocks of a window's height, a
    window is the end of one block and the start of the next. Only where that is the pixel's own value is its line
    looked at.
    """
    height, width = distance.shape
    reach = min(radius, height)
    block = 2 * reach + 1
    end = np.empty((block, width), np.int32)  # line j: the maximum of the block's lines from j on
    start = np.empty(width, np.int32)  # the maximum of the next block's lines so far
    taken = np.zeros((height, width), np.bool_)
    rows = []
    for first in range(0, height, block):
        _maxima_to_the_end(distance, first - reach, end)
        start[:] = 0
        for y in range(first, min(first + block, height)):
            highest = end[y - first]
            line = y + reach
            if y > first and line < height:
                for x in range(width):
                    start[x] = max(start[x], distance[line, x])
            for x in range(width):
                highest[x] = max(highest[x], start[x])
            if y == 0 or y == height - 1:
                continue
            for x in range(1, width - 1):
                here = distance[y, x]
                if here != highest[x] or here == 0 or taken[y, x]:
                    continue
                if highest[max(x - radius, 0) : x + radius + 1].max() > here:
                    continue
                rows.append((y, x, here))
                taken[y : y + radius, max(x - radius + 1, 0) : x + radius] = True
    kept = np.empty((len(rows), 3), np.int64)
    for i, row in enumerate(rows):
        kept[i, 0], kept[i, 1], kept[i, 2] = row
    return kept


@njit(cache=True)
def _maxima_to_the_end(distance: NDArray[np.int32], first: int, end: NDArray[np.int32]) -> None:
    """Fill `end[j]` with the maxima of the lines `first + j` to `first + len(end) - 1`; lines outside count as 0."""
    height, width = distance.shape
    for j in range(len(end) - 1, -1, -1):
        line = first + j
        for x in range(width):
            below = end[j + 1, x] if j + 1 < len(end) else 0
            end[j, x] = max(distance[line, x], below) if 0 <= line < height else below


def grid_points(height: int, width: int, stride: int) -> NDArray[np.int32]:
    """Returns the regular grid that guides every image beside its key-points, centred.

    Args:
        height, width: of the image, pixels.
        stride: G, pixels from one point to the next.

    Returns:
        `(M, 2)` rows of y and x, line by line.

    Raises:
        ValueError: the stride is below 1.
    """
    if stride < 1:
        raise ValueError(f"the grid's stride is {stride}: it is a number of pixels, from 1 up")
    y, x = (np.arange(side % stride // 2, side, stride, dtype=np.int32) for side in (height, width))
    return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
