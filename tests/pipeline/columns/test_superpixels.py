import math
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from benchmarks import superpixels as benchmark
from common_fate.shards.codecs import decode, encode
from pipeline.columns.superpixels import STAGE, SuperpixelOptions, superpixels


def test_a_photograph_becomes_about_300_superpixels():
    labels = superpixels(data.astronaut(), SuperpixelOptions())
    assert (labels.shape, labels.dtype) == ((512, 512), np.uint16)
    assert 200 <= labels.max() + 1 <= 300
    sizes = np.bincount(labels.ravel())
    assert np.median(sizes) == pytest.approx(512 * 512 / 300, rel=0.25)


def test_more_compact_superpixels_have_shorter_boundaries():
    lengths = []
    for compactness in (5, 20, 80):
        labels = superpixels(data.chelsea(), SuperpixelOptions(compactness=compactness)).astype(int)
        lengths.append(np.count_nonzero(np.diff(labels)) + np.count_nonzero(np.diff(labels, axis=0)))
    assert lengths == sorted(lengths, reverse=True)


def test_the_stage_gives_a_picture_that_reads_back():
    image = data.coffee()
    ((key, made),) = STAGE.run(iter([("a-000001", {"jpg": image})]), SuperpixelOptions(segments=1000))
    labels = made["superpixels.png"]
    assert key == "a-000001"
    assert STAGE.measure(made) == {"superpixels": len(np.unique(labels))}
    assert labels.max() > 255
    read = decode("superpixels.png", encode("superpixels.png", labels))
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, labels)


@pytest.mark.parametrize("segments", [0, -1, 65536])
def test_more_segments_than_labels_are_refused(segments: int):
    with pytest.raises(ValueError, match=f"segments is {segments}: .* take 1 to 65535"):
        SuperpixelOptions(segments=segments)


@pytest.mark.parametrize("compactness", [0, -10, math.inf, math.nan])
def test_a_compactness_that_is_no_difference_is_refused(compactness: float):
    with pytest.raises(ValueError, match=r"compactness is .* above 0"):
        SuperpixelOptions(compactness=compactness)


def test_no_iterations_are_refused():
    with pytest.raises(ValueError, match="iterations is 0: take 1 or more"):
        SuperpixelOptions(iterations=0)


def test_the_benchmark_s_measures_are_those_of_the_definition():
    halves = np.zeros((10, 20), int)
    halves[:, 10:] = 1
    for shift, recall in ((0, 1), (2, 1), (3, 0)):
        moved = np.zeros_like(halves)
        moved[:, 10 + shift :] = 1
        assert benchmark.boundary_recall(moved, halves) == recall
        assert benchmark.undersegmentation_error(moved, halves) == pytest.approx(shift / 20)
    assert benchmark.undersegmentation_error(np.arange(200).reshape(10, 20), halves) == 0


@pytest.mark.slow
def test_quality_is_no_worse_than_scikit_image_s_at_the_same_count(shared_data: Path):
    paths = sorted((shared_data / "bsds500" / "images" / "val").glob("*.jpg"))[:8]
    images = [benchmark.read_rgb(path) for path in paths]
    people = [benchmark.human_segmentations(path.stem) for path in paths]
    own = [superpixels(image, SuperpixelOptions()) for image in images]
    peer = [benchmark.at_count(benchmark.by_skimage, a, int(b.max()) + 1) for a, b in zip(images, own, strict=True)]
    recall, error, count = benchmark.mean_quality(own, people)
    peer_recall, peer_error, peer_count = benchmark.mean_quality(peer, people)
    assert peer_count == pytest.approx(count, rel=0.02)
    assert recall >= peer_recall
    assert error <= peer_error
