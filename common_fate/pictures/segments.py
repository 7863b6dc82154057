"""Pictures of superpixels and of region trees: boundaries over the image, and cuts of the tree in mean colours."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.pictures.contour_map import merge_heights
from common_fate.pictures.flow_colors import Picture

RED = np.array([230, 30, 40], np.float32)


def draw_superpixels(image: Picture, labels: NDArray[np.uint16]) -> Picture:
    """Draws the image `(H, W, 3)` with the boundaries of the labels `(H, W)`."""
    return _over(image, _between(labels, lambda one, other: (one != other).astype(np.float32)))


def draw_regions(image: Picture, labels: NDArray[np.uint8], tree: NDArray[np.float32]) -> Picture:
    """Draws the image with its ultrametric contour map: the later two regions merge, the stronger the line between
    them.

    Args:
        image: `(H, W, 3)`, RGB.
        labels: `(H, W)`, the leaves of the tree.
        tree: `(R - 1, 4)`, SciPy's linkage of the R leaves.
    """
    if not len(tree):
        return _over(image, np.zeros(labels.shape, np.float32))
    distance = merge_heights(tree)
    contours = _between(labels, lambda one, other: distance[one, other])
    thick = cv2.dilate(contours, np.ones((2, 2), np.uint8))  # on both sides: sheets show images smaller
    strength = thick / max(float(thick.max()), 1e-6)
    return _over(image, np.where(strength > 0, 0.3 + 0.7 * strength, 0))


def draw_cut(image: Picture, labels: NDArray[np.uint8], tree: NDArray[np.float32], regions: int) -> tuple[Picture, int]:
    """Draws the image in the mean colours of a cut of its tree, and how many regions the cut has: `regions` at most."""
    cut = _cut(tree, regions)
    of, count = cut[labels], int(cut.max()) + 1
    pixels = np.maximum(np.bincount(of.ravel(), minlength=count), 1)
    means = [np.bincount(of.ravel(), image[..., channel].ravel(), count) / pixels for channel in range(3)]
    return np.rint(np.stack(means, axis=-1)[of]).astype(np.uint8), count


def _cut(tree: NDArray[np.float32], regions: int) -> NDArray[np.intp]:
    """The region of each leaf, `(R,)` from 0 on, in the finest cut that has `regions` at most.

    All that merges at one height merges together: what SciPy's `fcluster` gives by `maxclust`.
    """
    leaves = len(tree) + 1
    of = np.arange(2 * leaves - 1)
    if leaves > regions:
        merged = tree[:, 2] <= tree[leaves - regions - 1, 2]
        # From the root down, each region hands its own number on to what it merged.
        for row in np.flatnonzero(merged)[::-1]:
            of[tree[row, :2].astype(np.intp)] = of[leaves + row]
    return np.unique(of[:leaves], return_inverse=True)[1]


def _between(labels: NDArray[np.uint8 | np.uint16], weight: Callable[..., NDArray[np.float32]]) -> NDArray[np.float32]:
    """The weight of each pixel's strongest boundary, to the right or below, `(H, W)`."""
    found = np.zeros(labels.shape, np.float32)
    found[:, :-1] = weight(labels[:, :-1], labels[:, 1:])
    found[:-1] = np.maximum(found[:-1], weight(labels[:-1], labels[1:]))
    return found


def _over(image: Picture, strength: NDArray[np.float32]) -> Picture:
    """The image, paled, with red as strong as `strength (H, W)` in [0, 1]."""
    pale = 0.55 * image + 0.45 * 255
    share = strength[..., None]
    return np.rint(pale * (1 - share) + RED * share).astype(np.uint8)
