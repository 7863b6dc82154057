"""Training of a structured forest on images with human segmentations.

Dollar and Zitnick, "Fast Edge Detection Using Structured Forests", TPAMI 2015, sections 2 and 3.1; what the text leaves
open is an option here.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from common_fate.errors import SampleError, UserError
from common_fate.progress import progress
from common_fate.shards.record import file_sha256
from pipeline.columns.regions.contours.forest_channels import (
    CHANNELS,
    FEATURES,
    INNER,
    MARGIN,
    PATCH,
    SHRINK,
    Radii,
    channels,
    feature_places,
    padded,
)
from pipeline.columns.regions.contours.forest_file import Forest, write_forest
from pipeline.kernels.forest_growth import grow_tree, patch_features, patch_segments, quantised
from pipeline.scores.bsds.truth import read_truth
from pipeline.sources.listing import images_by_stem
from pipeline.sources.reading import check_beside

_LEVELS = 255  # thresholds that a channel's features are compared with
_LEVEL_IMAGES = 20  # whose values the levels are taken from
_NO_EDGES = np.empty(0, np.uint8)


@dataclass(frozen=True)
class ForestTrainingOptions:
    """How a forest is trained. The defaults are the paper's where it has one."""

    trees: int = 8
    voters: int = 4  # trees that look at a patch in detection
    positives: int = 500_000  # patches of a tree near a human's boundary
    negatives: int = 500_000  # and far from any
    feature_share: float = 0.25  # of the features, drawn for each tree
    tried: int = 43  # features tried at a node: about the root of a tree's 1807
    pairs: int = 256  # pairs of pixels that tell whether two segmentations are alike
    smallest_leaf: int = 8  # patches
    deepest: int = 64  # splits from root to leaf
    mirrored: bool = True  # half of a tree's images, drawn by chance, are seen in a mirror
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.voters <= self.trees <= 64:
            raise ValueError(f"voters is {self.voters} of {self.trees} trees: take 1 to trees, and at most 64 trees")
        if not 0 < self.feature_share <= 1:
            raise ValueError(f"feature_share is {self.feature_share}: it is a share above 0 and up to 1")
        for name in ("positives", "negatives", "tried", "pairs", "smallest_leaf", "deepest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: take at least 1")


@dataclass(frozen=True)
class _Lesson:
    """An image and how humans have segmented it."""

    image: NDArray[np.uint8]
    segmentations: list[NDArray[np.uint16]]


def train_forest(images: Path, truth: Path, to: Path, options: ForestTrainingOptions | None = None) -> dict[str, Any]:
    """Trains a forest and writes it as OpenCV reads it.

    Args:
        images: a folder of images, none of which differ in their extension alone.
        truth: a folder of `.mat` files in the form of BSDS500, one to an image, of the same name.
        to: the file to write, `.yml.gz`.

    Returns:
        What to keep beside the forest: options, number of images and segmentations, nodes, and the file's sha256.

    Raises:
        UserError: no images, an image without its truth, a damaged file, another size, truth that lies otherwise than
            the image for all that is known, a full disk.
    """
    options = options or ForestTrainingOptions()
    lessons = _lessons(images, truth)
    levels = _levels(lessons, options)
    grown = [_grow(lessons, levels, options, tree) for tree in range(options.trees)]
    forest = _assembled(grown, options)
    write_forest(to, forest)
    return {
        "images": len(lessons),
        "segmentations": sum(len(lesson.segmentations) for lesson in lessons),
        "options": asdict(options),
        "nodes": [len(tree.child) for tree in grown],
        "bytes": to.stat().st_size,
        "sha256": file_sha256(to),
    }


def _lessons(images: Path, truth: Path) -> list[_Lesson]:
    paths = images_by_stem(images, str(images)).values()
    return [_lesson(path, truth / f"{path.stem}.mat") for path in progress(paths, len(paths), "reading images")]


def _lesson(path: Path, truth: Path) -> _Lesson:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise UserError(f"{path} is no image that can be read: copy it again or take it away")
    if not truth.is_file():
        raise UserError(f"{truth} is missing: the human segmentations of {path.name}")
    segmentations = [human.labels.astype(np.uint16) for human in read_truth(truth)]
    if not segmentations:
        raise UserError(f"{truth} has no segmentation of {path.name}")
    try:
        check_beside(str(path), segmentations[0].shape, "a segmentation")
    except SampleError as error:
        raise UserError(f"{path}: {error}") from error
    return _Lesson(image, segmentations)


