"""Growing one tree of a structured forest.

Dollar and Zitnick, "Fast Edge Detection Using Structured Forests", TPAMI 2015, section 2 and section 3.1.
"""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit

_POWER_STEPS = 12  # of the power iteration: the sign of a projection needs no more precision
_SEEN = 256  # patches of a node that its principal component is computed from


@njit(cache=True)
def quantised(values: NDArray[np.float32], levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Counts how many of the levels each value reaches.

    Args:
        values: any shape.
        levels: `(255,)`, ascending; the last may be infinite.
    """
    codes = np.empty(values.shape, np.uint8)
    source, target = values.ravel(), codes.ravel()
    for i in range(len(source)):
        target[i] = _code(source[i], levels)
    return target.reshape(values.shape)


@njit(cache=True, inline="always")
def _code(value: np.float32, levels: NDArray[np.float32]) -> int:
    code = 0
    step = 128
    while step > 0:
        code += step if levels[code + step - 1] <= value else 0
        step >>= 1
    return code


@njit(cache=True)
def patch_features(
    codes: NDArray[np.uint8],
    smooth: NDArray[np.float32],
    levels: NDArray[np.float32],
    places: NDArray[np.int32],
    corners: NDArray[np.int32],
    out: NDArray[np.uint8],
) -> None:
    """Fills `out` with the quantised features of patches.

    Args:
        codes: `(13, h, w)`, the channels of pixel features, quantised.
        smooth: `(13, h, w)`, the channels of differences.
        levels: `(13, 255)`, of differences.
        places: `(F, 6)`, as `feature_places` gives them.
        corners: `(P, 2)`, y and x of each patch in the channels.
        out: `(F, P)`.
    """
    for f in range(len(places)):
        kind, channel, y1, x1, y2, x2 = places[f]
        if kind == 0:
            plane = codes[channel]
            for p in range(len(corners)):
                out[f, p] = plane[corners[p, 0] + y1, corners[p, 1] + x1]
        else:
            values, edges = smooth[channel], levels[channel]
            for p in range(len(corners)):
                y, x = corners[p]
                out[f, p] = _code(values[y + y1, x + x1] - values[y + y2, x + x2], edges)


@njit(cache=True)
def patch_segments(segmentation: NDArray[np.uint16], corners: NDArray[np.int32], out: NDArray[np.uint8]) -> None:
    """Fills `out` with the segments of 16 x 16 patches, column by column.

    A segment is named after the first of its pixels, so that 8 bits are enough.

    Args:
        segmentation: `(H, W)`.
        corners: `(P, 2)`, y and x of the patches in pixels.
        out: `(P, 256)`.
    """
    seen = np.empty(256, np.uint16)
    for p in range(len(corners)):
        y, x = corners[p]
        for b in range(256):
            seen[b] = segmentation[y + b % 16, x + b // 16]
            first = b
            if b > 0 and seen[b] == seen[b - 1]:
                first = int(out[p, b - 1])
            else:
                for a in range(b):
                    if seen[a] == seen[b]:
                        first = a
                        break
            out[p, b] = first


@njit(cache=True)
def grow_tree(
    features: NDArray[np.uint8],
    segments: NDArray[np.uint8],
    tried: int,
    pairs: int,
    smallest: int,
    deepest: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32]]:
    """Splits patches until the segments of those in a leaf look alike.

    At each node the patches' segments are mapped to two classes (`_classes`), and of a random few features the one is
    taken whose threshold leaves the least Gini impurity. The first of equals wins.

    Args:
        features: `(F, P)`.
        segments: `(P, 256)`.
        tried: features to try at a node.
        pairs: pairs of pixels that tell whether two segmentations are alike.
        smallest: fewest patches of a leaf.
        deepest: most splits from root to leaf.

    Returns:
        Of each node, level by level: left child (0 for a leaf; the right is the next), feature, the code up to which
        patches go left, and the patch whose segments stand for the node (-1 where it is no leaf).
    """
    count = segments.shape[0]
    most = 2 * (count // smallest) + 3
    child = np.zeros(most, np.int32)
    feature = np.zeros(most, np.int32)
    cut = np.zeros(most, np.uint8)
    medoid = np.full(most, -1, np.int32)
    begin = np.zeros(most, np.int64)
    end = np.zeros(most, np.int64)
    depth = np.zeros(most, np.int32)
    order = np.arange(count)
    spare = np.empty(count, np.int64)
    label = np.empty(count, np.uint8)
    end[0] = count
    size, node = 1, 0
    while node < size:
        members = order[begin[node] : end[node]]
        split = False
        if len(members) >= 2 * smallest and depth[node] < deepest:
            mixed = _classes(segments, members, pairs, random, label)
            if mixed:
                best_feature, best_cut = _best_split(features, members, label, tried, smallest, random)
                split = best_feature >= 0
        if split:
            feature[node], cut[node], child[node] = best_feature, best_cut, size
            middle = begin[node] + _partition(features[best_feature], members, best_cut, spare)
            for side in range(2):
                begin[size + side] = begin[node] if side == 0 else middle
                end[size + side] = middle if side == 0 else end[node]
                depth[size + side] = depth[node] + 1
            size += 2
        else:
            medoid[node] = _medoid(segments, members, pairs, random)
        node += 1
    return child[:size], feature[:size], cut[:size], medoid[:size]


@njit(cache=True)
def _draw_pairs(pairs: int, random: np.random.Generator) -> NDArray[np.int64]:
    drawn = np.empty((pairs, 2), np.int64)
    for k in range(pairs):
        a = random.integers(0, 256)
        b = random.integers(0, 255)
        drawn[k, 0] = a
        drawn[k, 1] = b + 1 if b >= a else b
    return drawn


@njit(cache=True)
def _classes(
    segments: NDArray[np.uint8],
    members: NDArray[np.int64],
    pairs: int,
    random: np.random.Generator,
    label: NDArray[np.uint8],
) -> bool:
    """Label each member by the sign of its projection on the principal component; False where all are alike.

    Section 2.3: whether the two pixels of each of many random pairs share a segment, reduced by principal components
    (here of a sample of the members, by power iteration) and quantised.
    """
    drawn = _draw_pairs(pairs, random)
    count = len(members)
    seen = min(count, _SEEN)
    z = np.empty((seen, pairs), np.float32)
    for s in range(seen):
        row = segments[members[s * count // seen]]
        for k in range(pairs):
            z[s, k] = 1.0 if row[drawn[k, 0]] == row[drawn[k, 1]] else 0.0
    mean = np.zeros(pairs, np.float32)
    for s in range(seen):
        mean += z[s]
    mean /= np.float32(seen)
    farthest, start = np.float32(0), -1
    for s in range(seen):
        z[s] -= mean
        distance = np.float32(0)
        for k in range(pairs):
            distance += z[s, k] * z[s, k]
        if distance > farthest:
            farthest, start = distance, s
    if farthest < 1e-3:
        return False
    axis = z[start].copy()
    for _ in range(_POWER_STEPS):
        fresh = np.zeros(pairs, np.float32)
        for s in range(seen):
            along = np.float32(0)
            for k in range(pairs):
                along += z[s, k] * axis[k]
            for k in range(pairs):
                fresh[k] += along * z[s, k]
        norm = np.float32(0)
        for k in range(pairs):
            norm += fresh[k] * fresh[k]
        axis = fresh / np.sqrt(norm)
    zero = np.float32(0)
    for k in range(pairs):
        zero += axis[k] * mean[k]
    ones = 0
    for i in range(count):
        row = segments[members[i]]
        along = np.float32(0)
        for k in range(pairs):
            if row[drawn[k, 0]] == row[drawn[k, 1]]:
                along += axis[k]
        label[members[i]] = 1 if along > zero else 0
        ones += 1 if along > zero else 0
    return 0 < ones < count


@njit(cache=True)
def _best_split(
    features: NDArray[np.uint8],
    members: NDArray[np.int64],
    label: NDArray[np.uint8],
    tried: int,
    smallest: int,
    random: np.random.Generator,
) -> tuple[int, int]:
    """Feature and code of the split with the least Gini impurity; feature -1 where none is better than not to split."""
    count = len(members)
    all_ones = 0
    for m in members:
        all_ones += label[m]
    both = np.empty((256, 2), np.int64)
    # Impurity summed over the members is n - (zeros^2 + ones^2) / n: the larger the second term, the purer.
    purest = (all_ones * all_ones + (count - all_ones) * (count - all_ones)) / count + 1e-6 * count
    best_feature, best_cut = -1, 0
    for _ in range(tried):
        f = int(random.integers(0, features.shape[0]))
        row = features[f]
        both[:] = 0
        for m in members:
            both[row[m], label[m]] += 1
        zeros, ones = 0, 0
        for c in range(255):
            if both[c, 0] + both[c, 1] == 0:
                continue
            zeros += int(both[c, 0])
            ones += int(both[c, 1])
            left = zeros + ones
            right = count - left
            if left < smallest:
                continue
            if right < smallest:
                break
            more_zeros, more_ones = count - all_ones - zeros, all_ones - ones
            purity = (zeros * zeros + ones * ones) / left + (more_zeros * more_zeros + more_ones * more_ones) / right
            if purity > purest:
                purest, best_feature, best_cut = purity, f, c
    return best_feature, best_cut


@njit(cache=True)
def _partition(row: NDArray[np.uint8], members: NDArray[np.int64], cut: int, spare: NDArray[np.int64]) -> int:
    """Move the members whose code is at most `cut` to the front, keeping order; how many these are."""
    left, right = 0, 0
    for i in range(len(members)):
        m = members[i]
        if row[m] <= cut:
            members[left] = m
            left += 1
        else:
            spare[right] = m
            right += 1
    members[left:] = spare[:right]
    return left


@njit(cache=True)
def _medoid(segments: NDArray[np.uint8], members: NDArray[np.int64], pairs: int, random: np.random.Generator) -> int:
    """The member whose pairs are nearest to the members' mean; the first of equals."""
    drawn = _draw_pairs(pairs, random)
    together = np.zeros(pairs, np.int64)
    count = len(members)
    for m in members:
        row = segments[m]
        for k in range(pairs):
            together[k] += row[drawn[k, 0]] == row[drawn[k, 1]]
    nearest, best = 0, -1
    for m in members:
        row = segments[m]
        # Squared distance to the mean, up to a constant and a factor: sum of z^2 - 2 z mean, z being 0 or 1.
        distance = 0
        for k in range(pairs):
            if row[drawn[k, 0]] == row[drawn[k, 1]]:
                distance += count - 2 * int(together[k])
        if best < 0 or distance < nearest:
            nearest, best = distance, int(m)
    return best
