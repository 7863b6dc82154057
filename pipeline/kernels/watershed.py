"""Basins of a strength map, and how strong the boundary between each two of them is.

The image is a graph: a pixel is joined to its four neighbours, and the edge between two pixels (an element of a
boundary, where they lie in different basins) is as strong as the mean of the two.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit


def watershed(strength: NDArray[np.floating]) -> NDArray[np.int32]:
    """Returns the watershed cut: every pixel belongs to the minimum that a drop of water on it runs to.

    Cousty et al., "Watershed Cuts: Minimum Spanning Forests and the Drop of Water Principle", TPAMI 2009. The drop
    leaves a pixel by the weakest of its edges. Where that is not unique it goes where it can go on to a weaker edge, of
    several such neighbours to the first of up, left, right, down; from within a plateau, to the nearest pixel (in
    steps along the plateau's edges) that it can leave; of equals to the one found first by breadth-first search,
    line by line.

    Args:
        strength: `(H, W)`, finite.

    Returns:
        `(H, W)`, basins numbered from 0 by their first pixels, line by line; each is connected.
    """
    precision = np.float32 if strength.dtype == np.float32 else np.float64
    return _watershed(np.ascontiguousarray(strength, precision))


@njit(cache=True)
def _watershed(strength: NDArray[np.floating]) -> NDArray[np.int32]:
    height, width = strength.shape
    stride = width + 2
    level = np.full((height + 2, stride), np.inf, strength.dtype)
    level[1:-1, 1:-1] = strength
    lowest = np.full_like(level, np.inf)  # of the four neighbours: the pixel's weakest edge leads there
    for y in range(1, height + 1):
        up, here, down, low = level[y - 1], level[y], level[y + 1], lowest[y]
        for x in range(1, width + 1):
            vertical = up[x] if up[x] < down[x] else down[x]
            horizontal = here[x - 1] if here[x - 1] < here[x + 1] else here[x + 1]
            low[x] = vertical if vertical < horizontal else horizontal
    downhill = _downhill(level.ravel(), lowest.ravel(), height, width)
    return _ends_of_descent(downhill, height, width)


@njit(cache=True)
def _downhill(level: NDArray[np.floating], lowest: NDArray[np.floating], height: int, width: int) -> NDArray[np.int32]:
    """For every pixel of the padded image the neighbour that it drains to; a minimum's first pixel drains to itself.

    An edge is the weakest of both its ends exactly if each is the other's lowest neighbour; a pixel that has only such
    edges to go by lies on a plateau, or in a minimum.
    """
    stride = width + 2
    steps = (-stride, -1, 1, stride)
    downhill = np.empty(len(level), np.int32)
    flat = np.empty(height * width, np.int32)
    flats = 0
    for y in range(1, height + 1):
        for v in range(y * stride + 1, y * stride + 1 + width):
            lower = v
            for step in (stride, 1, -1, -stride):  # the first of `steps` has the last word
                u = np.uint64(v + step)
                lower = v + step if (level[u] == lowest[v]) & (lowest[u] < level[v]) else lower
            downhill[v] = lower
            if lower == v:
                flat[flats] = v
                flats += 1
    # From the shores of each plateau inwards.
    queue = np.empty(flats, np.int32)
    shore = np.empty(flats, np.int32)
    end = 0
    for v in flat[:flats]:
        for step in steps:
            u = v + step
            if level[u] == lowest[v] and level[v] == lowest[u] and downhill[u] != u:
                queue[end], shore[end] = v, u
                end += 1
                break
    for i in range(end):
        downhill[queue[i]] = shore[i]
    first = 0
    while first < end:
        v = queue[first]
        first += 1
        for step in steps:
            u = v + step
            if level[u] == lowest[v] and level[v] == lowest[u] and downhill[u] == u:
                downhill[u] = v
                queue[end] = u
                end += 1
    # What is flat still are the minima.
    for root in flat[:flats]:
        if downhill[root] != root:
            continue
        queue[0], end = root, 1
        while end:
            end -= 1
            v = queue[end]
            for step in steps:
                u = v + step
                if level[u] == lowest[v] and level[v] == lowest[u] and downhill[u] == u and u != root:
                    downhill[u] = root
                    queue[end] = u
                    end += 1
    return downhill


@njit(cache=True)
def _ends_of_descent(downhill: NDArray[np.int32], height: int, width: int) -> NDArray[np.int32]:
    """The number of each pixel's basin. Where it is known, `downhill` comes to hold it, inverted (so below 0)."""
    stride = width + 2
    basins = np.empty((height, width), np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            v = (y + 1) * stride + x + 1
            end = v
            while downhill[end] >= 0 and downhill[end] != end:
                end = downhill[end]
            if downhill[end] >= 0:
                downhill[end] = ~count
                count += 1
            basin = ~downhill[end]
            while downhill[v] >= 0:
                lower = downhill[v]
                downhill[v] = ~basin
                v = lower
            basins[y, x] = basin
    return basins


def edge_strength(strength: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the mean of each pixel and its right neighbour, and of each pixel and the one below.

    Args:
        strength: `(H, W)`.

    Returns:
        Two `(H, W)` arrays; 0 in the last column of the first and the last line of the second.
    """
    level = np.asarray(strength, np.float64)
    right, below = np.zeros(level.shape), np.zeros(level.shape)
    np.add(level[:, :-1], level[:, 1:], out=right[:, :-1])
    np.add(level[:-1], level[1:], out=below[:-1])
    right *= 0.5
    below *= 0.5
    return right, below
