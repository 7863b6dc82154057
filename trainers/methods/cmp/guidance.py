"""The points whose motion the network is told, chosen on the crop.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, section 3.2.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.kernels import distance_to_edges, grid_points, motion_edges, window_maxima
from trainers.methods.cmp.options import CropGuidanceOptions

Points = NDArray[np.int64]


def guidance_points(
    flow: NDArray[np.float32],
    valid: NDArray[np.bool_],
    options: CropGuidanceOptions,
    rng: np.random.Generator,
    column: NDArray[np.integer] | None = None,
) -> Points:
    """Chooses the key-points and grid of a crop, each pixel once, on valid pixels only.

    Padding is no part of the image: edges, window, border and grid are those of the smallest box that holds all valid
    pixels. Invalid pixels within the box take the flow of the nearest valid one, so that the gap makes no motion edge
    of its own.

    Args:
        flow: `(2, H, W)`, pixels; what it is where it is not valid does not matter.
        valid: `(H, W)`.
        rng: draws random points, and those that stay if there are more than `max_points`.
        column: `(n, 2)` rows of y and x within the crop, for `points: column`.

    Returns:
        `(N, 2)` rows of y and x, line by line.

    Raises:
        ValueError: `points: column` without a column.
    """
    width = valid.shape[1]
    y, x = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not y.size:
        return np.empty((0, 2), np.int64)
    corner = np.array([y[0], x[0]])
    box = np.s_[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
    if options.points == "watershed":
        chosen = corner + _watershed(flow[:, *box], valid[box], options)
    elif options.points == "random":
        everywhere = np.flatnonzero(valid)
        drawn = rng.choice(everywhere, min(options.number, everywhere.size), replace=False)
        chosen = np.stack([drawn // width, drawn % width], axis=1)
    elif options.points == "column":
        if column is None:
            raise ValueError("points is column, and there is no column of points")
        chosen = column.astype(np.int64)
    else:
        chosen = np.empty((0, 2), np.int64)
    if options.grid_stride is not None:
        height, width_inside = valid[box].shape
        chosen = np.concatenate([chosen, corner + grid_points(height, width_inside, options.grid_stride)])
    places = np.unique(chosen[:, 0] * width + chosen[:, 1])
    places = places[valid.flat[places]]
    if options.max_points is not None and len(places) > options.max_points:
        places = np.sort(rng.choice(places, options.max_points, replace=False))
    return np.stack([places // width, places % width], axis=1)


def guidance_map(points: Points, flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns what the motion encoder reads: u, v and 1 where a point tells them, 0 elsewhere.

    Args:
        points: `(N, 2)` rows of y and x.
        flow: `(2, H, W)`, pixels.

    Returns:
        `(3, H, W)`.
    """
    told = np.zeros((3, *flow.shape[1:]), np.float32)
    y, x = points[:, 0], points[:, 1]
    told[:2, y, x] = flow[:, y, x]
    told[2, y, x] = 1
    return told


def _watershed(flow: NDArray[np.float32], valid: NDArray[np.bool_], options: CropGuidanceOptions) -> Points:
    """Local maxima of the distance to the nearest motion edge; none where there is no edge."""
    if not valid.all():
        y, x = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
        flow = flow[:, y, x]
    edges = motion_edges(flow, options.edge_threshold)
    if not edges.any():
        return np.empty((0, 2), np.int64)
    return window_maxima(distance_to_edges(edges), options.kernel_size)[:, :2].astype(np.int64)
