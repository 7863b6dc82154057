"""The segments of one image: by k-means of its features, or of its colours, each with what describes it."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from trainers.data.transforms import IGNORED, generator
from trainers.evaluations.features import Image, nearest_cells, shrunk, unit_features
from trainers.evaluations.start import Features

FEATURES, COLOUR, COLOUR_SEGMENTS = "features", "mean colour", "mean colour of colour segments"
"""How segments are made and described: by features; by features, and by colour; by colour."""
SEARCHES = (FEATURES, COLOUR, COLOUR_SEGMENTS)
ITERATIONS = 30  # of k-means, which has hardly anything left to do after so many


@dataclass(frozen=True)
class Segments:
    """The S segments of an image.

    Args:
        labels: `(H, W)`, the segment of each pixel, from 0 to S - 1.
        descriptors: `(S, C)`: the nearer two are, the more alike the segments.
        whole: whether there were enough features for all the clusters.
    """

    labels: NDArray[np.int64]
    descriptors: NDArray[np.float32]
    whole: bool

    def classes(self, mask: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
        """Returns how many pixels of each class the segments have, `(S, classes)`, by a mask `(H, W)`."""
        counted = mask != IGNORED
        both = self.labels[counted] * classes + mask[counted]
        return np.bincount(both, minlength=len(self.descriptors) * classes).reshape(-1, classes)


@dataclass(frozen=True)
class Segmentation:
    """How images are segmented and described.

    Args:
        features: of images.
        stride: how many pixels they lie apart.
        clusters: of an image, at most.
        longer_side: of what is embedded, at most, pixels.
        seed: of k-means.
    """

    features: Features
    stride: int
    clusters: int
    longer_side: int
    seed: int

    def __call__(self, key: str, image: Image) -> Mapping[str, Segments]:
        """Returns the segments of an image by features, described by features and by colour, and those by colour.

        Features are compared by the cosine of their angle: descriptors are means of length 1, whose distance tells the
        same. Colours are CIELAB, at the same places.
        """
        small = shrunk(image, self.longer_side)
        grid = unit_features(self.features, small)
        size = (grid.shape[1], grid.shape[0])
        lab = cv2.cvtColor(cv2.resize(small, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
        points, colours = grid.reshape(-1, grid.shape[2]), lab.reshape(-1, 3)
        rows, columns = (
            nearest_cells(*sides, self.stride)
            for sides in zip(image.shape[:2], small.shape[:2], grid.shape[:2], strict=True)
        )
        of, coloured = (self._clustered(key, each) for each in (points, colours))
        means = _means(points, of)
        described = {
            FEATURES: (of, means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)),
            COLOUR: (of, _means(colours, of)),
            COLOUR_SEGMENTS: (coloured, _means(colours, coloured)),
        }
        return {
            name: Segments(
                labels.reshape(grid.shape[:2])[rows[:, None], columns],
                descriptors.astype(np.float32),
                len(points) >= self.clusters,
            )
            for name, (labels, descriptors) in described.items()
        }

    def _clustered(self, key: str, points: NDArray[np.float32]) -> NDArray[np.int64]:
        """The cluster of each of `(N, C)` points, from 0 on; there may be fewer clusters than were asked for."""
        clusters = min(self.clusters, len(points))
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # points that are all the same, empty clusters
            warnings.simplefilter("ignore")
            rng = generator(self.seed, 0, key, "k-means")
            labels = kmeans2(points, clusters, iter=ITERATIONS, minit="++", rng=rng)[1]
        return np.unique(labels, return_inverse=True)[1]


def _means(points: NDArray[np.float32], of: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of the points of each cluster, `(S, C)`."""
    sums = np.zeros((int(of.max()) + 1, points.shape[1]))
    np.add.at(sums, of, points)
    return sums / np.bincount(of)[:, None]
