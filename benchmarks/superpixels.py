"""SLIC superpixels against scikit-image's and OpenCV's: time, and quality by BSDS500's human segmentations."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from skimage import data
from skimage.segmentation import slic as skimage_slic

from benchmarks.inputs import milliseconds
from pipeline.columns.superpixels import SuperpixelOptions, superpixels

BSDS = Path(__file__).resolve().parents[2] / "shared" / "data" / "bsds500"
OPTIONS = SuperpixelOptions()
SIDE = 384
IMAGES = 20
TOLERANCE = 2  # pixels, in each direction

Labels = NDArray[np.integer]


def run() -> list[dict[str, Any]]:
    """Milliseconds an image, growth with pixels, and the two metrics at the same number of superpixels."""
    cv2.setNumThreads(1)
    paths = sorted((BSDS / "images" / "val").glob("*.jpg"))[:IMAGES]
    pictures = [read_rgb(path) for path in paths] or [data.astronaut(), data.coffee(), data.chelsea()]
    rows = [*_times([_square(picture) for picture in pictures[:10]]), _growth(pictures[:5])]
    if not paths:
        return [*rows, _row("superpixel quality: skipped, for BSDS500 is not in ../shared/data", "-", "-", "-", "-")]
    return rows + _quality(pictures, [human_segmentations(path.stem) for path in paths])


def ours(image: NDArray[np.uint8]) -> Labels:
    return superpixels(image, OPTIONS)


def by_skimage(image: NDArray[np.uint8], segments: float = OPTIONS.segments) -> Labels:
    return skimage_slic(image, n_segments=round(segments), compactness=OPTIONS.compactness, start_label=0)


def by_opencv(image: NDArray[np.uint8], segments: float = OPTIONS.segments) -> Labels:
    """As its documentation advises: 8-bit CIELAB, 10 iterations, and small superpixels merged into others."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    side = max(round((image.shape[0] * image.shape[1] / segments) ** 0.5), 1)
    peer = cv2.ximgproc.createSuperpixelSLIC(lab, cv2.ximgproc.SLIC, side, OPTIONS.compactness)
    peer.iterate(10)
    peer.enforceLabelConnectivity()
    return peer.getLabels()


def boundary_recall(labels: Labels, segmentation: Labels) -> float:
    """The share of the segmentation's boundary pixels that have one of the superpixels' within `TOLERANCE`.

    A boundary pixel is one whose neighbour to the right or below belongs to another. Neubert and Protzel, "Superpixel
    Benchmark and Comparison", 2012.
    """
    near = cv2.dilate(_boundary(labels).astype(np.uint8), np.ones((2 * TOLERANCE + 1,) * 2)) > 0
    boundary = _boundary(segmentation)
    return float(near[boundary].mean()) if boundary.any() else 1.0


def undersegmentation_error(labels: Labels, segmentation: Labels) -> float:
    """The share of pixels outside the segment that their superpixel overlaps most.

    The corrected error of van den Bergh et al., "SEEDS: Superpixels Extracted via Energy-Driven Sampling", ECCV 2012.
    """
    segments = int(segmentation.max()) + 1
    pairs = labels.astype(np.int64) * segments + segmentation
    overlaps = np.bincount(pairs.ravel(), minlength=(int(labels.max()) + 1) * segments)
    return float(1 - overlaps.reshape(-1, segments).max(axis=1).sum() / labels.size)


def at_count(peer: Callable[[NDArray[np.uint8], float], Labels], image: NDArray[np.uint8], count: int) -> Labels:
    """The peer's superpixels, asked for such a number that it gives `count`, or the nearest found in six trials."""
    asked, nearest = float(count), None
    for _ in range(6):
        labels = peer(image, asked)
        found = int(labels.max()) + 1
        if nearest is None or abs(found - count) < abs(int(nearest.max()) + 1 - count):
            nearest = labels
        asked *= count / found
    return nearest


