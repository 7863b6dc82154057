"""J and F against the benchmark's own values of published masks, and against their definitions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.morphology import disk

from trainers.metrics.masks import contour, contour_accuracy, region_similarity, statistics

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L")) > 127


@pytest.mark.skipif(not (DATA / "davis_results").is_dir(), reason="DAVIS's results are not in ../shared/data")
@pytest.mark.parametrize("method", ["sfls", "plm"])
def test_every_third_frame_has_the_official_values(method: str):
    """All 560 frames agree as well; those here are read in a few seconds."""
    official = json.loads((DATA / "davis_results" / f"{method}.json").read_text())
    assert len(official) == 6
    for name, values in official.items():
        frames = range(1, len(values["J"]) + 1, 3)
        ours = []
        for frame in frames:
            mask = read(DATA / "davis_results" / method / name / f"{frame:05d}.png")
            truth = read(DATA / "davis2016/Annotations/480p" / name / f"{frame:05d}.png")
            ours.append((region_similarity(mask, truth), contour_accuracy(mask, truth)))
        theirs = [(values["J"][frame - 1], values["F"][frame - 1]) for frame in frames]
        np.testing.assert_allclose(ours, theirs, atol=0.00051)  # which have three decimals


def blobs(seed: int, size: tuple[int, int]) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=size), 6) > 0.02


@pytest.mark.parametrize(("seed", "size"), [(0, (70, 90)), (1, (240, 300))])
def test_contours_match_within_a_disk(seed: int, size: tuple[int, int]):
    mask, truth = blobs(seed, size), blobs(seed + 10, size)
    reach = int(np.ceil(0.008 * np.hypot(*size)))
    lines = []
    for one in (mask, truth):
        line = np.zeros(size, bool)
        for y, x in np.ndindex(*size):
            ahead = one[y : y + 2, x : x + 2]
            line[y, x] = ahead.any() and not ahead.all()
        np.testing.assert_array_equal(contour(one), line)
        lines.append(line)
    near = [ndimage.binary_dilation(line, disk(reach)) for line in lines]
    precision, recall = (lines[0] & near[1]).sum() / lines[0].sum(), (lines[1] & near[0]).sum() / lines[1].sum()
    assert 0 < precision < 1
    assert contour_accuracy(mask, truth) == pytest.approx(2 * precision * recall / (precision + recall))
    assert region_similarity(mask, truth) == pytest.approx((mask & truth).sum() / (mask | truth).sum())


def test_masks_without_a_pixel_or_a_contour():
    nothing, something = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    something[4:14, 40:50] = True
    assert region_similarity(nothing, nothing) == contour_accuracy(nothing, nothing) == 1
    for pair in ((nothing, something), (something, nothing)):
        assert region_similarity(*pair) == contour_accuracy(*pair) == 0
    assert contour_accuracy(~nothing, something) == 0
    assert contour_accuracy(something, something[::-1, ::-1]) == 0  # far from each other


def test_statistics_of_a_video():
    values = np.array([0.9, 0.8, 0.8, 0.6, 0.5, 0.6, 0.4, 0.3, 0.2])  # quarters of frames 0-2, 2-4, 4-6 and 6-8
    of = statistics(values)
    assert of.mean == pytest.approx(values.mean())
    assert of.recall == pytest.approx(5 / 9)  # 0.5 itself is not found
    assert of.decay == pytest.approx(2.5 / 3 - 0.9 / 3)
    assert statistics([0.7]).decay == 0
    # 1 + 48 / 4 = 13 and 37, so that quarters begin at frames 0 and 36 of 49; of 48 at 0 and 35.25, rounded.
    assert statistics(np.arange(49)).decay == pytest.approx(6 - 42)
    assert statistics(np.arange(48)).decay == pytest.approx(6 - 41)
