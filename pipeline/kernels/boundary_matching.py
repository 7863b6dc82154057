"""Boundary pixels of a machine and of a human, matched one to one.

Martin, Fowlkes and Malik, "Learning to Detect Natural Image Boundaries Using Local Brightness, Color, and Texture
Cues", TPAMI 2004, section 3 and appendix B. Theirs is an assignment of least cost in which leaving a pixel unmatched
costs a hundred times what the farthest match does: no assignment matches more pixels. Here the number is exact by
augmenting paths (Hopcroft and Karp, "An n^(5/2) Algorithm for Maximum Matchings in Bipartite Graphs", SIAM J. Comput.
1973) from pairs taken nearest first; theirs leaves out edges by chance, which moves its counts from run to run.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_NONE = -1


def matched_pixels(
    machine: NDArray[np.bool_], human: NDArray[np.bool_], radius: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Finds the largest number of pairs of one pixel of each mask, no farther apart than `radius`.

    No pixel is in two pairs.

    Args:
        machine, human: `(H, W)`.
        radius: pixels.

    Returns:
        The pixels of `machine` and those of `human` that have a partner, `(H, W)` each.

    Raises:
        ValueError: the shapes differ.
    """
    if machine.shape != human.shape:
        raise ValueError(f"masks {machine.shape} and {human.shape} differ in size")
    reach = int(radius)
    height, width = machine.shape
    names = np.full((height + 2 * reach, width + 2 * reach), _NONE, np.int32)  # a margin, so that no look-up leaves it
    inside = names[reach : reach + height, reach : reach + width]
    inside[human] = np.arange(np.count_nonzero(human), dtype=np.int32)
    pixels = np.flatnonzero(np.pad(machine, reach))
    partner, taken = _match(pixels, names.ravel(), _nearest_first(radius, names.shape[1]), np.count_nonzero(human))
    ours, theirs = np.zeros_like(machine), np.zeros_like(human)
    ours[machine] = partner != _NONE
    theirs[human] = taken != _NONE
    return ours, theirs


def _nearest_first(radius: float, stride: int) -> NDArray[np.int64]:
    """The disc's offsets in a flattened image whose lines are `stride` long, nearest first, then line by line."""
    reach = int(radius)
    y, x = (grid.ravel() for grid in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    squares = y * y + x * x
    within = squares <= radius * radius
    order = np.argsort(squares[within], kind="stable")
    return np.asarray((y * stride + x)[within][order], np.int64)


@njit(cache=True)
def _match(
    pixels: NDArray[np.int64], names: NDArray[np.int32], offsets: NDArray[np.int64], humans: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Partners of the machine's and of the human's pixels by number, -1 for none."""
    count = len(pixels)
    starts = np.zeros(count + 1, np.int64)
    for i in range(count):
        for offset in offsets:
            starts[i + 1] += names[pixels[i] + offset] >= 0
        starts[i + 1] += starts[i]
    edges = np.empty(starts[count], np.int32)
    end = 0
    for i in range(count):
        for offset in offsets:
            name = names[pixels[i] + offset]
            if name >= 0:
                edges[end] = name
                end += 1
    partner = np.full(count, np.int32(_NONE), np.int32)
    taken = np.full(humans, np.int32(_NONE), np.int32)
    for offset in offsets:
        for i in range(count):
            if partner[i] == _NONE:
                name = names[pixels[i] + offset]
                if name >= 0 and taken[name] == _NONE:
                    partner[i], taken[name] = name, i
    while _augment(starts, edges, partner, taken):
        pass
    return partner, taken


@njit(cache=True)
def _augment(
    starts: NDArray[np.int64], edges: NDArray[np.int32], partner: NDArray[np.int32], taken: NDArray[np.int32]
) -> bool:
    """One phase: augment along disjoint shortest paths; False when there was none, and the matching is the largest."""
    count = len(partner)
    level = np.full(count, np.int32(_NONE), np.int32)
    queue = np.empty(count, np.int32)
    end = 0
    for i in range(count):
        if partner[i] == _NONE and starts[i] < starts[i + 1]:
            level[i] = 0
            queue[end] = i
            end += 1
    deepest = np.int32(count)  # the level from which a path can first end
    head = 0
    while head < end:
        i = queue[head]
        head += 1
        if level[i] >= deepest:
            break
        for e in range(starts[i], starts[i + 1]):
            j = taken[edges[e]]
            if j == _NONE:
                deepest = level[i]
                break
            if level[j] == _NONE:
                level[j] = level[i] + np.int32(1)
                queue[end] = j
                end += 1
    if deepest == count:
        return False
    # Depth first along rising levels; `at` remembers how far a pixel's edges have been tried.
    at = starts[:count].copy()
    path = np.empty(deepest + 1, np.int32)
    for root in range(count):
        if partner[root] != _NONE or level[root] != 0:
            continue
        depth = 0
        path[0] = root
        while depth >= 0:
            i = path[depth]
            if at[i] == starts[i + 1]:
                depth -= 1
                continue
            name = edges[at[i]]
            at[i] += 1
            j = taken[name]
            if j == _NONE:
                while depth >= 0:  # each pixel of the path takes the partner that the next one leaves
                    i = path[depth]
                    name, partner[i] = partner[i], name
                    taken[partner[i]] = i
                    depth -= 1
                break
            if level[j] == level[i] + 1 and depth < deepest:
                depth += 1
                path[depth] = j
    return True
