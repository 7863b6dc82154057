"""From contours to a tree of 40 regions, against Higra's hierarchy: time, and growth with the number of pixels."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import higra as hg
import numpy as np
from numpy.typing import NDArray
from skimage import data

from pipeline.kernels.orientation import boundary_orientation
from pipeline.regions.tree import region_tree

BSDS = Path(__file__).resolve().parents[2] / "shared" / "data" / "bsds500" / "images" / "val"
HEIGHT, WIDTH = 321, 481
LEAVES = 40

Strength = NDArray[np.float32]


def run() -> list[dict[str, Any]]:
    """Milliseconds an image, without and with the orientation of its contours."""
    origin, strengths = contour_maps(16)
    orientations = [boundary_orientation(strength) for strength in strengths]
    what = f"contours to a tree of {LEAVES} regions: {WIDTH}x{HEIGHT}, {origin}"
    return [
        _row(what, "12 ms, 8x", *_times(ours, by_higra, [(strength,) for strength in strengths[:6]])),
        _row(f"{what}, oriented", "8x", *_times(ours, by_higra, list(zip(strengths, orientations, strict=True))[:6])),
        _growth(strengths),
    ]


def ours(strength: Strength, orientation: Strength | None = None) -> object:
    return region_tree(strength, LEAVES, orientation)


def by_higra(strength: Strength, orientation: Strength | None = None) -> object:
    """The same with Higra's functions: hierarchy, the cut, and the labels of the pixels."""
    graph = hg.get_4_adjacency_graph(strength.shape)
    weights = hg.weight_graph(graph, strength, hg.WeightFunction.mean)
    normals = None if orientation is None else hg.weight_graph(graph, orientation, hg.WeightFunction.mean)
    tree, altitudes = hg.mean_pb_hierarchy(graph, weights, edge_orientations=normals)
    cut = hg.HorizontalCutExplorer(tree, altitudes).horizontal_cut_from_num_regions(LEAVES)
    return cut.labelisation_leaves(tree)


def contour_maps(count: int) -> tuple[str, list[Strength]]:
    """Where from, and strengths `(HEIGHT, WIDTH)` in [0, 1] of so many photographs (again from the first, if fewer).

    Gradient magnitude of the colours at two scales: ridges along the contours, smooth within regions.
    """
    cv2.setNumThreads(1)
    paths = sorted(BSDS.glob("*.jpg"))[:count]
    images = [cv2.imread(str(path)) for path in paths] or [data.astronaut(), data.coffee(), data.chelsea()]
    maps = [_gradient(image if image.shape[0] < image.shape[1] else image.swapaxes(0, 1)) for image in images]
    return ("BSDS500" if paths else "photographs"), [maps[i % len(maps)] for i in range(count)]


def _gradient(image: NDArray[np.uint8]) -> Strength:
    lab = cv2.cvtColor(cv2.resize(image, (WIDTH, HEIGHT)), cv2.COLOR_BGR2LAB).astype(np.float32)
    strength = np.zeros((HEIGHT, WIDTH), np.float32)
    for sigma in (1.5, 3):
        smooth = cv2.GaussianBlur(lab, (0, 0), sigma)
        gx, gy = cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1)
        strength += np.sqrt((gx**2 + gy**2).sum(axis=2))
    return np.clip(strength / np.percentile(strength, 99.5), 0, 1)


def _times(a: Callable[..., object], b: Callable[..., object], inputs: list[tuple[Strength, ...]]) -> tuple[float, ...]:
    """The least processor time of each in milliseconds, averaged over the inputs, the two taking turns."""
    a(*inputs[0])
    b(*inputs[0])
    best = [
        (min(_milliseconds(a, each) for _ in range(4)), _milliseconds(b, each)) for each in inputs for _ in range(3)
    ]
    groups = [best[i : i + 3] for i in range(0, len(best), 3)]
    return tuple(statistics.mean(min(times[side] for times in group) for group in groups) for side in (0, 1))


def _milliseconds(run: Callable[..., object], inputs: tuple[Strength, ...]) -> float:
    started = time.process_time()
    run(*inputs)
    return 1e3 * (time.process_time() - started)


def _growth(strengths: list[Strength]) -> dict[str, Any]:
    """Mosaics of 1, 2x2 and 4x4 contour maps, so that a pixel means as much work in each.

    The work is linear; what is more than 16x is memory: the small one stays in the processor's cache.
    """
    sides = (1, 2, 4)
    rows = [[np.hstack(strengths[4 * i : 4 * i + side]) for i in range(side)] for side in sides]
    mosaics = [np.vstack(row) for row in rows]
    mine = [min(_milliseconds(ours, (mosaic,)) for _ in range(8)) for mosaic in mosaics]
    peer = [min(_milliseconds(by_higra, (mosaic,)) for _ in range(2)) for mosaic in mosaics]
    return {
        "what": "region tree: 1x, 4x, 16x the pixels (ms); the ratio is ours, 16x by 1x",
        "ours": ", ".join(f"{each:.1f}" for each in mine),
        "peer": ", ".join(f"{each:.0f}" for each in peer),
        "ratio": f"{mine[2] / mine[0]:.1f}",
        "reach": "20",
    }


def _row(what: str, reach: str, ours: float, peer: float) -> dict[str, Any]:
    return {
        "what": f"{what} (ms)",
        "ours": f"{ours:.1f}",
        "peer": f"{peer:.1f}",
        "ratio": f"{peer / ours:.1f}",
        "reach": reach,
    }
