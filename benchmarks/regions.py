"""Regions: forest against OpenCV's detector, tree against Higra's, the whole stage, and growth with pixels."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import higra as hg
import numpy as np
from numpy.typing import NDArray
from skimage import data

from pipeline.columns.regions.contours.detectors import SHIPPED
from pipeline.columns.regions.contours.forest import Forest, ForestOptions, detect, load_forest
from pipeline.columns.regions.contours.spectral import reinforced
from pipeline.columns.regions.stage import RegionOptions, contours_of, regions_of
from pipeline.columns.regions.tree import region_tree
from pipeline.kernels.orientation import boundary_orientation

BSDS = Path(__file__).resolve().parents[2] / "shared" / "data" / "bsds500" / "images" / "val"
HEIGHT, WIDTH = 321, 481
LEAVES = 40
SIZES = (192, 384, 768, 1536)  # sides of the squares that growth is measured on

Image = NDArray[np.uint8]
Strength = NDArray[np.float32]


def run() -> list[dict[str, Any]]:
    """Milliseconds an image: detection, the tree without and with the orientation of its contours, and the stage; and
    milliseconds a megapixel of small and large images."""
    origin, images = photographs(16)
    forest = load_forest(SHIPPED)
    opencv = _opencv()
    strengths = [detect(forest, image) for image in images]
    orientations = [boundary_orientation(strength) for strength in strengths]
    what = f"contours to a tree of {LEAVES} regions: {WIDTH}x{HEIGHT}, {origin}"
    return [
        *_detection(forest, opencv, images[:6]),
        _row(what, "12 ms, 8x", *_times(ours, by_higra, [(strength,) for strength in strengths[:6]])),
        _row(f"{what}, oriented", "8x", *_times(ours, by_higra, list(zip(strengths, orientations, strict=True))[:6])),
        *_growths(forest, opencv, [cv2.resize(image, (384, 384)) for image in images]),
    ]


def _growths(forest: Forest, opencv: Callable[[Image], Strength], images: list[Image]) -> list[dict[str, Any]]:
    """Each part of the stage, and all of it, on the same pixels in small and in large images."""
    strengths = [detect(forest, image) for image in images]
    return [
        _growth("contours by a forest, OpenCV's", partial(detect, forest), opencv, images),
        _growth("contours' spectral signal", reinforced, None, strengths),
        _growth("region tree, Higra's", tree_of_stage, by_higra, strengths),
        _growth("regions, the whole stage", partial(stage, forest), lambda image: by_higra(opencv(image)), images),
    ]


def _opencv() -> Callable[[Image], Strength]:
    """OpenCV's detector of the same file."""
    detector = cv2.ximgproc.createStructuredEdgeDetection(str(SHIPPED))
    return lambda image: np.clip(detector.detectEdges(image.astype(np.float32) / np.float32(255)), 0, 1)


def tree_of_stage(strength: Strength) -> object:
    """The tree as the stage makes it."""
    return regions_of(strength, RegionOptions())


def ours(strength: Strength, orientation: Strength | None = None) -> object:
    return region_tree(strength, LEAVES, orientation)


def stage(forest: Forest, image: Image) -> object:
    options = RegionOptions()
    return regions_of(contours_of(detect(forest, image), options), options)


def by_higra(strength: Strength, orientation: Strength | None = None) -> object:
    """The same with Higra's functions: hierarchy, the cut, and the labels of the pixels."""
    graph = hg.get_4_adjacency_graph(strength.shape)
    weights = hg.weight_graph(graph, strength, hg.WeightFunction.mean)
    normals = None if orientation is None else hg.weight_graph(graph, orientation, hg.WeightFunction.mean)
    tree, altitudes = hg.mean_pb_hierarchy(graph, weights, edge_orientations=normals)
    cut = hg.HorizontalCutExplorer(tree, altitudes).horizontal_cut_from_num_regions(LEAVES)
    return cut.labelisation_leaves(tree)


