"""From the channels of an image to the votes of a structured forest, and the sharpening of what it votes for.

Dollar and Zitnick, "Fast Edge Detection Using Structured Forests", TPAMI 2015, sections 3 and 4.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_FEATURE_BITS, _CHILD_BITS = 13, 17  # of a packed node; then two that say which children are leaves, and the threshold
MOST_NODES = 2 << _CHILD_BITS  # of a tree, of which less than half have children of their own
_ROWS, _COLUMNS = 4, 256  # of patches that go down the first levels of a tree together
_LEVELS = 8
_PATCHES = 5000  # that are sorted by where they are after these levels
_GROUP = 256  # of them go down the rest together
_BUCKET = 4  # bits: so many neighbouring nodes are one to the sorting
_LINE = 64  # bytes of the processor's cache that come together

_U = np.uint64  # numba looks whether a signed index counts from the end, which would take a third of a walk


def packed_trees(
    child: NDArray[np.int32], feature: NDArray[np.int32], threshold: NDArray[np.float32]
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Packs the trees as `forest_leaves` walks them: without their leaves, so that a tree fits into the cache.

    Nodes that a walk comes by lie close together, see `_packing_order`.

    Args:
        child, feature, threshold: `(T, N)`, as a `Forest` has them.

    Returns:
        `(T, M)`, of each node that has children, from the lowest bit on: the feature; the place among these rows of its
        first child that is none of the leaves; whether the left child is a leaf, and the right one; the threshold's
        bits. And `(T, M)`, the number of its left child through all trees, tree * N + node. M is 1 at least.
    """
    trees, size = child.shape
    inner = child > 0
    orders = [_packing_order(each) for each in np.ascontiguousarray(child, np.int32)]
    most = max(1, *map(len, orders))
    nodes, left = np.zeros((trees, most), np.uint64), np.zeros((trees, most), np.int32)
    # A tree that is one leaf: nothing is as high as infinity, so all go left, to what is said to be a leaf.
    nodes[:, 0] = (_U(np.float32(np.inf).view(np.uint32)) << _U(32)) | (_U(3) << _U(_FEATURE_BITS + _CHILD_BITS))
    left[:, 0] = size * np.arange(trees)
    place = np.zeros(size, np.int64)
    for tree, rows in enumerate(orders):
        first = child[tree, rows]
        ends = ~inner[tree, first], ~inner[tree, first + 1]
        place[rows] = np.arange(len(rows))
        onward = np.where(ends[0], place[first + 1], place[first])
        onward[ends[0] & ends[1]] = 0
        words = np.ascontiguousarray(threshold[tree, rows]).view(np.uint32).astype(np.uint64)
        for part, bits in ((ends[1], 1), (ends[0], 1), (onward, _CHILD_BITS), (feature[tree, rows], _FEATURE_BITS)):
            words = (words << _U(bits)) | part.astype(np.uint64)
        nodes[tree, : len(rows)] = words
        left[tree, : len(rows)] = tree * size + first
    return nodes, left


@njit(cache=True)
def _packing_order(child: NDArray[np.int32]) -> NDArray[np.int64]:
    """The nodes of a tree that have children: the first levels breadth first, then each subtree depth first.

    Two such nodes of one parent follow each other.
    """
    order = np.empty(len(child), np.int64)
    stack = np.empty(len(child), np.int64)
    order[0], begin, end = 0, 0, int(child[0] > 0)
    for _ in range(_LEVELS):
        level = order[begin:end]
        begin = end
        for node in level:
            for below in range(child[node], child[node] + 2):
                if child[below] > 0:
                    order[end] = below
                    end += 1
    for root in order[begin:end].copy():
        stack[0], waiting = root, 1
        while waiting:
            waiting -= 1
            first = child[stack[waiting]]
            for below in range(first, first + 2):
                if child[below] > 0:
                    order[end] = below
                    end += 1
            for below in range(first + 1, first - 1, -1):
                if child[below] > 0:
                    stack[waiting] = below
                    waiting += 1
    return order[:end]


