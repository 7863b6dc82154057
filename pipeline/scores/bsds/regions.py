"""How well regions agree with people's, in counts that can be put together over images.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, section 3.2; variation of
information after Meila, "Comparing Clusterings: An Axiomatic View", ICML 2005; the probabilistic Rand index after
Unnikrishnan, Pantofaru and Hebert, "Toward Objective Evaluation of Image Segmentation Algorithms", TPAMI 2007.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.scores.bsds.truth import Human


@dataclass(frozen=True)
class RegionCounts:
    """One image.

    Args:
        areas: `(R,)` of each region of each human, pixels.
        overlaps: `(T, R)` at each threshold: the largest intersection over union that a region of the machine has with
            the human's.
        rand: `(T,)` Rand index, a mean over the humans.
        variation: `(T,)` variation of information, bits, a mean over the humans.
    """

    areas: NDArray[np.int64]
    overlaps: NDArray[np.float64]
    rand: NDArray[np.float64]
    variation: NDArray[np.float64]

    @property
    def covering(self) -> NDArray[np.float64]:
        """`(T,)`, in [0, 1]."""
        return np.asarray(self.overlaps @ self.areas / self.areas.sum())


@dataclass(frozen=True)
class RegionScores:
    """Regions over a set of images: at the best threshold for the set (`ods`) and for each image (`ois`).

    `covering_best` takes for each human region the best of all thresholds; variation of information is the better the
    smaller.
    """

    covering_ods: float
    covering_ois: float
    covering_best: float
    covering_threshold: float
    rand_ods: float
    rand_ois: float
    rand_threshold: float
    variation_ods: float
    variation_ois: float
    variation_threshold: float


def overlaps(labels: NDArray[np.int64], humans: Sequence[Human]) -> list[NDArray[np.int64]]:
    """Counts how many pixels region i and a human's region j share, at `[i, j]`: one table a human."""
    rows = int(labels.max()) + 1
    tables = []
    for human in humans:
        columns = int(human.labels.max()) + 1
        counts = np.bincount((labels * columns + human.labels).ravel(), minlength=rows * columns)
        tables.append(np.asarray(counts, np.int64).reshape(rows, columns))
    return tables


def region_counts(tables: Iterable[Sequence[NDArray[np.int64]]]) -> RegionCounts:
    """Returns the counts of one image from its tables of shared pixels: for each threshold, one table a human."""
    overlap, rand, variation = [], [], []
    for humans in tables:
        overlap.append(np.concatenate([_best_overlaps(table) for table in humans]))
        rand.append(np.mean([_rand_index(table) for table in humans]))
        variation.append(np.mean([_variation_of_information(table) for table in humans]))
        areas = np.concatenate([table.sum(axis=0) for table in humans])
    return RegionCounts(areas, np.stack(overlap), np.array(rand), np.array(variation))


def region_scores(images: Sequence[RegionCounts], thresholds: NDArray[np.float64]) -> RegionScores:
    """Returns the scores of a set of images.

    In covering, each human region weighs as its area; elsewhere, each image weighs the same.

    Source: the official benchmark, which sums over all images' regions before it divides.
    """
    areas = [image.areas for image in images]
    total = np.sum(np.concatenate(areas))
    covered = np.array([image.overlaps @ image.areas for image in images])  # (images, T)
    rand = np.array([image.rand for image in images])
    variation = np.array([image.variation for image in images])
    best = [image.overlaps.max(axis=0) @ image.areas for image in images]
    covering = covered.sum(axis=0) / total
    return RegionScores(
        covering_ods=float(covering.max()),
        covering_ois=float(covered.max(axis=1).sum() / total),
        covering_best=float(np.sum(best) / total),
        covering_threshold=float(thresholds[covering.argmax()]),
        rand_ods=float(rand.mean(axis=0).max()),
        rand_ois=float(rand.max(axis=1).mean()),
        rand_threshold=float(thresholds[rand.mean(axis=0).argmax()]),
        variation_ods=float(variation.mean(axis=0).min()),
        variation_ois=float(variation.min(axis=1).mean()),
        variation_threshold=float(thresholds[variation.mean(axis=0).argmin()]),
    )


def _best_overlaps(table: NDArray[np.int64]) -> NDArray[np.float64]:
    union = table.sum(axis=0) + table.sum(axis=1)[:, None] - table
    return np.asarray((table / union).max(axis=0))


def _rand_index(table: NDArray[np.int64]) -> float:
    """The share of pairs of pixels that are together in both segmentations or apart in both."""
    pixels = int(table.sum())
    if pixels == 1:
        return 1.0
    together, ours, theirs = (int(np.square(n).sum()) for n in (table, table.sum(axis=1), table.sum(axis=0)))
    return 1 - (ours + theirs - 2 * together) / (pixels * (pixels - 1))


def _variation_of_information(table: NDArray[np.int64]) -> float:
    return 2 * _entropy(table) - _entropy(table.sum(axis=0)) - _entropy(table.sum(axis=1))


def _entropy(counts: NDArray[np.int64]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())
