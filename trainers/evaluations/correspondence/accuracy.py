"""Accuracy of matches, in sums that add up over pairs (Revaud et al., IJCV 2016, section 5.1; thesis, section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.columns.flow.networks.matching.matches import Matches, fill
from pipeline.scores.flow.errors import PixelMean

THRESHOLDS = (2, 5, 10)
"""Pixels within which a match is right."""
FAST = 40.0  # pixels: where motion is large

Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Accuracy:
    """Shares of pixels that are matched rightly, by threshold; the same of those that move far; errors of matches."""

    near: Mapping[int, PixelMean]
    fast: Mapping[int, PixelMean]
    error: PixelMean

    def __add__(self, other: "Accuracy") -> "Accuracy":
        near, fast = (
            {limit: mine[limit] + theirs[limit] for limit in mine}
            for mine, theirs in ((self.near, other.near), (self.fast, other.fast))
        )
        return Accuracy(near, fast, self.error + other.error)


def accuracy(flow: Flow, found: Mask, truth: Flow, valid: Mask, at: Mask) -> Accuracy:
    """Returns how right the motion of pixels is.

    Args:
        flow, truth: `(2, H, W)`, pixels.
        found: `(H, W)`, which pixels have a motion; those without are wrong.
        valid: `(H, W)`, where the truth is known.
        at: `(H, W)`, which pixels are matches, whose mean error is taken.
    """
    error = np.hypot(*(flow - np.where(valid, truth, 0)).astype(np.float64))
    fast = valid & (np.hypot(*np.where(valid, truth, 0)) > FAST)
    near, far = (
        {limit: PixelMean(float((found & among & (error <= limit)).sum()), int(among.sum())) for limit in THRESHOLDS}
        for among in (valid, fast)
    )
    counted = at & valid & found
    return Accuracy(near, far, PixelMean(float(error[counted].sum()), int(counted.sum())))


def match_accuracy(matches: Matches, truth: Flow, valid: Mask) -> Accuracy:
    """Returns the accuracy of verified matches, each of which speaks for the pixels around it."""
    flow, found = fill(matches, *valid.shape)
    return accuracy(flow, found, truth, valid, places(matches, valid.shape))


def places(matches: Matches, shape: tuple[int, ...]) -> Mask:
    """Returns which pixels of an image are verified matches: `(H, W)`."""
    made = np.zeros(shape, np.bool_)
    made[matches.first :: matches.step, matches.first :: matches.step] = matches.verified
    return made
