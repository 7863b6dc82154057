"""Which way a boundary runs, and how strong it is in that direction.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 4.1: the oriented
watershed transform. Orientations are those of the normal, in radians, from the x axis (right) towards y (down).
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_RADIUS = 4  # of the triangle filter
_STRAIGHT = 0.1  # an arc may stray from its chord by less than this share of the chord,
_NEAR = 4.0  # or by this many half pixels


def boundary_orientation(strength: NDArray[np.floating]) -> NDArray[np.float32]:
    """Returns the direction across the ridge at every pixel: in which the smoothed strength curves down the most.

    The strength is smoothed by a triangle filter of radius 4 (the border repeats its pixels); the direction is that of
    the Hessian's lowest eigenvalue, the second derivatives being central differences. Where nothing curves: 0.

    Args:
        strength: `(H, W)`.

    Returns:
        `(H, W)`, radians in [0, pi).
    """
    return _boundary_orientation(np.ascontiguousarray(strength, np.float64))


@njit(cache=True)
def _boundary_orientation(strength: NDArray[np.float64]) -> NDArray[np.float32]:
    height, width = strength.shape
    smooth = _smooth_columns(_smooth_rows(strength))
    orientation = np.empty((height, width), np.float32)
    for y in range(height):
        up, here, down = smooth[max(y - 1, 0)], smooth[y], smooth[min(y + 1, height - 1)]
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            xx = here[left] - 2 * here[x] + here[right]
            yy = up[x] - 2 * here[x] + down[x]
            xy = (up[left] - up[right] - down[left] + down[right]) / 4
            angle = np.float32(np.arctan2(-2 * xy, yy - xx) / 2)
            if angle < 0:
                angle += np.float32(np.pi)
            orientation[y, x] = angle if angle < np.float32(np.pi) else np.float32(0)
    return orientation


@njit(cache=True)
def _smooth_rows(image: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = image.shape
    smooth = np.empty_like(image)
    line = np.empty(width + 2 * _RADIUS)
    for y in range(height):
        line[:_RADIUS] = image[y, 0]
        line[_RADIUS : _RADIUS + width] = image[y]
        line[_RADIUS + width :] = image[y, width - 1]
        for x in range(width):
            total = (_RADIUS + 1) * line[x + _RADIUS]
            for k in range(1, _RADIUS + 1):
                total += (_RADIUS + 1 - k) * (line[x + _RADIUS - k] + line[x + _RADIUS + k])
            smooth[y, x] = total / (_RADIUS + 1) ** 2
    return smooth


@njit(cache=True)
def _smooth_columns(image: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = image.shape
    smooth = np.empty_like(image)
    for y in range(height):
        total = smooth[y]
        for x in range(width):
            total[x] = (_RADIUS + 1) * image[y, x]
        for k in range(1, _RADIUS + 1):
            up, down = image[max(y - k, 0)], image[min(y + k, height - 1)]
            for x in range(width):
                total[x] += (_RADIUS + 1 - k) * (up[x] + down[x])
        for x in range(width):
            total[x] /= (_RADIUS + 1) ** 2
    return smooth


def oriented_strength(
    basins: NDArray[np.int32],
    right: NDArray[np.float64],
    below: NDArray[np.float64],
    orientation: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the strength of each boundary element in the direction of its arc.

    Of the strength that lies across the arc little remains.

    An arc is a boundary between two basins from one junction (a corner where three or more elements meet, or of the
    image's border) to the next. It is divided where it strays from its chord by at least 0.1 of the chord and more than
    2 pixels, at the farthest element (of equals, the last), and so on with both parts. An element's strength is
    multiplied by `|cos|` of the angle between its orientation and the normal of its chord; where two parts meet, by the
    larger. Its orientation is the mean of its two pixels': orientations are axes, so the one that halves the smaller
    angle between them. An arc of a single element has no chord: it counts as horizontal, as in Higra.

    Arcs run from the corner that comes first, line by line; one whose first corner is no junction runs from the end
    that is reached to the right of that corner, a closed one back to it from below.

    Args:
        basins: `(H, W)`, labels.
        right, below: `(H, W)`, the strength between each pixel and the next in its line, and the one below it.
        orientation: `(H, W)`, radians, of the normal.

    Returns:
        `right` and `below`, adjusted where they lie between two basins.
    """
    right, below = right.copy(), below.copy()
    _orient(np.ascontiguousarray(basins, np.int32), right, below, np.ascontiguousarray(orientation, np.float64))
    return right, below


# Arcs are rows of y and x in half pixels: pixels lie at even ones, and an element has one odd coordinate, x if it is on
# the right side of a pixel and y if it is on its lower side.
#
# A corner (y, x) is the top left one of pixel (y, x). In `sides`, pixel (y, x) has its entry at (y + 1, x + 1), so that
# the entry at (y, x) is that of the pixel to the top left of corner (y, x).
_RIGHT, _BELOW = 1, 2  # the pixel's side is a boundary
_NEW = 4  # times one of these: and not yet part of an arc
_WEST, _EAST, _NORTH, _SOUTH = 0, 1, 2, 3


