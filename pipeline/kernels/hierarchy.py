"""Regions merge in order of the mean strength of the boundary between them.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 4.2.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_FEW = 128  # arcs: a region with more waits for the heap


def merge_order(
    basins: NDArray[np.int32], right: NDArray[np.floating], below: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Returns the whole hierarchy over the basins.

    Again and again, the two regions with the weakest boundary become one.

    A boundary is as strong as the mean of its elements (the edges between pixels of either side), so the boundary of a
    merged region with a common neighbour is the mean over both. Of equally strong ones the boundary that is met first
    goes first: line by line, a pixel's right side before its lower side.

    Args:
        basins: `(H, W)`, labels 0 to N - 1, each connected.
        right, below: `(H, W)`, the strength between each pixel and the next in its line, and the one below it. Without
            `below`, `right` is the strength of the pixels, and that between two is their mean.

    Returns:
        `(N - 1, 4)` rows of a linkage matrix as SciPy has it: the children, the smaller first (below N a basin, from N
        on the region that row `child - N` makes), the height, and the number of basins. Heights never fall.
    """
    count = int(basins.max(initial=-1)) + 1
    areas = np.zeros(count, np.int64)  # all less than 1, as they stay
    children, height, rank, leaves = _merges(
        np.ascontiguousarray(basins, np.int32), _strengths(right), _strengths(below), areas, 1
    )
    order = np.lexsort((rank, height))
    row_of = np.empty_like(order)
    row_of[order] = np.arange(len(order))
    children = children[order]
    made = children >= count
    children[made] = count + row_of[children[made] - count]
    children.sort(axis=1)
    return np.column_stack([children, height[order], leaves[order]]).astype(np.float64)


def _strengths(values: NDArray[np.floating] | None) -> NDArray[np.floating] | None:
    """In single precision, if they are, or in double."""
    if values is None:
        return None
    return np.ascontiguousarray(values, np.float32 if values.dtype == np.float32 else np.float64)


# Arcs (boundaries between two regions) are numbered in the order they are met. The arcs of a region are a ring of sides
# around the region's own entry: side 2 * arc + i is that of `ends[arc, i]`, and the entry of region r is
# `after[first + r]`, where `first` is twice the most arcs there can be.


@njit(cache=True)
def _link(after: NDArray[np.int32], before: NDArray[np.int32], start: int, side: int) -> None:
    after[side], before[side] = after[start], start
    before[after[start]] = side
    after[start] = side


@njit(cache=True)
def _unlink(after: NDArray[np.int32], before: NDArray[np.int32], side: int) -> None:
    after[before[side]] = after[side]
    before[after[side]] = before[side]


@njit(cache=True)
def _arc_between(
    after: NDArray[np.int32], ends: NDArray[np.int32], degree: NDArray[np.int32], first: int, a: int, b: int
) -> int:
    """The arc, or -1. Of the two rings it looks through the shorter; in a planar graph those are short on average."""
    if degree[a] > degree[b]:
        a, b = b, a
    side = after[first + a]
    while side < first:
        if ends[side >> 1, 1 - (side & 1)] == b:
            return side >> 1
        side = after[side]
    return -1


@njit(cache=True)
def _boundaries(
    basins: NDArray[np.int32],
    right: NDArray[np.floating],
    below: NDArray[np.floating] | None,
    after: NDArray[np.int32],
    before: NDArray[np.int32],
    ends: NDArray[np.int32],
    degree: NDArray[np.int32],
    total: NDArray[np.float64],
    length: NDArray[np.int64],
) -> int:
    """Fill in the rings, the ends of each arc, its total strength and its length in elements; the number of arcs."""
    height, width = basins.shape
    first = 2 * len(ends)
    arcs = 0
    previous = np.zeros(width + 1, np.int32)  # the last arc that ran down column x, and last, the one along the line
    for y in range(height):
        for x in range(width):
            here = basins[y, x]
            for side in range(2):
                if side == 0:
                    there = basins[y, x + 1] if x + 1 < width else here
                else:
                    there = basins[y + 1, x] if y + 1 < height else here
                if there == here:
                    continue
                run = x if side == 0 else width
                arc = previous[run]
                # Most elements continue the arc of the one before.
                if (ends[arc, 0] != here or ends[arc, 1] != there) and (ends[arc, 0] != there or ends[arc, 1] != here):
                    arc = _arc_between(after, ends, degree, first, here, there)
                    if arc < 0:
                        arc = arcs
                        arcs += 1
                        ends[arc, 0], ends[arc, 1] = here, there
                        _link(after, before, first + here, 2 * arc)
                        _link(after, before, first + there, 2 * arc + 1)
                        degree[here] += 1
                        degree[there] += 1
                    previous[run] = arc
                if below is not None:
                    total[arc] += right[y, x] if side == 0 else below[y, x]
                else:
                    other = right[y, x + 1] if side == 0 else right[y + 1, x]
                    total[arc] += 0.5 * (np.float64(right[y, x]) + np.float64(other))
                length[arc] += 1
    return arcs