def photographs(count: int) -> tuple[str, list[Image]]:
    """Where from, and so many photographs `(HEIGHT, WIDTH, 3)`, RGB; again from the first, if there are fewer."""
    cv2.setNumThreads(1)
    paths = sorted(BSDS.glob("*.jpg"))[:count]
    read = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in paths]
    images = read or [data.astronaut(), data.coffee(), data.chelsea()]
    upright = [image if image.shape[0] < image.shape[1] else image.swapaxes(0, 1) for image in images]
    sized = [cv2.resize(image, (WIDTH, HEIGHT)) for image in upright]
    return ("BSDS500" if paths else "photographs"), [sized[i % len(sized)] for i in range(count)]


def _detection(forest: Forest, opencv: Callable[[Image], Strength], images: list[Image]) -> list[dict[str, Any]]:
    """The forest against OpenCV's detector of the same file, and the stage against OpenCV's and Higra's together."""

    def half(image: Image) -> object:
        return detect(forest, image, ForestOptions(scale=0.5))

    inputs: list[tuple[Any, ...]] = [(image,) for image in images]
    squares: list[tuple[Any, ...]] = [(cv2.resize(image, (384, 384)),) for image in images]
    return [
        _row(
            f"contours by a forest: {WIDTH}x{HEIGHT}, OpenCV's",
            "34 ms",
            *_times(partial(detect, forest), opencv, inputs),
        ),
        _row("contours at half resolution", "", *_times(half, opencv, inputs)),
        _row(
            "regions, the whole stage: 384x384",
            "35 ms",
            *_times(partial(stage, forest), lambda image: by_higra(opencv(image)), squares),
        ),
    ]


def _times(a: Callable[..., object], b: Callable[..., object], inputs: list[tuple[Any, ...]]) -> tuple[float, ...]:
    """The least processor time of each in milliseconds, averaged over the inputs, the two taking turns."""
    a(*inputs[0])
    b(*inputs[0])
    best = [
        (min(_milliseconds(a, each) for _ in range(4)), _milliseconds(b, each)) for each in inputs for _ in range(3)
    ]
    groups = [best[i : i + 3] for i in range(0, len(best), 3)]
    return tuple(statistics.mean(min(times[side] for times in group) for group in groups) for side in (0, 1))


def _milliseconds(run: Callable[..., object], inputs: tuple[Any, ...]) -> float:
    started = time.process_time()
    run(*inputs)
    return 1e3 * (time.process_time() - started)


def _growth(
    what: str, run: Callable[..., object], peer: Callable[..., object] | None, maps: list[Any]
) -> dict[str, Any]:
    """Sixteen maps `(384, 384)`, as one mosaic, as it is, and cut into smaller squares: the same pixels in each."""
    mosaic = np.vstack([np.hstack(maps[i : i + 4]) for i in range(0, 16, 4)])
    run(maps[0])
    mine = [_per_megapixel(run, _cut(mosaic, side), 4) for side in SIZES]
    theirs = [_per_megapixel(peer, _cut(mosaic, side), 1) for side in SIZES] if peer else []
    return {
        "what": f"{what}: {', '.join(map(str, SIZES))} squared (ms a megapixel); the ratio is ours, {SIZES[-1]} by 384",
        "ours": ", ".join(f"{each:.0f}" for each in mine),
        "peer": ", ".join(f"{each:.0f}" for each in theirs) or "-",
        "ratio": f"{mine[-1] / mine[SIZES.index(384)]:.2f}",
        "reach": "1",
    }


def _cut(mosaic: Any, side: int) -> list[Any]:
    """Squares of a mosaic, each an array of its own."""
    steps = range(0, len(mosaic), side)
    return [np.ascontiguousarray(mosaic[y : y + side, x : x + side]) for y in steps for x in steps]


def _per_megapixel(run: Callable[..., object], maps: list[Any], repeats: int) -> float:
    pixels = sum(each.shape[0] * each.shape[1] for each in maps)
    return 1e6 * sum(min(_milliseconds(run, (each,)) for _ in range(repeats)) for each in maps) / pixels


def _row(what: str, reach: str, ours: float, peer: float) -> dict[str, Any]:
    return {
        "what": f"{what} (ms)",
        "ours": f"{ours:.1f}",
        "peer": f"{peer:.1f}",
        "ratio": f"{peer / ours:.1f}",
        "reach": reach,
    }
