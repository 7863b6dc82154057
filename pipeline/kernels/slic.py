"""SLIC superpixels: k-means of colour and position on a grid of seeds, then made connected.

Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", TPAMI 2012, section 4.
"""

import math

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_TABLE = 2**14  # steps from black to white in the table of CIELAB's cube root: a and b are within 0.25
_STEP = 3  # lines from one to the next that an iteration looks at; the last looks at all
_D65 = (0.95047, 1.0, 1.08883)
_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def _linear_light() -> NDArray[np.float32]:
    """Linear light of each sRGB value: IEC 61966-2-1."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _lab_response() -> NDArray[np.float32]:
    """CIELAB's f over [0, 1], one step more for rounding: CIE 15."""
    t = np.arange(_TABLE + 2) / _TABLE
    return np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29).astype(np.float32)


_LINEAR = _linear_light()
_RESPONSE = _lab_response()
_TO_TABLE = (_TABLE * _RGB_TO_XYZ / np.array(_D65)[:, None]).astype(np.float32)


def srgb_to_lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Converts to CIELAB under D65, from tables: L within 0.1, a and b within 0.25 of the exact values.

    Args:
        image: `(H, W, 3)`, sRGB.

    Returns:
        `(3, H, W)`: L in [0, 100], a, b.
    """
    return _srgb_to_lab(np.ascontiguousarray(image), _LINEAR, _TO_TABLE, _RESPONSE)


@njit(cache=True)
def _srgb_to_lab(
    image: NDArray[np.uint8],
    linear: NDArray[np.float32],
    to_table: NDArray[np.float32],
    response: NDArray[np.float32],
) -> NDArray[np.float32]:
    height, width, _ = image.shape
    lab = np.empty((3, height, width), np.float32)
    half = np.float32(0.5)
    for y in range(height):
        for x in range(width):
            r, g, b = linear[image[y, x, 0]], linear[image[y, x, 1]], linear[image[y, x, 2]]
            fx = response[np.int32(to_table[0, 0] * r + to_table[0, 1] * g + to_table[0, 2] * b + half)]
            fy = response[np.int32(to_table[1, 0] * r + to_table[1, 1] * g + to_table[1, 2] * b + half)]
            fz = response[np.int32(to_table[2, 0] * r + to_table[2, 1] * g + to_table[2, 2] * b + half)]
            lab[0, y, x] = np.float32(116) * fy - np.float32(16)
            lab[1, y, x] = np.float32(500) * (fx - fy)
            lab[2, y, x] = np.float32(200) * (fy - fz)
    return lab


def slic(lab: NDArray[np.float32], segments: int, compactness: float, iterations: int) -> NDArray[np.uint16]:
    """Divides an image into superpixels: connected regions, of one colour as far as it goes, and of about one size.

    The image is cut into a grid of at most `segments` cells, near to square; each has a centre, which starts as the
    mean colour and position of the cell, so that no search for a quiet seed is needed. An iteration moves the centres
    to the means of their pixels, then gives every pixel to the nearest of the centres of its own cell and the up to
    eight around it, ties to the first in scan order. The distance is the paper's equation 3, squared, in float32:
    `d_Lab^2 + (compactness / S)^2 d_xy^2`, with S the longer side of a cell. A centre left without pixels stays where
    it is. All iterations but the last look at every third line only, each at the lines after the previous one's: means
    of a third of the pixels place the centres as well, in a third of the time.

    Of each centre's pixels the largest 4-connected component, the first in scan order among equals, is its superpixel.
    All others are orphans and join a neighbour, breadth first from the superpixels: orphans that touch a superpixel
    come first, in scan order of their first pixels, then those that touch them, and so on. Each joins the superpixel
    with which it shares the longest border at that time, the one whose centre is first in scan order among equals.

    Args:
        lab: `(3, H, W)`, CIELAB, finite.
        segments: the number of superpixels, an upper bound that the result comes near where pixels suffice; 1 to 65535.
        compactness: m, the colour difference that weighs as much as S pixels; larger is more compact.
        iterations: from 1 up.

    Returns:
        `(H, W)` labels 0 to n-1, in scan order of their first pixels, each 4-connected.
    """
    _, height, width = lab.shape
    rows, columns = seed_grid(height, width, segments)
    scale = np.float32(compactness / max(height / rows, width / columns))
    labels = _clustered(np.ascontiguousarray(lab, np.float32), rows, columns, scale, iterations)
    return _connected(labels, rows * columns)


def seed_grid(height: int, width: int, segments: int) -> tuple[int, int]:
    """Returns the rows and columns of the grid of seeds.

    It has at most `segments` cells, near to square, none without a pixel.
    """
    short, long = sorted((height, width))
    across = min(max(round(math.sqrt(segments * short / long)), 1), short)
    along = min(max(segments // across, 1), long)
    return (across, along) if height <= width else (along, across)


@njit(cache=True)
def _clustered(
    lab: NDArray[np.float32], rows: int, columns: int, scale: np.float32, iterations: int
) -> NDArray[np.uint16]:
    """The centre that every pixel belongs to, `(H, W)`; centres are numbered in scan order of their cells."""
    _, height, width = lab.shape
    column_of = np.empty(width, np.int32)
    for j in range(columns):
        column_of[j * width // columns : (j + 1) * width // columns] = j
    labels = np.empty((height, width), np.uint16)
    for i in range(rows):
        for y in range(i * height // rows, (i + 1) * height // rows):
            for x in range(width):
                labels[y, x] = i * columns + column_of[x]
    centres = np.zeros((rows * columns, 5), np.float32)
    step = min(_STEP, height // rows)
    for t in range(iterations):
        _move_centres(lab, labels, scale, (t + step - 1) % step, step, centres)
        if t < iterations - 1:
            _assign(lab, centres, rows, column_of, scale, t % step, step, labels)
    _assign(lab, centres, rows, column_of, scale, 0, 1, labels)
    return labels


@njit(cache=True)
def _move_centres(
    lab: NDArray[np.float32],
    labels: NDArray[np.uint16],
    scale: np.float32,
    first_line: int,
    step: int,
    centres: NDArray[np.float32],
) -> None:
    """Set `centres` to rows of mean L, a, b and position, x and y times `scale`, over every `step`-th line.

    Sums in double, in scan order.
    """
    height, width = labels.shape
    sums = np.zeros((len(centres), 6), np.float64)
    for y in range(first_line, height, step):
        first = 0
        while first < width:
            # A run of one label at a time: its sums stay in registers.
            label = labels[y, first]
            lightness, a, b = 0.0, 0.0, 0.0
            end = first
            while end < width and labels[y, end] == label:
                lightness += lab[0, y, end]
                a += lab[1, y, end]
                b += lab[2, y, end]
                end += 1
            count = end - first
            of = sums[label]
            of[0] += lightness
            of[1] += a
            of[2] += b
            of[3] += 0.5 * count * (first + end - 1)
            of[4] += count * y
            of[5] += count
            first = end
    for label in range(len(centres)):
        count = sums[label, 5]
        if count > 0:
            for c in range(3):
                centres[label, c] = sums[label, c] / count
            for c in range(3, 5):
                centres[label, c] = sums[label, c] / count * scale


@njit(cache=True)
def _assign(
    lab: NDArray[np.float32],
    centres: NDArray[np.float32],
    rows: int,
    column_of: NDArray[np.int32],
    scale: np.float32,
    first_line: int,
    step: int,
    labels: NDArray[np.uint16],
) -> None:
    """Give the pixels of every `step`-th line to the nearest of the centres of their cell and the cells around it."""
    _, height, width = lab.shape
    columns = len(centres) // rows
    candidates = np.empty((9, 5, width), np.float32)
    for i in range(rows):
        _spread_candidates(centres, rows, column_of, i, scale, candidates)
        top = i * height // rows
        for y in range(top + (first_line - top) % step, (i + 1) * height // rows, step):
            scaled_y = np.float32(y) * scale
            for x in range(width):
                lightness, a, b = lab[0, y, x], lab[1, y, x], lab[2, y, x]
                nearest = np.float32(np.inf)
                chosen = np.int32(i * columns)  # the own cell, should no distance be finite
                for k in range(9):
                    dl = lightness - candidates[k, 0, x]
                    da = a - candidates[k, 1, x]
                    db = b - candidates[k, 2, x]
                    dy = scaled_y - candidates[k, 4, x]
                    distance = (dl * dl + da * da) + (db * db + (dy * dy + candidates[k, 3, x]))
                    nearer = distance < nearest
                    nearest = distance if nearer else nearest
                    chosen = np.int32((i + k // 3 - 1) * columns + k % 3 - 1) if nearer else chosen
                labels[y, x] = chosen + column_of[x]


@njit(cache=True)
def _spread_candidates(
    centres: NDArray[np.float32],
    rows: int,
    column_of: NDArray[np.int32],
    row: int,
    scale: np.float32,
    candidates: NDArray[np.float32],
) -> None:
    """Fill `candidates`: for each of the nine, the L, a, b, squared distance in x, and y, at each x of one grid row.

    Laid out by x, the search over a line of pixels is one loop without a branch, which the compiler vectorises.
    """
    columns = len(centres) // rows
    for k in range(9):
        i = row + k // 3 - 1
        for x in range(len(column_of)):
            j = column_of[x] + k % 3 - 1
            if 0 <= i < rows and 0 <= j < columns:
                centre = centres[i * columns + j]
                dx = np.float32(x) * scale - centre[3]
                candidates[k, 0, x], candidates[k, 1, x], candidates[k, 2, x] = centre[0], centre[1], centre[2]
                candidates[k, 3, x], candidates[k, 4, x] = dx * dx, centre[4]
            else:
                candidates[k, :, x] = 0
                candidates[k, 3, x] = np.inf


@njit(cache=True)
def _connected(labels: NDArray[np.uint16], centres: int) -> NDArray[np.uint16]:
    """The labels after orphans have joined a neighbour, renumbered in scan order."""
    height, width = labels.shape
    component, owner, sizes = _components(labels)
    segment = _segments_of_components(component, owner, sizes, centres)
    number = np.full(centres, -1, np.int32)
    relabelled = np.empty(len(segment), np.uint16)
    found = 0
    for c in range(len(segment)):
        # Components are in scan order, so a superpixel is first met where its first component is.
        if number[segment[c]] < 0:
            number[segment[c]] = found
            found += 1
        relabelled[c] = number[segment[c]]
    out = np.empty((height, width), np.uint16)
    for y in range(height):
        for x in range(width):
            out[y, x] = relabelled[component[y + 1, x + 1]]
    return out


@njit(cache=True)
def _components(labels: NDArray[np.uint16]) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.int64]]:
    """The 4-connected components of the labels, numbered in scan order of their first pixels.

    Rosenfeld and Pfaltz's two passes, with union by the smaller number.

    Returns:
        `(H + 2, W + 2)` numbers, -1 in a frame around the image, then each component's label and number of pixels.
    """
    height, width = labels.shape
    component = np.full((height + 2, width + 2), -1, np.int32)
    parent = np.empty(height * width, np.int32)
    pixels = np.empty(height * width, np.int32)
    label_of = np.empty(height * width, np.uint16)
    found = 0
    for y in range(height):
        above, here = component[y], component[y + 1]
        end = 0
        while end < width:
            first, label = end, labels[y, end]
            own, met = -1, -1
            while end < width and labels[y, end] == label:
                other = above[end + 1]
                if other != met and other >= 0 and label_of[other] == label:
                    met = other
                    if own < 0:
                        own = other
                    else:
                        a, b = _root(parent, own), _root(parent, other)
                        parent[max(a, b)] = min(a, b)
                end += 1
            if own < 0:
                own = found
                parent[own], pixels[own], label_of[own] = own, 0, label
                found += 1
            here[first + 1 : end + 1] = own
            pixels[own] += end - first
    number = np.empty(found, np.int32)
    count = 0
    for p in range(found):
        # A root precedes all that point to it.
        if parent[p] == p:
            number[p] = count
            label_of[count] = label_of[p]
            count += 1
        else:
            number[p] = number[parent[p]]
    sizes = np.zeros(count, np.int64)
    for p in range(found):
        sizes[number[p]] += pixels[p]
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            component[y, x] = number[component[y, x]]
    return component, label_of[:count].copy(), sizes


@njit(cache=True)
def _root(parent: NDArray[np.int32], p: int) -> int:
    while parent[p] != p:
        parent[p] = parent[parent[p]]
        p = parent[p]
    return p


@njit(cache=True)
def _segments_of_components(
    component: NDArray[np.int32], owner: NDArray[np.uint16], sizes: NDArray[np.int64], centres: int
) -> NDArray[np.int32]:
    """The centre whose superpixel each component is, or joins."""
    largest = np.full(centres, -1, np.int32)
    for c in range(len(owner)):
        if largest[owner[c]] < 0 or sizes[c] > sizes[largest[owner[c]]]:
            largest[owner[c]] = c
    segment = np.full(len(owner), -1, np.int32)  # -1 is an orphan's, until it joins
    for c in range(len(owner)):
        if largest[owner[c]] == c:
            segment[c] = owner[c]
    flat = component.ravel()
    starts, pixels = _pixels_of_orphans(flat, segment, sizes)
    around = (-component.shape[1], -1, 1, component.shape[1])
    queue = np.empty(len(owner), np.int32)
    queued = np.zeros(len(owner), np.bool_)
    end = 0
    for c in range(len(owner)):
        if segment[c] < 0 and _touches_a_segment(pixels[starts[c] : starts[c + 1]], flat, segment, around):
            queue[end], queued[c] = c, True
            end += 1
    border = np.zeros(centres, np.int64)
    counted_for = np.full(centres, -1, np.int32)  # the component whose border with each centre's superpixel is counted
    head = 0
    while head < end:
        c = queue[head]
        head += 1
        joined = -1
        for p in pixels[starts[c] : starts[c + 1]]:
            for step in around:
                other = flat[p + step]
                if other < 0 or other == c:
                    continue
                at = segment[other]
                if at >= 0:
                    border[at] = border[at] + 1 if counted_for[at] == c else 1
                    counted_for[at] = c
                    if joined < 0 or border[at] > border[joined] or (border[at] == border[joined] and at < joined):
                        joined = at
                elif not queued[other]:
                    queue[end], queued[other] = other, True
                    end += 1
        segment[c] = joined
    return segment


@njit(cache=True)
def _touches_a_segment(
    pixels: NDArray[np.int64], flat: NDArray[np.int32], segment: NDArray[np.int32], around: tuple[int, int, int, int]
) -> bool:
    for p in pixels:
        for step in around:
            other = flat[p + step]
            if other >= 0 and segment[other] >= 0:
                return True
    return False


@njit(cache=True)
def _pixels_of_orphans(
    flat: NDArray[np.int32], segment: NDArray[np.int32], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where in the second array each component's pixels start, and the orphans' pixels, each in scan order."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    for c in range(len(sizes)):
        starts[c + 1] = starts[c] + (sizes[c] if segment[c] < 0 else 0)
    pixels = np.empty(starts[-1], np.int64)
    filled = starts[:-1].copy()
    for p in range(len(flat)):
        c = flat[p]
        if c >= 0 and segment[c] < 0:
            pixels[filled[c]] = p
            filled[c] += 1
    return starts, pixels
