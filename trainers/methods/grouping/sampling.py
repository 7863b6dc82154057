"""Which pixels are compared: drawn from an image's regions by how far these are from each other in its tree.

Zhang and Maire, NeurIPS 2020, section 3, "Pixel Sampling from Region Metric". NumPy alone, no loop over regions or
pixels: it runs for every sample, in the processes that load them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cophenet
from scipy.spatial.distance import squareform

from trainers.methods.grouping.options import SamplingOptions

TEMPERATURE = 0.8
"""sigma_p, section 4.2."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pixels:
    """What is compared in an image: A anchors, with P positives and N negatives each.

    Args:
        points: `(A, 1 + P + N, 2)`, y and x: the anchor, its positives, its negatives.
        counted: `(A,)`, bool: whether the anchor counts, which it does not in a region of one pixel, or in an image
            that is one region.
        own: `(A,)`: how probable it is that a positive is of the anchor's own region.
    """

    points: NDArray[np.int64]
    counted: NDArray[np.bool_]
    own: Floats


def leaf_distances(tree: NDArray[np.floating]) -> Floats:
    """Returns d_T between the leaves of a linkage matrix `(R - 1, 4)`: `(R, R)`, the height at which they merge."""
    if not len(tree):
        return np.zeros((1, 1))
    distances: Floats = squareform(cophenet(tree.astype(np.float64)))
    return distances


def positive_probabilities(distances: Floats) -> Floats:
    """Returns equation 2: how probable it is that a positive of an anchor in region a is in b, `(R, R)`.

    The similarity of a region with itself counts as 1, whatever its distance.

    Args:
        distances: `(R, R)`, d_T over sigma_p.
    """
    similar = np.exp(-distances)
    np.fill_diagonal(similar, 1.0)
    probabilities: Floats = similar / similar.sum(axis=1, keepdims=True)
    return probabilities


def negative_probabilities(distances: Floats) -> Floats:
    """Returns equation 3: how probable it is that a negative of an anchor in region a is in b, `(R, R)`, 0 in a itself.

    Args:
        distances: `(R, R)`, d_T over sigma_p.
    """
    apart = np.exp(distances - distances.max(axis=1, keepdims=True))  # the same ratios, of numbers that are not huge
    np.fill_diagonal(apart, 0.0)
    probabilities: Floats = apart / np.maximum(apart.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return probabilities


def sample_pixels(
    labels: NDArray[np.integer], distances: Floats, options: SamplingOptions, rng: np.random.Generator
) -> Pixels:
    """Returns the pixels of an image that are compared.

    Args:
        labels: `(H, W)`, regions; below 0 where there is no image.
        distances: `(R, R)`, between all leaves, those that the crop has lost, too; see `leaf_distances`.
    """
    wanted = options.anchors, options.positives, options.negatives
    order = np.argsort((labels.ravel() + 1).astype(np.uint16), kind="stable")  # a radix sort: of 16 bits
    areas = np.bincount(labels.ravel() + 1, minlength=len(distances) + 1)
    starts = np.cumsum(areas) - areas
    present = np.flatnonzero(areas[1:])
    if not len(present):
        return _none(*wanted)
    areas, starts = areas[1 + present], starts[1 + present]
    positive, negative = _probabilities(distances[np.ix_(present, present)], areas, options)

    anchors = _anchors(areas, options, rng)
    first = _drawn(rng.random((len(anchors), 1)), areas[anchors, None])
    own = anchors[:, None]
    near = _chosen(positive[anchors], rng.random((len(anchors), options.positives)))
    # Not the anchor itself: of its own region one pixel less, and those from it on one further.
    inside = _drawn(rng.random(near.shape), areas[near] - (near == own))
    inside += (near == own) & (inside >= first)
    far = _chosen(negative[anchors], rng.random((len(anchors), options.negatives)))
    beyond = _drawn(rng.random(far.shape), areas[far])

    regions, offsets = np.concatenate([own, near, far], axis=1), np.concatenate([first, inside, beyond], axis=1)
    pixels = order[starts[regions] + np.minimum(offsets, areas[regions] - 1)]
    counted = (areas[anchors] > 1) & (negative[anchors].sum(axis=1) > 0)
    return Pixels(np.stack(np.divmod(pixels, labels.shape[1]), axis=-1), counted, positive[anchors, anchors])


def _probabilities(distances: Floats, areas: NDArray[np.int64], options: SamplingOptions) -> tuple[Floats, Floats]:
    """Equations 2 and 3 for the regions of a crop; or the same for regions that are all equally far."""
    if options.distances == "flat":
        positive = np.eye(len(distances))
        negative = negative_probabilities(np.zeros_like(distances))
    else:
        scaled = distances * (options.distance_scale / TEMPERATURE)
        positive, negative = positive_probabilities(scaled), negative_probabilities(scaled)
    if options.weighting == "pixel":
        positive, negative = positive * areas, negative * areas
        positive /= positive.sum(axis=1, keepdims=True)
    return positive, negative


def _anchors(areas: NDArray[np.int64], options: SamplingOptions, rng: np.random.Generator) -> NDArray[np.int64]:
    """The regions of the anchors: of those with two pixels or more each once, and, where these are too few, again.

    Weighted draws without replacement: Efraimidis and Spirakis, Information Processing Letters 2006.
    """
    weights = areas if options.anchor_weighting == "area" else 1.0
    keys = np.where(areas > 1, np.log(rng.random(len(areas))) / weights, -np.inf)
    able = max(int((areas > 1).sum()), 1)
    return np.resize(np.argsort(-keys, kind="stable")[:able], options.anchors)


def _chosen(weights: Floats, draws: Floats) -> NDArray[np.int64]:
    """Which of R each draw `(A, n)` in [0, 1) falls on, by weights `(A, R)`: never on one of weight 0."""
    ends = np.cumsum(weights, axis=1)
    # Below the last end however it is rounded: what stands beyond it has no weight.
    at = np.minimum(draws * ends[:, -1:], np.nextafter(ends[:, -1:], 0.0))
    passed: NDArray[np.int64] = (ends[:, None] <= at[..., None]).sum(axis=2)
    return np.minimum(passed, weights.shape[1] - 1)  # where nothing has any weight


def _drawn(draws: Floats, counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Whole numbers from 0 to below the counts."""
    return (draws * counts).astype(np.int64)


def _none(anchors: int, positives: int, negatives: int) -> Pixels:
    points = np.zeros((anchors, 1 + positives + negatives, 2), np.int64)
    return Pixels(points, np.zeros(anchors, np.bool_), np.zeros(anchors))