@njit(cache=True)
def forest_leaves(
    planes: NDArray[np.float32],
    nodes: NDArray[np.uint64],
    left: NDArray[np.int32],
    places: NDArray[np.uint64],
    voters: int,
    rows: int,
    columns: int,
) -> NDArray[np.int32]:
    """Finds the leaf that each patch reaches in each tree that looks at it.

    Patch (i, j) starts at pixel (i, j) of the channels; tree `(i + j) mod 2 voters` and the next ones look at it, so
    that neighbours ask different trees. A walk waits for memory most of its time. So: tree by tree, since a tree fits
    into the cache and the forest does not; what a few lines of patches will look at is read beforehand, in order; these
    patches go side by side, level by level and without branches, so that they wait together. After some levels the
    patches of some more lines are sorted by where they are, since a tree has grown too wide for the fastest cache.

    Args:
        planes: `(P, H, W)`, the channels and a last one of zeros, finite; `H = rows + 16`, `W = columns + 16`.
        nodes, left: `(T, M)`, as `packed_trees` gives them; lower values go left.
        places: `(F,)`: where in `planes` a feature's value is for patch (0, 0), and, times 2^32, where what is taken
            off it; for a feature that is a pixel's value the zeros begin there.
        voters: trees to a patch.
        rows, columns: of the patches.

    Returns:
        `(rows, columns, voters)`, numbered through all trees: tree * N + node.
    """
    leaves = np.empty((rows, columns, voters), np.int32)
    values, flat = planes.ravel(), leaves.ravel()
    line = planes.shape[2]
    strip = max(_PATCHES // max(columns, 1) // _ROWS, 1) * _ROWS
    most = min(strip, rows) * columns + 1
    at, sorted_at = np.empty(most, np.uint64), np.empty(most, np.uint64)
    where, sorted_where = np.empty(most, np.uint64), np.empty(most, np.uint64)
    ends = np.empty((nodes.shape[1] >> _BUCKET) + 2, np.int64)
    slots = np.empty(2 * voters, np.int64)
    read = 0.0
    for tree in range(len(nodes)):
        splits = nodes[tree]
        cuts = splits.view(np.float32)
        for node in range(0, len(splits), _LINE // 8):
            read += cuts[2 * node]
        for turn in range(2 * voters):
            slots[turn] = (tree - turn) % len(nodes)
        for begin in range(0, rows, strip):
            end = min(begin + strip, rows)
            waiting = _U(0)
            for first in range(0, columns, _COLUMNS):
                last = min(first + _COLUMNS, columns)
                for top in range(begin, end, _ROWS):
                    bottom = min(top + _ROWS, end)
                    for plane in planes:
                        for y in range(top + 16 if top else 0, bottom + 16):
                            for x in range(first, last + 16, _LINE // 4):
                                read += plane[y, x]
                    live = waiting
                    for i in range(top, bottom):
                        turn = (i + first) % (2 * voters)
                        for j in range(first, last):
                            slot = slots[turn]
                            turn = turn + 1 if turn + 1 < 2 * voters else 0
                            at[live] = 0
                            where[live] = (((i * columns + j) * voters + slot) << 32) | (i * line + j)
                            live += _U(slot < voters)
                    waiting += _descend(
                        values,
                        splits,
                        cuts,
                        left[tree],
                        places,
                        live - waiting,
                        at[waiting:],
                        where[waiting:],
                        _LEVELS,
                        flat,
                    )
            _sort_by_node(waiting, at, where, sorted_at, sorted_where, ends)
            for a in range(0, waiting, _GROUP):
                count = min(_U(_GROUP), waiting - _U(a))
                _descend(
                    values, splits, cuts, left[tree], places, count, sorted_at[a:], sorted_where[a:], len(splits), flat
                )
    if np.isinf(read):  # never: but what is not used would not be read
        leaves[0, 0, 0] = -1
    return leaves


@njit(cache=True)
def _descend(
    values: NDArray[np.float32],
    splits: NDArray[np.uint64],
    cuts: NDArray[np.float32],
    left: NDArray[np.int32],
    places: NDArray[np.uint64],
    live: np.uint64,
    at: NDArray[np.uint64],
    where: NDArray[np.uint64],
    levels: int,
    leaves: NDArray[np.int32],
) -> np.uint64:
    """Walk the first `live` patches so many levels down a tree, from their nodes `at`; how many are still on their way.

    `where` has a patch's place in `values` and, times 2^32, where its leaf goes. Those on their way come to be first.
    """
    low = _U(0xFFFFFFFF)
    while live > _U(0) and levels > 0:
        levels -= 1
        going = _U(0)
        for a in range(live):
            node, patch = at[a], where[a]
            split = splits[node]
            place = places[split & _U((1 << _FEATURE_BITS) - 1)]
            here = patch & low
            value = values[here + (place & low)] - values[here + (place >> _U(32))]
            right = _U(value >= cuts[_U(2) * node + _U(1)])
            ends = split >> _U(_FEATURE_BITS + _CHILD_BITS)
            onward = (split >> _U(_FEATURE_BITS)) & _U((1 << _CHILD_BITS) - 1)
            at[going] = onward + (right & ~ends)
            where[going] = patch
            if (ends >> right) & _U(1):
                leaves[patch >> _U(32)] = left[node] + np.int32(right)
            else:
                going += _U(1)
        live = going
    return live


@njit(cache=True)
def _sort_by_node(
    count: np.uint64,
    at: NDArray[np.uint64],
    where: NDArray[np.uint64],
    sorted_at: NDArray[np.uint64],
    sorted_where: NDArray[np.uint64],
    ends: NDArray[np.int64],
) -> None:
    """Sort the first `count` patches by their nodes, in buckets, as they come; `ends` is room for the buckets' ends."""
    bucket = _U(_BUCKET)
    ends[:] = 0
    for a in range(count):
        ends[(at[a] >> bucket) + _U(1)] += 1
    for b in range(1, len(ends)):
        ends[b] += ends[b - 1]
    for a in range(count):
        b = at[a] >> bucket
        to = _U(ends[b])
        sorted_at[to], sorted_where[to] = at[a], where[a]
        ends[b] += 1


@njit(cache=True)
def edge_votes(
    leaves: NDArray[np.int32], edge_starts: NDArray[np.int32], edge_bins: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Counts how many leaves see an edge at each pixel.

    Args:
        leaves: `(R, C, voters)`, of patches 2 pixels apart.
        edge_starts: `(nodes + 1,)`, a leaf's own edges are from its entry to the next.
        edge_bins: the edges' pixels in the 16 x 16 square, column by column.

    Returns:
        `(2 R + 14, 2 C + 14)`.
    """
    rows, columns, voters = leaves.shape
    votes = np.zeros((2 * rows + 14, 2 * columns + 14), np.int32)
    width = votes.shape[1]
    flat = votes.ravel()
    offset = np.empty(256, np.int64)
    for b in range(256):
        offset[b] = (b % 16) * width + b // 16
    # First the leaves of a line that have edges, then where the edges are: looking for that waits for memory, and so it
    # is done side by side.
    first = np.empty(columns * voters, np.int32)
    last = np.empty(columns * voters, np.int32)
    corner = np.empty(columns * voters, np.int64)
    read = 0
    for i in range(rows):
        count = 0
        for j in range(columns):
            for k in range(voters):
                leaf = _U(leaves[i, j, k])
                first[count], last[count] = edge_starts[leaf], edge_starts[leaf + _U(1)]
                corner[count] = 2 * i * width + 2 * j
                count += first[count] < last[count]
        for n in range(count):
            read += edge_bins[_U(first[n])] + edge_bins[_U(last[n] - 1)]
        for n in range(count):
            for e in range(_U(first[n]), _U(last[n])):
                flat[_U(corner[n] + offset[edge_bins[e]])] += 1
    if read < 0:  # never: but what is not used would not be read
        votes[0, 0] = -1
    return votes


@njit(cache=True)
def leaf_segments(
    edge_starts: NDArray[np.int32], edge_bins: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Returns the segments that the edges of each leaf part.

    A segment is what is connected without the edges, grown over the edges evenly.

    Args:
        edge_starts, edge_bins: as in `edge_votes`.

    Returns:
        Of each node the row of its segments, -1 where it has fewer than two; and `(rows, 256)`, labels from 0 up.
    """
    nodes = len(edge_starts) - 1
    row = np.full(nodes, -1, np.int32)
    count = 0
    for n in range(nodes):
        count += edge_starts[n + 1] > edge_starts[n]
    segments = np.empty((count, 256), np.uint8)
    queue = np.empty(256, np.int64)
    edge = np.empty(256, np.bool_)
    label = np.empty(256, np.int64)
    count = 0
    for n in range(nodes):
        if edge_starts[n + 1] == edge_starts[n]:
            continue
        edge[:] = False
        for e in range(edge_starts[n], edge_starts[n + 1]):
            edge[edge_bins[e]] = True
        label[:] = -1
        known = 0
        for start in range(256):
            if edge[start] or label[start] >= 0:
                continue
            label[start] = known
            head, tail = 0, 1
            queue[0] = start
            while head < tail:
                b = queue[head]
                head += 1
                for side in range(4):
                    c = _neighbour(b, side)
                    if c >= 0 and not edge[c] and label[c] < 0:
                        label[c] = known
                        queue[tail] = c
                        tail += 1
            known += 1
        if known < 2:
            continue
        tail = 0
        for b in range(256):
            if label[b] >= 0:
                queue[tail] = b
                tail += 1
        head = 0
        while head < tail:
            b = queue[head]
            head += 1
            for side in range(4):
                c = _neighbour(b, side)
                if c >= 0 and label[c] < 0:
                    label[c] = label[b]
                    queue[tail] = c
                    tail += 1
        for b in range(256):
            segments[count, b] = label[b]
        row[n] = count
        count += 1
    return row, segments[:count]


@njit(cache=True, inline="always")
def _neighbour(b: int, side: int) -> int:
    """The pixel above, below, left or right in a 16 x 16 square held column by column; -1 outside."""
    if side == 0:
        return b - 1 if b % 16 > 0 else -1
    if side == 1:
        return b + 1 if b % 16 < 15 else -1
    if side == 2:
        return b - 16
    return b + 16 if b < 240 else -1


@njit(cache=True)
def sharpened_votes(
    leaves: NDArray[np.int32],
    edge_starts: NDArray[np.int32],
    edge_bins: NDArray[np.uint8],
    row: NDArray[np.int32],
    segments: NDArray[np.uint8],
    colours: NDArray[np.float32],
    steps: int,
) -> NDArray[np.int32]:
    """Counts votes as `edge_votes`, after the segments of each leaf have been fitted to the colours of the patch.

    Section 3.3 ("edge sharpening"): in each step every pixel at a boundary goes over to the neighbouring segment whose
    mean colour, over the leaf's own segment, is nearest to the pixel's.

    Args:
        leaves, edge_starts, edge_bins: as in `edge_votes`.
        row, segments: as `leaf_segments` gives them.
        colours: `(2 R + 14, 2 C + 14, 3)`.
        steps: pixels by which a boundary may move.

    Returns:
        As `edge_votes`; a leaf without two segments votes for its own edges.
    """
    rows, columns, voters = leaves.shape
    votes = np.zeros((2 * rows + 14, 2 * columns + 14), np.int32)
    neighbours = np.empty((256, 4), np.uint16)  # a pixel's own number where the square ends
    for b in range(256):
        for side in range(4):
            a = _neighbour(b, side)
            neighbours[b, side] = a if a >= 0 else b
    patch = np.empty((256, 3), np.float32)
    label = np.empty(256, np.uint8)
    mean = np.empty((256, 3), np.float32)
    near = np.empty(256, np.uint16)  # the pixels that may be at a boundary, and whether a pixel is one of them
    listed = np.zeros(256, np.bool_)
    for i in range(rows):
        for j in range(columns):
            y, x = 2 * i, 2 * j
            seen = False
            for v in range(voters):
                leaf = leaves[i, j, v]
                first, last = edge_starts[leaf], edge_starts[leaf + 1]
                if row[leaf] < 0:
                    for e in range(first, last):
                        votes[y + edge_bins[e] % 16, x + edge_bins[e] // 16] += 1
                    continue
                if not seen:
                    seen = True
                    for b in range(256):
                        for c in range(3):
                            patch[b, c] = colours[y + b % 16, x + b // 16, c]
                _means(segments, row[leaf], patch, label, mean)
                count = 0
                for e in range(first, last):
                    near[count] = edge_bins[e]
                    listed[edge_bins[e]] = True
                    count += 1
                for _ in range(steps):
                    _go_over(label, patch, mean, near, count, neighbours)
                    count = _widened(near, count, listed, neighbours)
                for n in range(count):
                    b = near[n]
                    listed[b] = False
                    here = label[b]
                    if (
                        label[neighbours[b, 0]] != here
                        or label[neighbours[b, 1]] != here
                        or label[neighbours[b, 2]] != here
                        or label[neighbours[b, 3]] != here
                    ):
                        votes[y + b % 16, x + b // 16] += 1
    return votes


@njit(cache=True)
def _means(
    segments: NDArray[np.uint8],
    row: int,
    patch: NDArray[np.float32],
    label: NDArray[np.uint8],
    mean: NDArray[np.float32],
) -> None:
    """Copy a row of segments to `label`, and fill `mean` with the mean colour of each."""
    known = 0
    for b in range(256):
        label[b] = segments[row, b]
        known = max(known, label[b] + 1)
    size = np.zeros(known, np.float32)
    for s in range(known):
        mean[s, 0] = mean[s, 1] = mean[s, 2] = 0
    for b in range(256):
        s = label[b]
        size[s] += 1
        mean[s, 0] += patch[b, 0]
        mean[s, 1] += patch[b, 1]
        mean[s, 2] += patch[b, 2]
    for s in range(known):
        for c in range(3):
            mean[s, c] /= size[s]


@njit(cache=True)
def _go_over(
    label: NDArray[np.uint8],
    patch: NDArray[np.float32],
    mean: NDArray[np.float32],
    near: NDArray[np.uint16],
    count: int,
    neighbours: NDArray[np.uint16],
) -> None:
    """Let each of the first `count` pixels join a neighbour's segment if its colour is nearer to that segment's."""
    for n in range(count):
        b = near[n]
        best = label[b]
        least = _apart(patch, b, mean, best)
        for side in range(4):
            other = label[neighbours[b, side]]
            if other != best:
                distance = _apart(patch, b, mean, other)
                if distance < least:
                    least, best = distance, other
        label[b] = best


@njit(cache=True, inline="always")
def _apart(patch: NDArray[np.float32], b: int, mean: NDArray[np.float32], s: int) -> np.float32:
    d0 = patch[b, 0] - mean[s, 0]
    d1 = patch[b, 1] - mean[s, 1]
    d2 = patch[b, 2] - mean[s, 2]
    return d0 * d0 + d1 * d1 + d2 * d2


@njit(cache=True)
def _widened(near: NDArray[np.uint16], count: int, listed: NDArray[np.bool_], neighbours: NDArray[np.uint16]) -> int:
    """Add the neighbours of the first `count` pixels; how many there are then."""
    grown = count
    for n in range(count):
        for side in range(4):
            a = neighbours[near[n], side]
            if not listed[a]:
                listed[a] = True
                near[grown] = a
                grown += 1
    return grown
