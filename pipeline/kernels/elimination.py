"""Gaussian elimination on a graph, for sparse symmetric systems whose matrices are those of almost planar graphs.

George and Liu, "The Evolution of the Minimum Degree Ordering Algorithm", SIAM Review 1989.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit


class Factors(NamedTuple):
    """Holds a matrix as `L D L^T`: unknowns in the order in which they go, and what each gives to those that stay.

    The i-th to go is `order[i]`, with pivot `pivots[i]`; it gives the shares `shares[starts[i] : starts[i + 1]]` to
    those that go as the `later[...]`-th, which are the negative entries of column i of L.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    later: NDArray[np.int32]
    shares: NDArray[np.float64]
    pivots: NDArray[np.float64]


@njit(cache=True)
def factors(ends: NDArray[np.int32], weights: NDArray[np.float64], diagonal: NDArray[np.float64]) -> Factors:
    """Computes the factors of a matrix that has `diagonal`, and at each edge of a graph its weight taken off, twice.

    The unknowns go by their number of neighbours, about: of few first, so that those they leave behind, which then are
    each other's neighbours, are few.

    Args:
        ends: `(2, E)`, of each edge its two unknowns, which differ; an edge may occur again, and then adds up.
        weights: `(E,)`, 0 or more.
        diagonal: `(N,)`; more than an unknown's weights together, so that no pivot is 0.
    """
    count = len(diagonal)
    pivot = diagonal.copy()
    # An unknown's neighbours are `size` places from `begin` on, of `room`; those that need more move to the `top`.
    size = np.zeros(count, np.int64)
    room = np.bincount(ends.copy().ravel(), minlength=count)
    begin = np.cumsum(room) - room
    top = begin[-1] + room[-1]
    neighbours = np.empty(4 * top, np.uint32)
    strengths = np.empty(4 * top, np.float64)
    for e in range(len(weights)):
        for side in range(2):
            a, b = ends[side, e], ends[1 - side, e]
            place = begin[a]
            while place < begin[a] + size[a] and neighbours[place] != b:
                place += 1
            if place == begin[a] + size[a]:
                neighbours[place], strengths[place] = b, 0
                size[a] += 1
            strengths[place] += weights[e]

    order = np.empty(count, np.int64)
    left = np.arange(count)
    place_of = np.zeros(count, np.int64)  # among the neighbours of the one at hand; stale, where another is there
    gone = 0
    most = 0
    while len(left):
        kept = 0
        for v in left:
            if size[v] > most:
                left[kept] = v
                kept += 1
                continue
            order[gone] = v
            gone += 1
            for i in range(begin[v], begin[v] + size[v]):
                a, strength = neighbours[i], strengths[i]
                share = strength / pivot[v]
                pivot[a] -= strength * share
                if size[a] + size[v] > room[a]:
                    room[a] = 2 * (size[a] + size[v])
                    while top + room[a] > len(neighbours):
                        neighbours = np.concatenate((neighbours, np.empty_like(neighbours)))
                        strengths = np.concatenate((strengths, np.empty_like(strengths)))
                    neighbours[top : top + size[a]] = neighbours[begin[a] : begin[a] + size[a]]
                    strengths[top : top + size[a]] = strengths[begin[a] : begin[a] + size[a]]
                    begin[a] = top
                    top += room[a]
                first, last = begin[a], begin[a] + size[a]
                for place in range(first, last):
                    place_of[neighbours[place]] = place
                for j in range(begin[v], begin[v] + size[v]):
                    b = neighbours[j]
                    if b == a:
                        continue
                    place = place_of[b]
                    if not first <= place < last or neighbours[place] != b:
                        place = last
                        neighbours[place], strengths[place] = b, 0
                        last += 1
                    strengths[place] += share * strengths[j]
                last -= 1
                place = place_of[v]
                neighbours[place], strengths[place] = neighbours[last], strengths[last]
                size[a] = last - first
        most = most + 1 if kept == len(left) else most
        left = left[:kept]

    turn = np.empty(count, np.int32)
    starts = np.zeros(count + 1, np.int64)
    for i in range(count):
        turn[order[i]] = i
        starts[i + 1] = starts[i] + size[order[i]]
    later = np.empty(starts[-1], np.int32)
    shares = np.empty(starts[-1], np.float64)
    for i in range(count):
        v = order[i]
        for j in range(size[v]):
            later[starts[i] + j] = turn[neighbours[begin[v] + j]]
            shares[starts[i] + j] = strengths[begin[v] + j] / pivot[v]
    return Factors(order, starts, later, shares, pivot[order])


@njit(cache=True)
def solve(of: Factors, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the solution `(N,)` of the factorised matrix and the right-hand side `(N,)`."""
    values = right[of.order]
    for i in range(len(values)):
        value = values[i]
        for j in range(of.starts[i], of.starts[i + 1]):
            values[np.uint32(of.later[j])] += of.shares[j] * value
    for i in range(len(values) - 1, -1, -1):
        value = values[i] / of.pivots[i]
        for j in range(of.starts[i], of.starts[i + 1]):
            value += of.shares[j] * values[np.uint32(of.later[j])]
        values[i] = value
    solution = np.empty_like(values)
    solution[of.order] = values
    return solution
