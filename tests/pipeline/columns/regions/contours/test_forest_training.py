"""Training on generated squares: the forest finds them, is the same each time, and follows the definition."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.io import savemat

from common_fate.errors import UserError
from pipeline.columns.regions.contours.forest import detect, load_forest
from pipeline.columns.regions.contours.forest_training import ForestTrainingOptions, _pruned, train_forest
from pipeline.kernels.forest_growth import grow_tree, patch_segments, quantised
from pipeline.kernels.forest_walk import leaf_segments

SMALL = ForestTrainingOptions(trees=4, voters=2, positives=3000, negatives=2000, seed=1)


def squares(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Two textured squares on a ground of another colour, and who is who."""
    random = np.random.default_rng(seed)
    labels = np.ones((96, 128), np.uint16)
    for n, left in enumerate((8, 70)):
        side = int(random.integers(25, 45))
        top = int(random.integers(5, 45))
        labels[top : top + side, left : left + side] = n + 2
    colours = np.array([(0, 0, 0), (90, 120, 60), (200, 60, 80), (40, 60, 180)])
    image = colours[labels] + random.normal(0, 12, (96, 128, 1)) + random.integers(-30, 30, 3)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def write_set(folder: Path, count: int) -> tuple[Path, Path]:
    images, truth = folder / "images", folder / "truth"
    images.mkdir()
    truth.mkdir()
    for seed in range(count):
        image, labels = squares(seed)
        cv2.imwrite(str(images / f"s{seed}.png"), image[..., ::-1])
        humans = np.empty((1, 2), object)
        for h in range(2):
            human = np.empty((1, 1), [("Segmentation", object), ("Boundaries", object)])
            human[0, 0] = (labels, np.zeros(labels.shape, np.uint8))
            humans[0, h] = human
        savemat(truth / f"s{seed}.mat", {"groundTruth": humans})
    return images, truth


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("forest")
    images, truth = write_set(folder, 6)
    record = train_forest(images, truth, folder / "a.yml.gz", SMALL)
    assert record["images"] == 6
    assert record["segmentations"] == 12
    assert len(record["nodes"]) == 4
    return images, truth, folder / "a.yml.gz"


