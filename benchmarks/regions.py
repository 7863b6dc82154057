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

Image = NDArray[np.uint8]
Strength = NDArray[np.float32]


def run() -> list[dict[str, Any]]:
    """Milliseconds an image: detection, the tree without and with the orientation of its contours, and the stage."""
    origin, images = photographs(16)
    forest = load_forest(SHIPPED)
    strengths = [detect(forest, image) for image in images]
    orientations = [boundary_orientation(strength) for strength in strengths]
    what = f"contours to a tree of {LEAVES} regions: {WIDTH}x{HEIGHT}, {origin}"
    return [
        *_detection(forest, images[:6]),
        _row(what, "12 ms, 8x", *_times(ours, by_higra, [(strength,) for strength in strengths[:6]])),
        _row(f"{what}, oriented", "8x", *_times(ours, by_higra, list(zip(strengths, orientations, strict=True))[:6])),
        _growth("contours by a forest", partial(detect, forest), None, images),
        _growth("contours' spectral signal", reinforced, None, strengths),
        _growth("region tree", ours, by_higra, strengths),
        _growth("regions, the whole stage", partial(stage, forest), None, images),
    ]


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


def _detection(forest: Forest, images: list[Image]) -> list[dict[str, Any]]:
    """The forest against OpenCV's detector of the same file, and the stage against OpenCV's and Higra's together."""
    opencv = cv2.ximgproc.createStructuredEdgeDetection(str(SHIPPED))

    def by_opencv(image: Image) -> Strength:
        return opencv.detectEdges(image.astype(np.float32) / np.float32(255))

    def half(image: Image) -> object:
        return detect(forest, image, ForestOptions(scale=0.5))

    inputs: list[tuple[Any, ...]] = [(image,) for image in images]
    squares: list[tuple[Any, ...]] = [(cv2.resize(image, (384, 384)),) for image in images]
    return [
        _row(
            f"contours by a forest: {WIDTH}x{HEIGHT}, OpenCV's",
            "34 ms",
            *_times(partial(detect, forest), by_opencv, inputs),
        ),
        _row("contours at half resolution", "", *_times(half, by_opencv, inputs)),
        _row(
            "regions, the whole stage: 384x384",
            "35 ms",
            *_times(partial(stage, forest), lambda image: by_higra(np.clip(by_opencv(image), 0, 1)), squares),
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
    """Sixteen maps one by one, in four mosaics of four, and in one of all: the same pixels in each."""
    fours = [_mosaic(maps[i : i + 4], 2) for i in range(0, 16, 4)]
    groups = [maps, fours, [_mosaic(maps, 4)]]
    mine = [_mean_time(run, group, 5) for group in groups]
    theirs = [_mean_time(peer, group, 1) for group in groups] if peer else []
    return {
        "what": f"{what}: 1x, 4x, 16x the pixels (ms); the ratio is ours, 16x by 1x",
        "ours": ", ".join(f"{each:.1f}" for each in mine),
        "peer": ", ".join(f"{each:.0f}" for each in theirs) or "-",
        "ratio": f"{mine[2] / mine[0]:.1f}",
        "reach": "16",
    }


def _mosaic(maps: list[Any], side: int) -> Any:
    return np.vstack([np.hstack(maps[i : i + side]) for i in range(0, len(maps), side)])


def _mean_time(run: Callable[..., object], maps: list[Any], repeats: int) -> float:
    return statistics.mean(min(_milliseconds(run, (each,)) for _ in range(repeats)) for each in maps)


def _row(what: str, reach: str, ours: float, peer: float) -> dict[str, Any]:
    return {
        "what": f"{what} (ms)",
        "ours": f"{ours:.1f}",
        "peer": f"{peer:.1f}",
        "ratio": f"{peer / ours:.1f}",
        "reach": reach,
    }
