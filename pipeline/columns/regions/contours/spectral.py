"""What contours an image has as a whole: the spectral signal of gPb, on the graph of the watershed's basins.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 3.2, and, for coarser
graphs, Arbelaez et al., "Multiscale Combinatorial Grouping", CVPR 2014, section 3. Theirs joins pixels up to 5 px
apart; here pixels are joined to their four neighbours, and the cut is sought among the vectors that are constant within
each basin, since contours run between basins. That is an exact reduction to some 2000 unknowns, and an eigenvector's
derivative is its step from one basin to the next.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, eigh_tridiagonal

from pipeline.kernels.basins import basin_graph, largest_steps
from pipeline.kernels.elimination import Factors, factors, solve
from pipeline.kernels.hierarchy import without_small
from pipeline.kernels.watershed import watershed

_SHIFT = 1e-5  # of the spectrum, so that the matrix to be inverted is positive definite
_LOWEST = 1e-8  # eigenvalue; what is lower is rounding
_GAIN = 3.0  # the strongest boundary of a photograph is on the average a third of an eigenvector's whole range
_MOST = 4000  # basins of which each is an unknown; where there are more,
_SHARE = 8000  # those under this part of the image join a neighbour first: the time for the rest grows faster than it
_DENSE = 100  # basins up to which all eigenvectors are computed
_EXHAUSTED = 1e-10  # share of what is left of a step: nothing, but for rounding, so that the next is a random one
_MOST_STEPS = 10  # of the iteration, for each eigenvector; with the default precision it takes 2 or 3


def reinforced(strength: NDArray[np.floating], weight: float = 1.0) -> NDArray[np.float32]:
    """Returns the mean of contours and their spectral signal, in which the signal weighs `weight` to 1.

    Args:
        strength: `(H, W)`, in [0, 1].
        weight: 0 or more.

    Returns:
        `(H, W)`, in [0, 1].
    """
    mean = np.float32(weight) * spectral_signal(strength)
    mean += np.asarray(strength, np.float32)
    mean /= np.float32(1 + weight)
    return mean


def spectral_signal(
    strength: NDArray[np.floating], eigenvectors: int = 16, scale: float = 0.1, precision: float = 1e-2
) -> NDArray[np.float32]:
    """Measures how the leading eigenvectors of the normalised cut step from each pixel to its neighbours.

    Neighbours are as alike as `exp(-s / scale)`, where s is the larger of their strengths. A step is measured in the
    eigenvector's whole range, averaged with the inverse roots of the eigenvalues as weights, and multiplied by 3 (at
    most 1). The paper leaves the sum as it is; the mean makes images comparable, and does not blow up the faint steps
    of one without contours. Steps occur between basins only: a pixel has the largest of its four, 0 within a basin. Of
    more than 4000 basins those under 1/8000 of the image first join a neighbour.

    Args:
        strength: `(H, W)`, in [0, 1].
        eigenvectors: how many, beside the constant one.
        scale: rho of the paper, a strength.
        precision: relative, of the eigenvalues; 0 is all there is. Finer than the default does not show in the regions.

    Returns:
        `(H, W)`, in [0, 1].
    """
    basins = watershed(strength)
    if basins.max() >= _MOST:
        basins = without_small(basins, strength, None, strength.size // _SHARE)
    count = int(basins.max()) + 1
    if count == 1:
        return np.zeros(strength.shape, np.float32)
    degree, ends, likeness = basin_graph(strength, basins, scale, count)
    values, vectors = _normalised_cut(degree, ends, likeness, min(eigenvectors, count - 1), precision)
    weights = 1 / np.sqrt(np.maximum(values, _LOWEST))
    vectors *= _GAIN * weights / weights.sum() / (vectors.max(axis=0) - vectors.min(axis=0))
    return np.minimum(largest_steps(basins, vectors), np.float32(1))


def _normalised_cut(
    degree: NDArray[np.float64], ends: NDArray[np.int32], likeness: NDArray[np.float64], wanted: int, precision: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest eigenvalues of `(D - W) v = lambda D v` but for the first, rising, and their vectors `(N, wanted)`.

    Shi and Malik, "Normalized Cuts and Image Segmentation", TPAMI 2000, equation 6.
    """
    count = len(degree)
    root = 1 / np.sqrt(degree)
    between = likeness * root[ends[0]] * root[ends[1]]
    # The likeness within a basin is in its degree alone: what leaves the basin is the rest of D - W.
    leaving = np.bincount(ends[0], likeness, count) + np.bincount(ends[1], likeness, count)
    diagonal = leaving * root**2 + _SHIFT
    if count <= max(_DENSE, 2 * wanted):
        matrix = np.diag(diagonal)
        for a, b in (ends, ends[::-1]):
            np.subtract.at(matrix, (a, b), between)
        values, vectors = eigh(matrix, subset_by_index=[0, wanted])
    else:
        values, vectors = _lowest(factors(ends, between, diagonal), wanted + 1, precision)
    return values[1:] - _SHIFT, vectors[:, 1:] * root[:, None]


def _lowest(of: Factors, wanted: int, precision: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest eigenvalues, rising, and their vectors, by Lanczos iteration on the inverse from a fixed start.

    Lanczos, "An Iteration Method for the Solution of the Eigenvalue Problem", 1950, with all vectors kept orthogonal.
    """
    random = np.random.default_rng(0)
    count = len(of.pivots)
    precision = max(precision, float(np.finfo(np.float64).eps))
    steps = min(count, _MOST_STEPS * wanted)
    basis = np.empty((steps, count))
    diagonal, beside = np.zeros(steps), np.zeros(steps)
    following = random.standard_normal(count)
    for step in range(steps):
        basis[step] = following / np.sqrt(following @ following)
        following = solve(of, basis[step])
        if step:
            following -= beside[step - 1] * basis[step - 1]
        diagonal[step] = basis[step] @ following
        following -= diagonal[step] * basis[step]
        following -= basis[: step + 1] @ following @ basis[: step + 1]  # what rounding leaves
        beside[step] = np.sqrt(following @ following)
        if beside[step] <= _EXHAUSTED * diagonal[0]:
            beside[step] = 0
            following = random.standard_normal(count)
            for _ in range(2):
                following -= basis[: step + 1] @ following @ basis[: step + 1]
        if step + 1 == steps or (step >= 2 * wanted and step % 4 == 2 * wanted % 4):
            largest, mixtures = eigh_tridiagonal(diagonal[: step + 1], beside[:step])
            largest, mixtures = largest[: -wanted - 1 : -1], mixtures[:, : -wanted - 1 : -1]
            if (beside[step] * np.abs(mixtures[-1]) <= precision * largest).all():
                break
    return 1 / largest, basis[: step + 1].T @ np.ascontiguousarray(mixtures)