@njit(cache=True)
def _orient(
    basins: NDArray[np.int32],
    right: NDArray[np.float64],
    below: NDArray[np.float64],
    orientation: NDArray[np.float64],
) -> None:
    height, width = basins.shape
    sides = _boundary_sides(basins)
    most = 2 * height * width
    arc = np.empty((most, 2), np.int32)
    share = np.empty(most, np.float64)
    ends = np.empty(most, np.int32)
    for y in range(height + 1):
        for x in range(width + 1):
            if (sides[y, x] | (sides[y + 1, x] & (_NEW * _RIGHT)) | (sides[y, x + 1] & (_NEW * _BELOW))) < _NEW:
                continue
            if _is_junction(sides, y, x):
                for heading in range(4):
                    if _leads(sides, y, x, heading, _NEW):
                        length = _follow(sides, y, x, heading, arc, 0)
                        _adjust(arc, length, share, ends, right, below, orientation)
            else:
                length = _follow(sides, y, x, _EAST, arc, 0)
                for i in range(length // 2):
                    for axis in range(2):
                        arc[i, axis], arc[length - 1 - i, axis] = arc[length - 1 - i, axis], arc[i, axis]
                if _leads(sides, y, x, _SOUTH, _NEW):
                    length = _follow(sides, y, x, _SOUTH, arc, length)
                _adjust(arc, length, share, ends, right, below, orientation)


@njit(cache=True)
def _boundary_sides(basins: NDArray[np.int32]) -> NDArray[np.uint8]:
    height, width = basins.shape
    sides = np.zeros((height + 2, width + 2), np.uint8)
    for y in range(height):
        for x in range(width):
            if x + 1 < width and basins[y, x] != basins[y, x + 1]:
                sides[y + 1, x + 1] |= np.uint8(_RIGHT | _NEW * _RIGHT)
            if y + 1 < height and basins[y, x] != basins[y + 1, x]:
                sides[y + 1, x + 1] |= np.uint8(_BELOW | _NEW * _BELOW)
    return sides


@njit(cache=True)
def _leads(sides: NDArray[np.uint8], y: int, x: int, heading: int, state: int) -> bool:
    """Whether an element (a new one, with `_NEW`; any, with 1) leads away from the corner."""
    if heading == _WEST:
        return sides[y, x] & (state * _BELOW) != 0
    if heading == _EAST:
        return sides[y, x + 1] & (state * _BELOW) != 0
    if heading == _NORTH:
        return sides[y, x] & (state * _RIGHT) != 0
    return sides[y + 1, x] & (state * _RIGHT) != 0


@njit(cache=True)
def _is_junction(sides: NDArray[np.uint8], y: int, x: int) -> bool:
    if y == 0 or x == 0 or y == sides.shape[0] - 2 or x == sides.shape[1] - 2:
        return True
    meeting = 0
    for heading in range(4):
        meeting += _leads(sides, y, x, heading, 1)
    return meeting > 2


@njit(cache=True)
def _follow(sides: NDArray[np.uint8], y: int, x: int, heading: int, arc: NDArray[np.int32], length: int) -> int:
    """Append elements from the corner on to the next junction, or round to where they began; the arc's new length."""
    while True:
        arc[length, 0], arc[length, 1] = 2 * y - 1, 2 * x - 1
        if heading == _WEST:
            sides[y, x] &= np.uint8(255 ^ _NEW * _BELOW)
            arc[length, 1] -= 1
            x -= 1
        elif heading == _EAST:
            sides[y, x + 1] &= np.uint8(255 ^ _NEW * _BELOW)
            arc[length, 1] += 1
            x += 1
        elif heading == _NORTH:
            sides[y, x] &= np.uint8(255 ^ _NEW * _RIGHT)
            arc[length, 0] -= 1
            y -= 1
        else:
            sides[y + 1, x] &= np.uint8(255 ^ _NEW * _RIGHT)
            arc[length, 0] += 1
            y += 1
        length += 1
        if _is_junction(sides, y, x):
            return length
        heading = -1
        for onward in range(4):
            if _leads(sides, y, x, onward, _NEW):
                heading = onward
        if heading < 0:
            return length


@njit(cache=True)
def _adjust(
    arc: NDArray[np.int32],
    length: int,
    share: NDArray[np.float64],
    ends: NDArray[np.int32],
    right: NDArray[np.float64],
    below: NDArray[np.float64],
    orientation: NDArray[np.float64],
) -> None:
    """Multiply the strengths of an arc's elements; `share` and `ends` are room to work in."""
    share[:length] = 0
    first, last, waiting = 0, length - 1, 0
    while True:
        farthest = _farthest(arc, first, last)
        if farthest >= 0:
            ends[waiting] = last
            waiting += 1
            last = farthest
            continue
        tangent = np.arctan2(np.float64(arc[last, 0] - arc[first, 0]), np.float64(arc[last, 1] - arc[first, 1]))
        for i in range(first, last + 1):
            y, x = arc[i, 0], arc[i, 1]
            normal = _mean_axis(orientation[y >> 1, x >> 1], orientation[(y + 1) >> 1, (x + 1) >> 1])
            share[i] = max(share[i], abs(np.sin(normal - tangent)))
        if waiting == 0:
            break
        waiting -= 1
        first, last = last, ends[waiting]
    for i in range(length):
        y, x = arc[i, 0], arc[i, 1]
        strength = below if y & 1 else right
        strength[y >> 1, x >> 1] *= share[i]


@njit(cache=True)
def _farthest(arc: NDArray[np.int32], first: int, last: int) -> int:
    """The element to divide an arc at, or -1: it is straight enough."""
    y, x = np.int64(arc[first, 0]), np.int64(arc[first, 1])
    dy, dx = arc[last, 0] - y, arc[last, 1] - x
    chord = np.sqrt(np.float64(dy * dy + dx * dx))
    reach = _STRAIGHT * chord
    farthest = -1
    for i in range(first + 1, last):
        distance = abs(dy * (arc[i, 1] - x) - dx * (arc[i, 0] - y)) / chord
        if distance >= reach and distance > _NEAR:
            reach, farthest = distance, i
    return farthest


@njit(cache=True)
def _mean_axis(a: float, b: float) -> float:
    return (a + b) / 2 if abs(a - b) <= np.pi / 2 else (a + b + np.pi) / 2
