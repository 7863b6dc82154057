"""How far a flow field is from the truth, in sums that can be added over samples.

End-point error over all, occluded and other pixels and by speed as MPI-Sintel reports it (Butler et al., "A
Naturalistic Open Source Movie for Optical Flow Evaluation", ECCV 2012), outliers as KITTI does (Menze and Geiger,
"Object Scene Flow for Autonomous Vehicles", CVPR 2015).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PARTS = ("all", "not occluded", "occluded", "s0-10", "s10-40", "s40+")
"""Of the pixels whose motion is known: subsets, of which the first is all of them."""
OUTLIERS = "Fl-all"


@dataclass(frozen=True)
class PixelMean:
    """A mean over pixels, kept as sum and count so that samples add up to the mean over all their pixels."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: "PixelMean") -> "PixelMean":
        return PixelMean(self.total + other.total, self.count + other.count)

    @property
    def value(self) -> float | None:
        """The mean; None over no pixels."""
        return self.total / self.count if self.count else None


def flow_error(
    flow: NDArray[np.float32],
    truth: NDArray[np.float32],
    valid: NDArray[np.bool_],
    occlusion: NDArray[np.bool_] | None = None,
) -> dict[str, PixelMean]:
    """Measures the error of one field.

    Args:
        flow, truth: `(2, H, W)`, pixels.
        valid: `(H, W)` bool, where the truth is known.
        occlusion: `(H, W)` bool; without it `occluded` and `not occluded` are empty.

    Returns:
        Of `PARTS` end-point errors in pixels, of which `s0-10`, `s10-40` and `s40+` are by true speed; `OUTLIERS`, the
        share of pixels off by more than 3 px and more than 5 % of the true speed.

    Raises:
        ValueError: the shapes differ.
    """
    if flow.shape != truth.shape or flow.shape[1:] != valid.shape:
        raise ValueError(f"flow {flow.shape}, truth {truth.shape} and valid {valid.shape} differ in size")
    if occlusion is not None and occlusion.shape != valid.shape:
        raise ValueError(f"occlusion {occlusion.shape} and valid {valid.shape} differ in size")
    known = truth[:, valid].astype(np.float64)
    error = np.hypot(*(flow[:, valid] - known))
    speed = np.hypot(*known)
    nowhere = np.zeros(error.shape, np.bool_)
    hidden = nowhere if occlusion is None else occlusion[valid]
    masks = {
        "all": ~nowhere,
        "not occluded": nowhere if occlusion is None else ~hidden,
        "occluded": hidden,
        "s0-10": speed < 10,
        "s10-40": (speed >= 10) & (speed <= 40),
        "s40+": speed > 40,
    }
    means = {name: PixelMean(float(error[mask].sum()), int(mask.sum())) for name, mask in masks.items()}
    return means | {OUTLIERS: PixelMean(float(((error > 3) & (error > 0.05 * speed)).sum()), error.size)}


def total_error(errors: Iterable[dict[str, PixelMean]]) -> dict[str, PixelMean]:
    """Returns the error over the pixels of several samples together; empty for none."""
    total: dict[str, PixelMean] = {}
    for error in errors:
        total = {name: total.get(name, PixelMean()) + mean for name, mean in error.items()}
    return total