@njit(cache=True)
def _arcs(
    basins: NDArray[np.int32], right: NDArray[np.floating], below: NDArray[np.floating] | None, count: int
) -> tuple[
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.float64],
]:
    """The rings, both ways round; the ends of each arc, `(most, 2)`; the regions' degrees; the arcs' totals, lengths
    and means, of which there are as many as arcs."""
    most = max(3 * count, 1)  # the graph is planar
    first = 2 * most
    after = np.empty(first + count, np.int32)
    before = np.empty(first + count, np.int32)
    for entry in range(first, first + count):
        after[entry] = before[entry] = entry
    ends = np.full((most, 2), np.int32(-1))
    degree = np.zeros(count, np.int32)
    total = np.zeros(most, np.float64)
    length = np.zeros(most, np.int64)
    arcs = _boundaries(basins, right, below, after, before, ends, degree, total, length)
    return after, before, ends, degree, total[:arcs], length[:arcs], total[:arcs] / length[:arcs]


# The heap of arcs, the weakest first, equals by `rank`. `place[arc]` is where an arc stands in it, -1 if it does not.


@njit(cache=True)
def _rise(
    heap: NDArray[np.int32], place: NDArray[np.int32], mean: NDArray[np.float64], rank: NDArray[np.int32], at: int
) -> None:
    arc = heap[at]
    while at:
        parent = (at - 1) >> 1
        other = heap[parent]
        if mean[other] < mean[arc] or (mean[other] == mean[arc] and rank[other] < rank[arc]):
            break
        heap[at] = other
        place[other] = at
        at = parent
    heap[at] = arc
    place[arc] = at


