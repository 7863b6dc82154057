"""How well the mask of one object agrees with its annotation in a video: J and F, as DAVIS has them. NumPy, no torch.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016,
section 4; several objects and pixels that are void: Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object
Segmentation", 2017, section 3.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

TOLERANCE = 0.008  # of the frame's diagonal, that contours may lie apart
FOUND = 0.5  # from here on a frame counts for the recall

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Statistics:
    """Of the values of one object's frames: their mean, the share of them above `FOUND`, and by how much they fall."""

    mean: float
    recall: float
    decay: float


def region_similarity(mask: Mask, truth: Mask) -> float:
    """Computes J: the intersection of two masks `(H, W)` over their union; 1 where both are empty."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def contour_accuracy(mask: Mask, truth: Mask) -> float:
    """Computes F: the harmonic mean of the precision and the recall of a mask's contour; masks `(H, W)`.

    A pixel of one contour is matched where the other comes as near as `TOLERANCE`, rounded up to whole pixels. Where
    one mask has no contour, F is 0; where neither has, 1.
    """
    ours, theirs = contour(mask), contour(truth)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    reach = int(np.ceil(TOLERANCE * np.hypot(*mask.shape)))
    precision = np.count_nonzero(ours & _near(theirs, reach)) / np.count_nonzero(ours)
    recall = np.count_nonzero(theirs & _near(ours, reach)) / np.count_nonzero(theirs)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def contour(mask: Mask) -> Mask:
    """Finds the pixels of a mask `(H, W)` that differ from a neighbour to the right, below, or right below."""
    more = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask != more[:-1, 1:]) | (mask != more[1:, :-1]) | (mask != more[1:, 1:])


def statistics(values: ArrayLike) -> Statistics:
    """Returns what DAVIS says of the values of one object's frames, `(N,)`, N from 1 up, in the order of the video.

    The decay is the mean of their first quarter less that of the last. Neighbouring quarters share a frame.
    """
    frames = np.asarray(values, np.float64)
    # Rounded as MATLAB rounds, halves up, where NumPy would round them to even.
    bounds = np.floor(np.linspace(0, len(frames) - 1, 5) + 0.5 + 1e-10).astype(int)
    first, last = frames[: bounds[1] + 1], frames[bounds[3] :]
    return Statistics(float(frames.mean()), float((frames > FOUND).mean()), float(first.mean() - last.mean()))


def _near(lines: Mask, reach: int) -> Mask:
    """The pixels that have one of `lines` as near as `reach`: their dilation by a disk."""
    distance = cv2.distanceTransform((~lines).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Squared distances are whole numbers, and OpenCV's are near them.
    return np.asarray(distance**2 < reach**2 + 0.5)
