"""The simulated user: clicks in the middle of what is most wrong, until nothing is.

Xu et al., "Deep Interactive Object Selection", CVPR 2016, whose user clicks as deep in an error as can be; that it is
the largest error is later practice: Sofiiuk et al., "Reviving Iterative Training with Mask Guidance", ICIP 2022.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainers.metrics.masks import region_similarity

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Click:
    """A click on a pixel: that it belongs to the object, or that it does not."""

    y: int
    x: int
    positive: bool


Answer = Callable[[Sequence[Click]], Mask]
"""From all clicks on an image so far, one or more, to a mask `(H, W)`."""


@dataclass(frozen=True)
class Step:
    """A click, and what came of it: the mask, its intersection over union, and the seconds that it took."""

    click: Click
    mask: Mask
    iou: float
    seconds: float


def steps(answer: Answer, truth: Mask, known: Mask, count: int) -> Iterator[Step]:
    """Yields what comes of each click of a user who sees the mask after it; fewer than `count` where nothing is wrong.

    Args:
        truth: the object, `(H, W)`, of which some pixel is known.
        known: the pixels that count: the others are never clicked, and in no intersection over union.
    """
    clicks: list[Click] = []
    mask = np.zeros_like(truth)
    while len(clicks) < count and (click := next_click(mask, truth, known, clicks)) is not None:
        clicks.append(click)
        began = time.perf_counter()
        mask = answer(clicks)
        seconds = time.perf_counter() - began
        yield Step(click, mask, region_similarity(mask & known, truth & known), seconds)


def next_click(mask: Mask, truth: Mask, known: Mask, before: Sequence[Click]) -> Click | None:
    """Finds the middle of the largest connected region of pixels that are missed, or of such as are wrongly in.

    The middle is the pixel farthest from all that is not in the region, from the border of the image, and from what was
    clicked before: a click that changed nothing is not made again beside itself. Of regions of one size those that are
    missed come first, of regions and of pixels alike the uppermost, then the leftmost.

    Args:
        mask, truth, known: `(H, W)`; pixels that are not known are in no region.

    Returns:
        None, where no pixel that was not clicked is wrong.
    """
    free = known.copy()
    for click in before:
        free[click.y, click.x] = False
    regions = [_largest(free & truth & ~mask), _largest(free & mask & ~truth)]
    sizes = [np.count_nonzero(region) for region in regions]
    if not any(sizes):
        return None
    positive = bool(sizes[0] >= sizes[1])
    y, x = middle(regions[0 if positive else 1])
    return Click(y, x, positive)


def middle(region: Mask) -> tuple[int, int]:
    """Returns y and x of the pixel of a region `(H, W)` that is farthest from all that is not in it."""
    inside = np.pad(region, 1).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    squared = np.rint(np.square(depth, dtype=np.float64))  # whole numbers, so that what is as far is equal
    y, x = np.unravel_index(np.argmax(squared), region.shape)
    return int(y), int(x)


def _largest(wrong: Mask) -> Mask:
    """The largest of its regions, whose pixels touch at sides or corners; nothing, where there is none."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8), connectivity=8)
    if len(stats) == 1:
        return wrong
    areas = stats[1:, cv2.CC_STAT_AREA]
    ties = np.flatnonzero(areas == areas.max()) + 1
    if len(ties) == 1:
        return np.asarray(labels == ties[0])
    flat = labels.ravel()
    first = min(ties, key=lambda label: int(np.argmax(flat == label)))  # of labels no order is promised
    return np.asarray(labels == first)
