"""What a machine made of an image: a contour map, a hierarchy of regions, or segmentations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from common_fate.errors import UserError
from common_fate.foreign.files import read_file
from common_fate.shards.codecs import decode
from pipeline.scores.bsds.label_images import cells, label_image
from pipeline.scores.bsds.regions import overlaps
from pipeline.scores.bsds.truth import Human
from pipeline.sources.mat_files import MOST_BYTES, read_variables

SUFFIXES = (".mat", ".npy", ".png")

Thresholds = NDArray[np.float64]
Tables = list[NDArray[np.int64]]
"""How many pixels a region of the machine (row) and one of a human (column) share; one table a human."""


def even_thresholds(count: int) -> Thresholds:
    """Returns `count` thresholds inside [0, 1], evenly apart from each other and from both ends; rising."""
    return np.linspace(1 / (count + 1), 1 - 1 / (count + 1), count)


@dataclass(frozen=True)
class ContourMap:
    """The strength of contours, `(H, W)` in [0, 1]. It has no regions."""

    strength: NDArray[np.float64]

    def thresholds(self, count: int) -> Thresholds:
        return even_thresholds(count)

    def contours(self, thresholds: Thresholds) -> Iterator[NDArray[np.bool_]]:
        """Returns the pixels that are as strong as each threshold, `(H, W)`."""
        return (self.strength >= threshold for threshold in thresholds)

    def tables(self, thresholds: Thresholds, humans: Sequence[Human]) -> None:
        return None


@dataclass(frozen=True)
class Hierarchy:
    """An ultrametric contour map, `(2H+1, 2W+1)` in [0, 1]: pixels at odd places, their edges and corners between.

    Arbelaez, "Boundary Extraction in Natural Images Using Ultrametric Contour Maps", CVPRW 2006.
    """

    heights: NDArray[np.float64]

    def thresholds(self, count: int) -> Thresholds:
        return even_thresholds(count)

    def contours(self, thresholds: Thresholds) -> Iterator[NDArray[np.bool_]]:
        """Returns the pixels whose lower right corner is as strong as each threshold, `(H, W)`."""
        return (self.heights[2::2, 2::2] >= threshold for threshold in thresholds)

    def tables(self, thresholds: Thresholds, humans: Sequence[Human]) -> Iterator[Tables]:
        """Yields the tables of the regions that no edge above a threshold parts, for each threshold; these must rise.

        Regions only merge, so pixels are counted once, in the regions of the first threshold.
        """
        labels, pairs, heights = _finest(self.heights, float(thresholds[0]))
        finest = overlaps(labels, humans)
        for threshold in thresholds:
            a, b = pairs[:, heights <= threshold]
            graph = coo_array((np.ones(len(a), np.bool_), (a, b)), shape=(len(finest[0]),) * 2)
            count, merged = connected_components(graph, directed=False)
            yield [_summed(table, merged, count) for table in finest]


@dataclass(frozen=True)
class Segmentations:
    """Segmentations without an order, labels 0 to n-1 `(H, W)` each; the thresholds are their numbers from 1."""

    labels: list[NDArray[np.int64]]

    def thresholds(self, count: int) -> Thresholds:
        return np.arange(1.0, len(self.labels) + 1)

    def contours(self, thresholds: Thresholds) -> Iterator[NDArray[np.bool_]]:
        """Returns the pixels whose right, lower or lower right neighbours have other labels, `(H, W)`."""
        return map(_boundaries, self.labels)

    def tables(self, thresholds: Thresholds, humans: Sequence[Human]) -> Iterator[Tables]:
        return (overlaps(labels, humans) for labels in self.labels)


Result = ContourMap | Hierarchy | Segmentations


def read_result(path: Path, shape: tuple[int, int]) -> Result:
    """Reads one image's result.

    Args:
        path: `.png` (8 or 16 bits, one channel) or `.npy`, a contour map `(H, W)` or an ultrametric contour map
            `(2H+1, 2W+1)`; `.mat` with a map as `ucm2`, or with a cell array of label images as `segs`. Whole numbers
            of 8 and 16 bits stand for [0, 1].
        shape: the image's height and width, pixels.

    Raises:
        UserError: the file cannot be read, has another size, or values outside [0, 1].
    """
    height, width = shape
    if path.suffix == ".mat":
        found = read_variables(path)
        if "segs" in found:
            return _segmentations(cells(found["segs"]), path, shape)
        if "ucm2" not in found:
            raise UserError(f"{path}: has neither ucm2 nor segs, but {', '.join([*found][:5]) or 'nothing'}")
        values = np.asarray(found["ucm2"])
    else:
        values = _array(path)
    if values.shape == (2 * height + 1, 2 * width + 1):
        return Hierarchy(_in_unit_range(values, path))
    if values.shape == shape and path.suffix != ".mat":
        return ContourMap(_in_unit_range(values, path))
    raise UserError(
        f"{path}: is {values.shape}, and the image {shape}: a contour map has the image's size, "
        f"an ultrametric contour map (2H+1, 2W+1)"
    )


def _array(path: Path) -> NDArray[Any]:
    if path.suffix == ".npy":
        try:
            return np.asarray(decode("npy", read_file(path, MOST_BYTES)))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: is no .npy file that can be read ({error})") from error
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise UserError(f"{path}: is no picture that can be read")
    if picture.ndim != 2:
        raise UserError(f"{path}: has {picture.shape[2]} channels; a contour map has one")
    return picture


def _in_unit_range(values: NDArray[Any], path: Path) -> NDArray[np.float64]:
    if values.dtype in (np.uint8, np.uint16):
        return values / np.iinfo(values.dtype).max
    if values.dtype.kind not in "fiub":
        raise UserError(f"{path}: should hold numbers, and holds {values.dtype}")
    unit = values.astype(np.float64)
    if not ((unit >= 0) & (unit <= 1)).all():  # not-a-number is outside, too
        raise UserError(f"{path}: has values outside [0, 1], from {unit.min():g} to {unit.max():g}: scale them")
    return unit


def _segmentations(images: list[Any], path: Path, shape: tuple[int, int]) -> Segmentations:
    labels = [label_image(image, f"{path}: segs") for image in images]
    if not labels:
        raise UserError(f"{path}: segs is empty")
    for image in labels:
        if image.shape != shape:
            raise UserError(f"{path}: a segmentation is {image.shape}, and the image {shape}")
    return Segmentations(labels)


def _finest(
    heights: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The regions that no edge above the threshold parts, `(H, W)` from 0; pairs of neighbours `(2, P)`; the lowest
    edge of each pair `(P,)`."""
    passable = np.asarray(heights <= threshold, np.uint8)
    passable[1::2, 1::2] = 1
    passable[::2, ::2] = 0  # corners: a way through one leads through an edge beside it as well
    _, connected = cv2.connectedComponents(passable, connectivity=4)
    labels = np.asarray(connected[1::2, 1::2], np.int64)
    labels -= 1  # of what is not passable
    count = int(labels.max()) + 1
    sides = [(labels[:, :-1], labels[:, 1:], heights[1::2, 2:-1:2]), (labels[:-1], labels[1:], heights[2:-1:2, 1::2])]
    first, second, edge = (np.concatenate([side[i][side[0] != side[1]] for side in sides]) for i in range(3))
    pair = np.minimum(first, second) * count + np.maximum(first, second)
    order = np.lexsort((edge, pair))
    names, lowest = np.unique(pair[order], return_index=True)
    return labels, np.stack(np.divmod(names, count)), edge[order][lowest]


def _summed(table: NDArray[np.int64], merged: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """The rows added up that have merged."""
    total = np.zeros((count, table.shape[1]), np.int64)
    np.add.at(total, merged, table)
    return total


def _boundaries(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    after = np.pad(labels, ((0, 1), (0, 1)), mode="edge")
    blocks = np.stack([after[:-1, :-1], after[:-1, 1:], after[1:, :-1], after[1:, 1:]])
    return np.asarray((blocks != blocks[0]).any(axis=0))