def _levels(lessons: list[_Lesson], options: ForestTrainingOptions) -> NDArray[np.float32]:
    """`(2, 13, 255)`: the numbers that pixel features and differences of a channel may be compared with.

    Quantiles of the channel over images spread evenly through the set, in four digits: few and short numbers keep the
    file small. Ascending; where two would be the same, the last are infinite.
    """
    random = np.random.default_rng([options.seed])
    places = feature_places()
    values: list[list[NDArray[np.float32]]] = [[] for _ in range(2 * CHANNELS)]
    for lesson in lessons[:: max(1, len(lessons) // _LEVEL_IMAGES)]:
        both = channels(padded(lesson.image), Radii())
        height, width = both.shape[2:]
        for kind in range(2):
            for channel in range(CHANNELS):
                plane = both[kind, channel]
                if kind == 0:
                    found = plane.ravel()[::7]
                else:
                    of = places[(places[:, 0] == 1) & (places[:, 1] == channel)]
                    _, _, y1, x1, y2, x2 = of[random.integers(0, len(of), 5000)].T
                    y = random.integers(0, height - PATCH // SHRINK, 5000)
                    x = random.integers(0, width - PATCH // SHRINK, 5000)
                    found = plane[y + y1, x + x1] - plane[y + y2, x + x2]
                values[kind * CHANNELS + channel].append(found)
    levels = np.full((2 * CHANNELS, _LEVELS), np.inf, np.float32)
    for row, found in zip(levels, values, strict=True):
        quantiles = np.quantile(np.concatenate(found).astype(np.float64), np.arange(1, _LEVELS + 1) / (_LEVELS + 1))
        short = np.unique(np.array([float(f"{value:.4g}") for value in quantiles], np.float32))
        row[: len(short)] = short
    return levels.reshape(2, CHANNELS, _LEVELS)


@dataclass(frozen=True)
class _Tree:
    """A grown tree: what `Forest` has a row of, and the pixels of each node's edges."""

    child: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    edges: list[NDArray[np.uint8]]


def _grow(lessons: list[_Lesson], levels: NDArray[np.float32], options: ForestTrainingOptions, tree: int) -> _Tree:
    random = np.random.default_rng([options.seed, tree])
    chosen = np.sort(random.choice(FEATURES, round(FEATURES * options.feature_share), replace=False))
    places = feature_places()[chosen]
    humans = sum(len(lesson.segmentations) for lesson in lessons)
    shares = -(-options.positives // humans), -(-options.negatives // humans)
    mirrored = random.random(len(lessons)) < (0.5 if options.mirrored else 0.0)
    drawn = [_corners(lesson, mirror, shares, random) for lesson, mirror in zip(lessons, mirrored, strict=True)]
    count = sum(len(corners) for of_image in drawn for corners in of_image)
    if count < 2 * options.smallest_leaf:
        raise UserError(f"the images have room for {count} patches: too few to grow a tree from")
    features = np.empty((len(places), count), np.uint8)
    segments = np.empty((count, INNER * INNER), np.uint8)
    start = 0
    work = progress(zip(lessons, mirrored, drawn, strict=True), len(lessons), f"tree {tree + 1}: patches")
    for lesson, mirror, of_image in work:
        both = channels(padded(_seen(lesson.image, mirror)), Radii())
        codes = np.stack([quantised(plane, level) for plane, level in zip(both[0], levels[0], strict=True)])
        for segmentation, corners in zip(lesson.segmentations, of_image, strict=True):
            end = start + len(corners)
            shifted = (corners + (MARGIN - (PATCH - INNER) // 2)) // SHRINK  # of the whole patch, in the channels
            patch_features(codes, both[1], levels[1], places, shifted, features[:, start:end])
            patch_segments(np.ascontiguousarray(_seen(segmentation, mirror)), corners, segments[start:end])
            start = end
    child, feature, cut, medoid = grow_tree(
        features, segments, options.tried, options.pairs, options.smallest_leaf, options.deepest, random
    )
    edges = [_edge_pixels(segments[patch]) if patch >= 0 else _NO_EDGES for patch in medoid]
    child, edges, kept = _pruned(child, edges)
    feature, cut = feature[kept], cut[kept]
    kind, channel = places[feature, 0], places[feature, 1]
    return _Tree(
        child=child,
        feature=np.where(child > 0, chosen[feature], 0).astype(np.int32),
        threshold=np.where(child > 0, levels[kind, channel, cut], np.float32(0)),
        edges=edges,
    )


def _pruned(
    child: NDArray[np.int32], edges: list[NDArray[np.uint8]]
) -> tuple[NDArray[np.int32], list[NDArray[np.uint8]], NDArray[np.bool_]]:
    """A tree without the splits that make no difference: those between two leaves with the same edges.

    Returns:
        The left child of each node that is left, its edges, and which of the old nodes these are.
    """
    child, edges = child.copy(), list(edges)
    for node in range(len(child) - 1, -1, -1):
        left = child[node]
        if left and not child[left] and not child[left + 1] and np.array_equal(edges[left], edges[left + 1]):
            child[node], edges[node] = 0, edges[left]
    kept = np.zeros(len(child), bool)
    kept[0] = True
    for node in np.flatnonzero(child).tolist():
        if kept[node]:
            kept[child[node] : child[node] + 2] = True
    number = np.cumsum(kept) - 1
    fewer = np.where(child > 0, number[child], 0)[kept].astype(np.int32)
    return fewer, [pixels for pixels, stays in zip(edges, kept, strict=True) if stays], kept


def _seen(array: NDArray[Any], mirror: bool) -> NDArray[Any]:
    return np.ascontiguousarray(array[:, ::-1]) if mirror else array


def _corners(
    lesson: _Lesson, mirror: bool, shares: tuple[int, int], random: np.random.Generator
) -> list[NDArray[np.int32]]:
    """For each human, where the inner squares of patches start: `(P, 2)` rows of y and x, pixels.

    A patch is a positive one if its centre is less than 8 pixels from a boundary; of each kind as many as `shares`
    says, or all there are.
    """
    return [_human_corners(_seen(segmentation, mirror), shares, random) for segmentation in lesson.segmentations]


def _human_corners(
    segmentation: NDArray[np.uint16], shares: tuple[int, int], random: np.random.Generator
) -> NDArray[np.int32]:
    height, width = segmentation.shape
    y, x = np.arange(0, height - INNER + 1, SHRINK), np.arange(0, width - INNER + 1, SHRINK)
    boundary = np.zeros((height, width), bool)
    boundary[:-1] |= segmentation[:-1] != segmentation[1:]
    boundary[:, :-1] |= segmentation[:, :-1] != segmentation[:, 1:]
    half = INNER // 2
    if boundary.any():
        near = distance_transform_edt(~boundary)[half + y[:, None], half + x] < half
    else:
        near = np.zeros((len(y), len(x)), bool)
    taken = []
    for places, share in zip((np.flatnonzero(near), np.flatnonzero(~near)), shares, strict=True):
        taken.append(random.permutation(places)[:share])
    row, column = np.divmod(np.concatenate(taken), max(len(x), 1))
    return np.stack([SHRINK * row, SHRINK * column], axis=1).astype(np.int32)


def _edge_pixels(segments: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pixels on both sides of every boundary, column by column."""
    square = segments.reshape(INNER, INNER)
    edge = np.zeros((INNER, INNER), bool)
    for a, b in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differ = square[a] != square[b]
        edge[a] |= differ
        edge[b] |= differ
    return np.flatnonzero(edge).astype(np.uint8)


def _assembled(grown: list[_Tree], options: ForestTrainingOptions) -> Forest:
    """Trees of one size: the smaller ones get nodes that no walk reaches."""
    shape = (len(grown), max(len(tree.child) for tree in grown))
    child, feature = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    threshold = np.zeros(shape, np.float32)
    lengths = np.zeros(shape, np.int64)
    for t, tree in enumerate(grown):
        size = len(tree.child)
        child[t, :size], feature[t, :size], threshold[t, :size] = tree.child, tree.feature, tree.threshold
        lengths[t, :size] = [len(pixels) for pixels in tree.edges]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    bins = np.concatenate([pixels for tree in grown for pixels in tree.edges])
    return Forest(child, feature, threshold, starts, bins, options.voters)