def read_rgb(path: Path) -> NDArray[np.uint8]:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def human_segmentations(name: str) -> list[Labels]:
    people = loadmat(str(BSDS / "groundTruth" / "val" / f"{name}.mat"))["groundTruth"][0]
    return [person["Segmentation"][0, 0].astype(np.int64) - 1 for person in people]


def mean_quality(labels: list[Labels], people: list[list[Labels]]) -> tuple[float, float, float]:
    """Mean boundary recall and undersegmentation error over the people of each image, and mean count."""
    recalls = [statistics.mean(boundary_recall(a, b) for b in each) for a, each in zip(labels, people, strict=True)]
    errors = [
        statistics.mean(undersegmentation_error(a, b) for b in each) for a, each in zip(labels, people, strict=True)
    ]
    return statistics.mean(recalls), statistics.mean(errors), statistics.mean(int(a.max()) + 1 for a in labels)


def _boundary(labels: Labels) -> NDArray[np.bool_]:
    boundary = np.zeros(labels.shape, bool)
    boundary[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    boundary[:-1] |= labels[1:] != labels[:-1]
    return boundary


def _square(image: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """The image's middle, enlarged or reduced."""
    short = min(image.shape[:2])
    y, x = ((length - short) // 2 for length in image.shape[:2])
    return cv2.resize(image[y : y + short, x : x + short], (side, side), interpolation=cv2.INTER_AREA)


def _times(images: list[NDArray[np.uint8]]) -> list[dict[str, Any]]:
    """One image at a time by all three, so that whatever else the machine does falls on all."""
    each = [
        (milliseconds(ours, [image], 20), milliseconds(by_skimage, [image], 3), milliseconds(by_opencv, [image], 3))
        for image in images
    ]
    own, skimage, opencv = (statistics.mean(side) for side in zip(*each, strict=True))
    what = f"superpixels: {SIDE}x{SIDE}, {OPTIONS.segments} asked for"
    return [
        _row(
            f"{what}, against scikit-image (ms)", f"{own:.1f}", f"{skimage:.0f}", f"{skimage / own:.1f}", "10 ms, 16x"
        ),
        _row(f"{what}, against OpenCV (ms)", f"{own:.1f}", f"{opencv:.0f}", f"{opencv / own:.1f}", "10 ms, 10x"),
    ]


def _growth(images: list[NDArray[np.uint8]]) -> dict[str, Any]:
    """Images of 1x fit into memory kept from the call before; larger ones also pay for fresh pages each time."""
    once, four, sixteen = (
        milliseconds(ours, [_square(image, SIDE * scale) for image in images], 9) for scale in (1, 2, 4)
    )
    return _row(
        "superpixels: 1x, 4x, 16x the pixels (ms); the ratio is 16x by 1x",
        f"{once:.1f}, {four:.1f}, {sixteen:.1f}",
        "-",
        f"{sixteen / once:.1f}",
        "16, linear",
    )


def _quality(images: list[NDArray[np.uint8]], people: list[list[Labels]]) -> list[dict[str, Any]]:
    own = [ours(image) for image in images]
    recall, error, count = mean_quality(own, people)
    rows = []
    for name, peer in (("scikit-image", by_skimage), ("OpenCV", by_opencv)):
        same_count = [at_count(peer, image, int(a.max()) + 1) for image, a in zip(images, own, strict=True)]
        peer_recall, peer_error, peer_count = mean_quality(same_count, people)
        what = f"{len(images)} images of BSDS500, {count:.0f} superpixels, {name}'s {peer_count:.0f}"
        rows += [
            _row(f"boundary recall: {what}", f"{recall:.3f}", f"{peer_recall:.3f}", f"{recall / peer_recall:.2f}", "1"),
            _row(
                f"undersegmentation error: {what}",
                f"{error:.4f}",
                f"{peer_error:.4f}",
                f"{peer_error / error:.2f}",
                "1",
            ),
        ]
    return rows


def _row(what: str, ours: str, peer: str, ratio: str, reach: str) -> dict[str, Any]:
    return {"what": what, "ours": ours, "peer": peer, "ratio": ratio, "reach": reach}
