"""Principal components of features, and colours by them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLOURS = 3
ENDS = (1, 99)  # percentiles of a component that are black and full colour: a few features lie far out
NOTHING = 1e-9  # of variance in vectors of length 1: rounding


@dataclass(frozen=True)
class Components:
    """The principal components of features of C channels.

    Args:
        mean: `(C,)`.
        axes: `(C, C)`, rows of length 1, the largest variance first; of each the largest entry is positive.
        variances: `(C,)`, along them.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    variances: NDArray[np.float64]

    def projected(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns features `(h, w, C)` along the first three, `(h, w, 3)`; 0 where there are fewer channels."""
        along = (features - self.mean) @ self.axes[:COLOURS].T
        return np.pad(along, ((0, 0), (0, 0), (0, COLOURS - along.shape[2])))

    @property
    def effective_rank(self) -> float | None:
        """In how many directions features vary; None where they are all the same.

        The exponential of the entropy of the shares of variance: Roy and Vetterli, "The effective rank: a measure of
        effective dimensionality", EUSIPCO 2007, definition 1, of the covariance.
        """
        shares = self.shares
        if shares is None:
            return None
        some = shares[shares > 0]
        return float(np.exp(-(some * np.log(some)).sum()))

    @property
    def shares(self) -> NDArray[np.float64] | None:
        """The shares of all variance, `(C,)`; None where there is none."""
        total = self.variances.sum()
        return self.variances / total if total > NOTHING else None


def fit(several: Iterable[NDArray[np.float32]]) -> Components:
    """Returns the components of all features of several images `(h, w, C)` together, with one image in memory."""
    count, total, products = 0, np.zeros(()), np.zeros(())
    for features in several:
        rows = features.reshape(-1, features.shape[2]).astype(np.float64)
        count, total, products = count + len(rows), total + rows.sum(axis=0), products + rows.T @ rows
    mean = total / count
    variances, axes = np.linalg.eigh(products / count - np.outer(mean, mean))
    axes = axes.T[::-1]
    # An axis and its opposite are the same; of the two one is chosen, so that colours come out alike.
    signs = np.sign(np.take_along_axis(axes, abs(axes).argmax(axis=1)[:, None], axis=1))
    return Components(mean, axes * signs, np.maximum(variances[::-1], 0))


def coloured(several: Sequence[NDArray[np.float64]]) -> list[NDArray[np.uint8]]:
    """Returns projections `(h, w, 3)` of several images as colours on one scale; what does not vary is grey."""
    points = np.concatenate([one.reshape(-1, COLOURS) for one in several])
    low, high = np.percentile(points, ENDS, axis=0)
    span = high - low
    flat = span < NOTHING
    scaled = ((one - low) / np.where(flat, 1, span) for one in several)
    return [np.rint(255 * np.where(flat, 0.5, one.clip(0, 1))).astype(np.uint8) for one in scaled]
