"""Occlusion by forward-backward consistency: what moves there and does not come back was hidden."""

import numpy as np
from numpy.typing import NDArray


def occluded_pixels(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Returns the pixels of the first frame that the second does not show.

    A pixel is occluded where `|f + b_w|² > 0.01 (|f|² + |b_w|²) + 0.5`, with `b_w` the backward flow at the point that
    the forward flow leads to, bilinear; and where that point lies outside the frame (Sundaram et al., "Dense Point
    Trajectories by GPU-Accelerated Large Displacement Optical Flow", ECCV 2010; constants of Liu et al., "SelFlow",
    CVPR 2019).

    Args:
        forward: `(2, H, W)`, pixels, from the first frame to the second.
        backward: `(2, H, W)`, pixels, from the second frame to the first.

    Returns:
        `(H, W)` bool.
    """
    returned, inside = _sampled(backward, forward)
    gap = np.square(forward + returned).sum(axis=0)
    length = np.square(forward).sum(axis=0) + np.square(returned).sum(axis=0)
    occluded: NDArray[np.bool_] = (gap > 0.01 * length + 0.5) | ~inside
    return occluded


def _sampled(field: NDArray[np.float32], flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """`field` where `flow` leads, bilinear, and whether that is inside the frame (elsewhere its border's value).

    In NumPy because OpenCV's `remap` rounds positions to 1/32 pixel.
    """
    height, width = field.shape[1:]
    rows, columns = np.indices((height, width), dtype=np.float32)
    x = columns + flow[0]
    y = rows + flow[1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    x = x.clip(0, width - 1)
    y = y.clip(0, height - 1)
    left = np.minimum(x.astype(np.intp), max(width - 2, 0))
    top = np.minimum(y.astype(np.intp), max(height - 2, 0))
    right = np.minimum(left + 1, width - 1)
    bottom = np.minimum(top + 1, height - 1)
    dx = x - left.astype(np.float32)
    dy = y - top.astype(np.float32)
    above = field[:, top, left] * (1 - dx) + field[:, top, right] * dx
    below = field[:, bottom, left] * (1 - dx) + field[:, bottom, right] * dx
    return above * (1 - dy) + below * dy, inside
