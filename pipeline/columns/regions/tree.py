"""From a contour map to a tree of regions: oriented watershed transform and ultrametric contour map.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 4.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.hierarchy import cut, merge_order, without_small
from pipeline.kernels.orientation import oriented_strength
from pipeline.kernels.watershed import edge_strength, watershed


def region_tree(
    strength: NDArray[np.floating],
    leaves: int = 40,
    orientation: NDArray[np.floating] | None = None,
    min_area: int = 1,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Returns the regions of an image at their finest, and the order in which they merge.

    The top of `basin_tree`: its last `leaves - 1` merges. What they merge are the leaves.

    Args:
        strength: `(H, W)`, of contours, in [0, 1].
        leaves: how many regions at most, from 1 to 256.
        orientation: `(H, W)`, radians, the direction across the contour, as `boundary_orientation` gives it.
        min_area: pixels that every region has at least, if there are two.

    Returns:
        Labels `(H, W)`, 0 to R - 1 by the regions' first pixels, line by line; and a linkage matrix `(R - 1, 4)` as
        SciPy has it: child, child, height in [0, 1], number of leaves. Heights never fall from row to row.
        `scipy.cluster.hierarchy.cophenet(tree.astype(float))` is the distance d_T between leaves. An image that is one
        region has a tree without rows, which SciPy does not take.

    Raises:
        ValueError: `leaves` or a shape does not fit, or a strength lies outside [0, 1].
    """
    if not 1 <= leaves <= 256:
        raise ValueError(f"a tree of {leaves} leaves: labels are 8 bits, so it can have from 1 to 256")
    labels, tree = cut(*basin_tree(strength, orientation, min_area), leaves)
    return labels.astype(np.uint8), tree.astype(np.float32)


def basin_tree(
    strength: NDArray[np.floating], orientation: NDArray[np.floating] | None = None, min_area: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Returns the whole hierarchy, down to the basins of the watershed.

    Args:
        strength: `(H, W)`, in [0, 1].
        orientation: `(H, W)`, radians; with it, the strength of a boundary counts in the boundary's own direction.
        min_area: pixels; a basin that has less is first made one with a neighbour, see `without_small`.

    Returns:
        Basins `(H, W)`, 0 to N - 1, and the linkage matrix `(N - 1, 4)` over them; see `merge_order`.

    Raises:
        ValueError: a shape does not fit, or a strength lies outside [0, 1].
    """
    if strength.ndim != 2 or not strength.size:
        raise ValueError(f"a strength map is (H, W), each at least 1; this has the shape {strength.shape}")
    if not (strength.min() >= 0 and strength.max() <= 1):
        raise ValueError("a strength map lies in [0, 1]; this one has values outside, or that are not numbers")
    basins = watershed(strength)
    right: NDArray[np.floating] = strength
    below: NDArray[np.floating] | None = None
    if orientation is not None:
        if orientation.shape != strength.shape:
            raise ValueError(f"orientations {orientation.shape} do not fit strengths {strength.shape}")
        right, below = oriented_strength(basins, *edge_strength(strength), orientation)
    if min_area > 1:
        basins = without_small(basins, right, below, min_area)
    return basins, merge_order(basins, right, below)
