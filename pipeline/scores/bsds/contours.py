"""How well contours agree with people's: precision and recall by one-to-one matching.

Martin, Fowlkes and Malik, "Learning to Detect Natural Image Boundaries Using Local Brightness, Color, and Texture
Cues", TPAMI 2004, section 3; Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011,
section 3.1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.boundary_matching import matched_pixels
from pipeline.kernels.thinning import thinned
from pipeline.scores.bsds.truth import Human

TOLERANCE = 0.0075  # how far apart two matched pixels may be, as a share of the image's diagonal
_BETWEEN = 100  # points that a curve is looked at from one threshold to the next
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class ContourCounts:
    """One image, `(T,)` each: boundary pixels at each threshold.

    Args:
        found, drawn: of all humans: those that match one of the machine's, and all.
        right, claimed: of the machine: those that match one of any human's, and all.
    """

    found: NDArray[np.int64]
    drawn: NDArray[np.int64]
    right: NDArray[np.int64]
    claimed: NDArray[np.int64]

    @property
    def recall(self) -> NDArray[np.float64]:
        """`(T,)`, 0 where nothing was drawn."""
        return self.found / np.maximum(self.drawn, 1)

    @property
    def precision(self) -> NDArray[np.float64]:
        """`(T,)`, 0 where nothing is claimed."""
        return self.right / np.maximum(self.claimed, 1)


@dataclass(frozen=True)
class ContourScores:
    """Contours over a set of images.

    Args:
        ods: the F-measure at the best threshold for the set, `ods_threshold`, where it has `ods_recall` and
            `ods_precision`.
        ois: the F-measure with the best threshold for each image.
        ap: average precision.
        recall, precision: the curve, one value a threshold.
    """

    ods: float
    ods_threshold: float
    ods_recall: float
    ods_precision: float
    ois: float
    ap: float
    recall: tuple[float, ...]
    precision: tuple[float, ...]


def contour_counts(
    contours: Iterable[NDArray[np.bool_]], humans: Sequence[Human], tolerance: float = TOLERANCE
) -> ContourCounts:
    """Counts one image's matches.

    Args:
        contours: `(H, W)` at each threshold, to be thinned.
        tolerance: as a share of the diagonal.
    """
    drawn = sum(int(np.count_nonzero(human.boundaries)) for human in humans)
    radius = tolerance * float(np.hypot(*humans[0].boundaries.shape))
    rows: list[tuple[int, int, int, int]] = []
    before = None
    for contour in contours:
        if before is None or not np.array_equal(contour, before):
            rows.append(_matches(thinned(contour), humans, radius, drawn))
        else:  # a map of few values is the same at many thresholds
            rows.append(rows[-1])
        before = contour
    return ContourCounts(*np.array(rows, np.int64).T)


def contour_scores(images: Sequence[ContourCounts], thresholds: NDArray[np.float64]) -> ContourScores:
    """Returns the scores of a set of images, whose pixels are counted together.

    The curve is looked at between thresholds, too, along the chord. Average precision is the mean height of the curve
    over recalls from 0 to 1 in steps of 0.01, and 0 where the curve does not reach; of equal recalls the one at the
    highest threshold counts.

    Source: the official benchmark.
    """
    total = _sum(images)
    threshold, recall, precision, ods = best_f_measure(total, thresholds)
    best = [_at(image, _last_best(f_measure(image.recall, image.precision))) for image in images]
    single = _sum(best)
    return ContourScores(
        ods=ods,
        ods_threshold=threshold,
        ods_recall=recall,
        ods_precision=precision,
        ois=float(f_measure(single.recall, single.precision)[0]),
        ap=_average_precision(total.recall, total.precision),
        recall=tuple(total.recall.tolist()),
        precision=tuple(total.precision.tolist()),
    )


def best_f_measure(counts: ContourCounts, thresholds: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Returns threshold, recall, precision and F-measure where the last is largest along the curve."""
    at = np.linspace(0, len(thresholds) - 1, (len(thresholds) - 1) * _BETWEEN + 1)
    curve = [np.interp(at, np.arange(len(thresholds)), y) for y in (thresholds, counts.recall, counts.precision)]
    f = f_measure(curve[1], curve[2])
    best = int(f.argmax())
    return float(curve[0][best]), float(curve[1][best]), float(curve[2][best]), float(f[best])


def f_measure(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the harmonic mean, 0 where both are 0."""
    both = recall + precision
    return np.asarray(2 * recall * precision / np.where(both > 0, both, 1))


def _matches(
    contour: NDArray[np.bool_], humans: Sequence[Human], radius: float, drawn: int
) -> tuple[int, int, int, int]:
    right = np.zeros_like(contour)
    found = 0
    for human in humans:
        ours, theirs = matched_pixels(contour, human.boundaries, radius)
        right |= ours
        found += int(np.count_nonzero(theirs))
    return found, drawn, int(np.count_nonzero(right)), int(np.count_nonzero(contour))


def _sum(images: Sequence[ContourCounts]) -> ContourCounts:
    fields = ("found", "drawn", "right", "claimed")
    return ContourCounts(*(np.sum([getattr(image, field) for image in images], axis=0) for field in fields))


def _at(image: ContourCounts, t: int) -> ContourCounts:
    return ContourCounts(*(counts[t : t + 1] for counts in (image.found, image.drawn, image.right, image.claimed)))


def _last_best(f: NDArray[np.float64]) -> int:
    return len(f) - 1 - int(f[::-1].argmax())


def _average_precision(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    reached, last = np.unique(recall[::-1], return_index=True)
    if len(reached) < 2:
        return 0.0
    return float(np.interp(_RECALLS, reached, precision[::-1][last], left=0, right=0).sum() * 0.01)