def test_a_new_square_is_found(trained: tuple[Path, Path, Path]) -> None:
    image, labels = squares(77)
    strength = detect(load_forest(trained[2]), image)
    edge = np.zeros(labels.shape, bool)
    edge[:-1] |= labels[:-1] != labels[1:]
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    near = cv2.dilate(edge.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert strength[edge].mean() > 0.3
    assert strength[edge].mean() > 10 * strength[~near].mean()


def test_opencv_detects_with_it(trained: tuple[Path, Path, Path]) -> None:
    image, _ = squares(78)
    detector = cv2.ximgproc.createStructuredEdgeDetection(str(trained[2]))
    theirs = np.minimum(detector.detectEdges(image.astype(np.float32) / np.float32(255)), 1)
    inside = np.s_[36:-36, 36:-36]
    assert theirs[inside].max() > 0.2
    np.testing.assert_allclose(detect(load_forest(trained[2]), image)[inside], theirs[inside], atol=1e-6)


def test_the_same_forest_each_time(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    images, truth, first = trained
    train_forest(images, truth, tmp_path / "again.yml.gz", SMALL)
    assert (tmp_path / "again.yml.gz").read_bytes() == first.read_bytes()
    other = ForestTrainingOptions(trees=4, voters=2, positives=3000, negatives=2000, seed=2)
    train_forest(images, truth, tmp_path / "other.yml.gz", other)
    assert (tmp_path / "other.yml.gz").read_bytes() != first.read_bytes()


def test_what_the_user_can_put_right(tmp_path: Path) -> None:
    images, truth = write_set(tmp_path, 1)
    to = tmp_path / "f.yml.gz"
    with pytest.raises(UserError, match="has no image that ends in"):
        train_forest(truth, truth, to, SMALL)
    cv2.imwrite(str(images / "s0.png"), np.zeros((50, 50, 3), np.uint8))
    with pytest.raises(UserError, match="beside a frame of 50x50"):
        train_forest(images, truth, to, SMALL)
    (images / "s0.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="no image"):
        train_forest(images, truth, to, SMALL)
    (truth / "s0.mat").unlink()
    cv2.imwrite(str(images / "s0.png"), squares(0)[0])
    with pytest.raises(UserError, match=r"s0\.mat is missing"):
        train_forest(images, truth, to, SMALL)
    assert not to.exists()


@pytest.mark.parametrize("options", [{"trees": 0}, {"voters": 9}, {"feature_share": 0.0}, {"smallest_leaf": 0}])
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ForestTrainingOptions(**options)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_quantised_is_searchsorted(seed: int, finite: int) -> None:
    random = np.random.default_rng(seed)
    levels = np.full(255, np.inf, np.float32)
    levels[:finite] = np.unique(random.normal(size=4000).astype(np.float32))[:finite]
    values = np.concatenate([random.normal(size=200), levels[:finite]]).astype(np.float32)
    np.testing.assert_array_equal(quantised(values, levels), np.searchsorted(levels, values, side="right"))


def test_segments_are_named_after_their_first_pixel() -> None:
    segmentation = np.random.default_rng(0).integers(300, 306, (20, 30)).astype(np.uint16)
    out = np.empty((1, 256), np.uint8)
    patch_segments(segmentation, np.array([[3, 8]], np.int32), out)
    square = segmentation[3:19, 8:24].ravel(order="F")
    np.testing.assert_array_equal(out[0], [np.flatnonzero(square == s)[0] for s in square])


def test_a_tree_takes_the_split_that_parts_two_kinds() -> None:
    """One feature tells patches of an upright from those of a level boundary; the other 20 are noise."""
    random = np.random.default_rng(0)
    kind = random.integers(0, 2, 400)
    upright = np.repeat([0, 128], 128)
    level = np.tile(np.repeat([0, 8], 8), 16)
    segments = np.where(kind[:, None] == 1, upright, level).astype(np.uint8)
    features = random.integers(0, 256, (21, 400)).astype(np.uint8)
    features[13] = np.where(kind == 1, 200, 100) + random.integers(0, 50, 400)
    child, feature, cut, medoid = grow_tree(features, segments, 200, 64, 8, 64, np.random.default_rng(1))
    assert child.tolist() == [1, 0, 0]
    assert feature[0] == 13
    assert features[13][kind == 0].max() <= cut[0] < features[13][kind == 1].min()
    np.testing.assert_array_equal(segments[medoid[1]], level)
    np.testing.assert_array_equal(segments[medoid[2]], upright)


def test_leaves_are_large_enough_and_not_too_deep() -> None:
    random = np.random.default_rng(0)
    features = random.integers(0, 256, (30, 500)).astype(np.uint8)
    segments = (random.integers(1, 15, (500, 1)) <= np.arange(256) // 16).astype(np.uint8)

    def sizes(smallest: int, deepest: int) -> tuple[list[int], int]:
        child, feature, cut, _ = grow_tree(features, segments, 5, 64, smallest, deepest, np.random.default_rng(1))
        leaves, steps = [], 0
        for patch in features.T:
            node, depth = 0, 0
            while child[node]:
                node = child[node] + int(patch[feature[node]] > cut[node])
                depth += 1
            leaves.append(node)
            steps = max(steps, depth)
        return np.unique(leaves, return_counts=True)[1].tolist(), steps

    counts, deep = sizes(12, 64)
    assert min(counts) >= 12
    assert deep > 3
    assert sizes(12, 3)[1] == 3


def test_splits_between_equal_leaves_go() -> None:
    """Node 2 parts nothing; of node 4's leaves one has another edge. A whole tree may come to one leaf."""
    one, other = np.array([7], np.uint8), np.array([9], np.uint8)
    none = np.empty(0, np.uint8)
    child = np.array([1, 3, 5, 0, 7, 0, 0, 0, 0], np.int32)
    edges = [none, none, none, one, none, one, one, one, other]
    fewer, kept_edges, kept = _pruned(child, edges)
    assert np.flatnonzero(kept).tolist() == [0, 1, 2, 3, 4, 7, 8]
    assert fewer.tolist() == [1, 3, 0, 0, 5, 0, 0]
    assert [pixels.tolist() for pixels in kept_edges] == [[], [], [7], [7], [], [7], [9]]
    alone, (edge,), _ = _pruned(np.array([1, 0, 3, 0, 0], np.int32), [none, one, none, one, one])
    assert alone.tolist() == [0]
    assert edge.tolist() == [7]


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 12), st.booleans())
def test_edges_part_the_square_where_they_were_drawn(at: int, upright: bool) -> None:
    """Both pixels beside a boundary are edges; the segments got back meet between the two."""
    square = np.zeros((16, 16), int)
    square[:, at:] = 1
    square = square if upright else square.T
    edge = np.zeros((16, 16), bool)
    edge[:, at - 1 : at + 1] = True
    edge = edge if upright else edge.T
    bins = np.flatnonzero(edge.ravel(order="F")).astype(np.uint8)
    row, segments = leaf_segments(np.array([0, 0, len(bins)], np.int32), bins)
    assert row.tolist() == [-1, 0]
    np.testing.assert_array_equal(segments[0].reshape(16, 16, order="F"), square)
