"""Trees of regions as ultrametric contour maps.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 4.
"""

import numpy as np
from numpy.typing import NDArray


def merge_heights(tree: NDArray[np.floating]) -> NDArray[np.float32]:
    """Returns the height at which each two of R leaves are first in one region, `(R, R)`; 0 of a leaf with itself.

    What SciPy's `cophenet` gives, whose linkage the tree is.
    """
    leaves = len(tree) + 1
    heights = np.zeros((leaves, leaves), np.float32)
    below = [[leaf] for leaf in range(leaves)]
    for left, right, height, _ in tree.tolist():
        one, other = below[int(left)], below[int(right)]
        heights[np.ix_(one, other)] = heights[np.ix_(other, one)] = height
        below.append(one + other)
    return heights


def ultrametric_contour_map(labels: NDArray[np.integer], tree: NDArray[np.floating]) -> NDArray[np.float32]:
    """Draws the tree as a picture, in the Berkeley tools' double size (`ucm2`).

    Each boundary is as high as where it vanishes.

    Pixel `(y, x)` lies at `(2 * y + 1, 2 * x + 1)` and is 0; an element between two pixels carries the distance d_T of
    their leaves; a corner the highest of its four neighbours. The outer frame is all corners and outer sides of pixels:
    0, but where a boundary runs into it.

    Args:
        labels: `(H, W)`, 0 to R - 1.
        tree: `(R - 1, 4)`, a linkage matrix over them.

    Returns:
        `(2 * H + 1, 2 * W + 1)`.

    Raises:
        ValueError: a label is none of the tree's leaves.
    """
    if labels.min(initial=0) < 0 or labels.max(initial=0) > len(tree):
        raise ValueError(f"a label is none of the {len(tree) + 1} leaves of the tree")
    distance = merge_heights(tree)
    height, width = labels.shape
    ucm = np.zeros((2 * height + 1, 2 * width + 1), np.float32)
    ucm[1::2, 2:-1:2] = distance[labels[:, :-1], labels[:, 1:]]
    ucm[2:-1:2, 1::2] = distance[labels[:-1], labels[1:]]
    vertical, horizontal = ucm[1::2, ::2], ucm[::2, 1::2]
    corners = ucm[::2, ::2]
    for corner, element in (
        (corners[1:], vertical),
        (corners[:-1], vertical),
        (corners[:, 1:], horizontal),
        (corners[:, :-1], horizontal),
    ):
        np.maximum(corner, element, out=corner)
    return ucm
