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
    downhill = _downhill(level, lowest)
    return _ends_of_descent(downhill, height, width)


@njit(cache=True)
def _downhill(padded: NDArray[np.floating], lowest_around: NDArray[np.floating]) -> NDArray[np.int32]:
    """For every pixel of the padded image the neighbour that it drains to; a minimum's first pixel drains to itself.

    An edge is the weakest of both its ends exactly if each is the other's lowest neighbour; a pixel that has only such
    edges to go by lies on a plateau, or in a minimum.
    """
    height, stride = padded.shape
    steps = (-stride, -1, 1, stride)
    to = np.empty((height, stride), np.int32)
    for y in range(1, height - 1):
        up, here, down = padded[y - 1], padded[y], padded[y + 1]
        low_up, low, low_down, way = lowest_around[y - 1], lowest_around[y], lowest_around[y + 1], to[y]
        for x in range(1, stride - 1):
            at = np.int32(y * stride + x)
            lower = at  # the first of `steps` has the last word
            lower = at + np.int32(stride) if (down[x] == low[x]) & (low_down[x] < here[x]) else lower
            lower = at + np.int32(1) if (here[x + 1] == low[x]) & (low[x + 1] < here[x]) else lower
            lower = at - np.int32(1) if (here[x - 1] == low[x]) & (low[x - 1] < here[x]) else lower
            way[x] = at - np.int32(stride) if (up[x] == low[x]) & (low_up[x] < here[x]) else lower
    level, lowest, downhill = padded.ravel(), lowest_around.ravel(), to.ravel()
    flat = np.empty(len(level), np.int32)
    flats = 0
    for y in range(1, height - 1):
        for v in range(y * stride + 1, (y + 1) * stride - 1):
            flat[flats] = v
            flats += downhill[v] == v
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
    count = np.int32(0)
    for y in range(height):
        row = basins[y]
        for x in range(width):
            v = np.uint32((y + 1) * stride + x + 1)  # unsigned, so that numba does not look whether it is below 0
            end, lower = v, downhill[v]
            while lower >= 0 and np.uint32(lower) != end:
                end = np.uint32(lower)
                lower = downhill[end]
            if lower >= 0:
                lower = ~count
                downhill[end] = lower
                count += np.int32(1)
            row[x] = ~lower
            onward = downhill[v]
            while onward >= 0:
                downhill[v] = lower
                v = np.uint32(onward)
                onward = downhill[v]
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