@njit(cache=True)
def _sink(
    heap: NDArray[np.int32],
    place: NDArray[np.int32],
    mean: NDArray[np.float64],
    rank: NDArray[np.int32],
    at: int,
    size: int,
) -> None:
    arc = heap[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        weaker = heap[child]
        if child + 1 < size:
            other = heap[child + 1]
            if mean[other] < mean[weaker] or (mean[other] == mean[weaker] and rank[other] < rank[weaker]):
                child, weaker = child + 1, other
        if mean[arc] < mean[weaker] or (mean[arc] == mean[weaker] and rank[arc] < rank[weaker]):
            break
        heap[at] = weaker
        place[weaker] = at
        at = child
    heap[at] = arc
    place[arc] = at


@njit(cache=True)
def _remove(
    heap: NDArray[np.int32],
    place: NDArray[np.int32],
    mean: NDArray[np.float64],
    rank: NDArray[np.int32],
    arc: int,
    size: int,
) -> int:
    """The heap's size without the arc."""
    at = place[arc]
    place[arc] = -1
    size -= 1
    if at < size:
        last = heap[size]
        heap[at] = last
        place[last] = at
        _rise(heap, place, mean, rank, at)
        _sink(heap, place, mean, rank, place[last], size)
    return size


@njit(cache=True)
def _heaped(
    heap: NDArray[np.int32],
    place: NDArray[np.int32],
    mean: NDArray[np.float64],
    rank: NDArray[np.int32],
    chosen: NDArray[np.bool_],
) -> int:
    """Fill the heap with the arcs that are chosen; its size."""
    size = 0
    for arc in range(len(chosen)):
        if chosen[arc]:
            heap[size] = arc
            place[arc] = size
            size += 1
    for at in range(size // 2 - 1, -1, -1):
        _sink(heap, place, mean, rank, at, size)
    return size


@njit(cache=True)
def _join(
    after: NDArray[np.int32],
    before: NDArray[np.int32],
    ends: NDArray[np.int32],
    degree: NDArray[np.int32],
    total: NDArray[np.float64],
    length: NDArray[np.int64],
    mean: NDArray[np.float64],
    rank: NDArray[np.int32],
    heap: NDArray[np.int32],
    place: NDArray[np.int32],
    size: int,
    between: int,
    into: int,
    gone: int,
) -> int:
    """Give the arcs of `gone` to `into`, without the arc between them; the heap's size after that."""
    first = 2 * len(ends)
    length[between] = 0
    _unlink(after, before, 2 * between)
    _unlink(after, before, 2 * between + 1)
    degree[into] -= 1
    degree[gone] = 0
    side = after[first + gone]
    while side < first:
        following = after[side]
        arc, i = side >> 1, side & 1
        third = ends[arc, 1 - i]
        kept = _arc_between(after, ends, degree, first, into, third)
        if kept < 0:
            ends[arc, i] = into
            _link(after, before, first + into, side)
            degree[into] += 1
        else:
            if place[arc] >= 0:
                size = _remove(heap, place, mean, rank, arc, size)
            _unlink(after, before, side ^ 1)
            degree[third] -= 1
            total[kept] += total[arc]
            length[kept] += length[arc]
            length[arc] = 0
            mean[kept] = total[kept] / length[kept]
            rank[kept] = min(rank[kept], rank[arc])
            if place[kept] >= 0:
                _rise(heap, place, mean, rank, place[kept])
                _sink(heap, place, mean, rank, place[kept], size)
        side = following
    return size


@njit(cache=True)
def _merges(
    basins: NDArray[np.int32],
    right: NDArray[np.floating],
    below: NDArray[np.floating] | None,
    area: NDArray[np.int64],
    min_area: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]]:
    """Children, height, rank and number of basins of every merge, in an order in which children come first.

    Boundaries count that have a region under the area on a side. `area` has that of each basin, and grows.

    A mean over two boundaries is no less than the weaker, so two regions that are each other's weakest neighbour merge
    whatever happens elsewhere first. Such pairs are found by following weakest neighbours from region to region
    (Murtagh, "A Survey of Recent Advances in Hierarchical Clustering Algorithms", 1983), which stays in one part of the
    image and so in the processor's cache. To look through the arcs of a region with very many again and again would
    be slow: what leads to one is left, and merged by a heap in the end. A boundary that does not count never will, for
    regions grow; and the weakest of two regions' boundaries that count keeps counting until it goes.
    """
    count = len(area)
    after, before, ends, degree, total, length, mean = _arcs(basins, right, below, count)
    first, arcs = 2 * len(ends), len(mean)
    rank = np.arange(arcs).astype(np.int32)

    node = np.arange(count)
    leaves = np.ones(count, np.int64)
    top = np.zeros(count, np.float64)  # height and rank of the merge that made a region
    top_rank = np.full(count, np.int32(-1))
    left_alone = np.zeros(count, np.bool_)
    chain = np.empty(count, np.int32)
    links = 0
    begin = 0

    heap = np.empty(0, np.int32)
    place = np.full(arcs, np.int32(-1))
    size = 0

    children = np.empty((max(count - 1, 0), 2), np.int64)
    heights = np.empty(len(children), np.float64)
    ranks = np.empty(len(children), np.int32)
    sizes = np.empty(len(children), np.int64)
    row = 0
    while row < len(children):
        weakest = -1
        while weakest < 0 and begin < count:
            if links == 0:
                if degree[begin] and area[begin] < min_area and not left_alone[begin]:
                    chain[0] = begin
                    links = 1
                else:
                    begin += 1
                continue
            region = chain[links - 1]
            if degree[region] == 0:  # gone: only rounding brings that about
                links -= 1
                continue
            if degree[region] > _FEW or left_alone[region] or links == count:
                for i in range(links):
                    left_alone[chain[i]] = True
                links = 0
                continue
            best = -1
            side = after[first + region]
            small = area[region] < min_area
            while side < first:
                arc = side >> 1
                if (small or area[ends[arc, 1 - (side & 1)]] < min_area) and (
                    best < 0 or mean[arc] < mean[best] or (mean[arc] == mean[best] and rank[arc] < rank[best])
                ):
                    best = arc
                side = after[side]
            neighbour = ends[best, 0] + ends[best, 1] - region
            if links > 1 and chain[links - 2] == neighbour:
                weakest = best
                links -= 2
            else:
                chain[links] = neighbour
                links += 1
        if weakest < 0:
            if len(heap) == 0:
                heap = np.empty(arcs, np.int32)
                size = _heaped(heap, place, mean, rank, length > 0)
            while size and weakest < 0:
                arc = heap[0]
                size = _remove(heap, place, mean, rank, arc, size)
                if min(area[ends[arc, 0]], area[ends[arc, 1]]) < min_area:
                    weakest = arc
            if weakest < 0:
                break

        into, gone = ends[weakest, 0], ends[weakest, 1]
        if degree[into] < degree[gone]:
            into, gone = gone, into  # an arc moves at most log N times
        children[row, 0], children[row, 1] = node[into], node[gone]
        area[into] += area[gone]
        leaves[into] += leaves[gone]
        sizes[row] = leaves[into]
        # Means do not fall from child to parent, but for rounding.
        for region in (into, gone):
            if mean[weakest] < top[region] or (mean[weakest] == top[region] and rank[weakest] < top_rank[region]):
                mean[weakest], rank[weakest] = top[region], top_rank[region]
        heights[row], ranks[row] = mean[weakest], rank[weakest]
        top[into], top_rank[into] = mean[weakest], rank[weakest]
        node[into] = count + row
        row += 1

        size = _join(after, before, ends, degree, total, length, mean, rank, heap, place, size, weakest, into, gone)
    return children[:row], heights[:row], ranks[:row], sizes[:row]


def without_small(
    basins: NDArray[np.int32], right: NDArray[np.floating], below: NDArray[np.floating] | None, min_area: int
) -> NDArray[np.int32]:
    """Merges each basin that has less than an area with a neighbour.

    Of all boundaries that have a region under the area on a side, again and again the weakest goes, in the strength and
    with the ties of `merge_order`, until there is none: every region has the area, or there is only one.

    Args:
        basins, right, below: as `merge_order` takes them.
        min_area: pixels.

    Returns:
        `(H, W)` labels 0 to R - 1 by the regions' first pixels, line by line; each is connected.
    """
    basins = np.ascontiguousarray(basins, np.int32)
    areas = np.bincount(basins.ravel())
    children, *_ = _merges(basins, _strengths(right), _strengths(below), areas, min_area)
    labels, _ = _merged(basins, children, len(areas))
    return labels


@njit(cache=True)
def _merged(
    basins: NDArray[np.int32], children: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The labels of the pixels after the merges, by the regions' first pixels, and of all nodes that are regions."""
    parent = np.arange(count + len(children))
    for row in range(len(children)):
        parent[children[row, 0]] = parent[children[row, 1]] = count + row
    for node in range(len(parent) - 1, -1, -1):
        parent[node] = parent[parent[node]]  # from the top: the region of each node
    label = np.full(len(parent), -1)
    labels = np.empty_like(basins)
    found = 0
    for y in range(basins.shape[0]):
        for x in range(basins.shape[1]):
            region = parent[basins[y, x]]
            if label[region] < 0:
                label[region] = found
                found += 1
            labels[y, x] = label[region]
    return labels, label


def cut(
    basins: NDArray[np.int32], merges: NDArray[np.float64], leaves: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Returns the top of a hierarchy: at most so many regions, and the merges above them.

    Args:
        basins: `(H, W)`, labels 0 to N - 1.
        merges: `(N - 1, 4)`, as `merge_order` gives them.
        leaves: at least 1.

    Returns:
        `(H, W)` labels 0 to R - 1 by the regions' first pixels, line by line, with R the smaller of N and `leaves`; and
        the linkage matrix `(R - 1, 4)` over them, whose sizes count leaves.
    """
    return _cut(np.ascontiguousarray(basins, np.int32), np.ascontiguousarray(merges), leaves)


@njit(cache=True)
def _cut(
    basins: NDArray[np.int32], merges: NDArray[np.float64], leaves: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    count = len(merges) + 1
    regions = min(count, leaves)
    lower = count - regions  # the merges below the cut
    children = merges[:, :2].astype(np.int64)
    labels, label = _merged(basins, children[:lower], count)
    label = np.concatenate((label, np.arange(regions, 2 * regions - 1)))  # of those above it, too
    rows = np.empty((regions - 1, 4), np.float64)
    size = np.ones(2 * regions - 1)
    for row in range(regions - 1):
        a, b = label[children[lower + row, 0]], label[children[lower + row, 1]]
        size[regions + row] = size[a] + size[b]
        rows[row, 0], rows[row, 1] = min(a, b), max(a, b)
        rows[row, 2], rows[row, 3] = merges[lower + row, 2], size[regions + row]
    return labels, rows
