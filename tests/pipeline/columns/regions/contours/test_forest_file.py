"""The file of a structured forest: what goes in comes out, and what is wrong is said."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from common_fate.errors import UserError
from pipeline.columns.regions.contours.forest import Forest, detect, load_forest
from pipeline.columns.regions.contours.forest_channels import Radii
from pipeline.columns.regions.contours.forest_file import write_forest


def small_forest() -> Forest:
    """Two trees of three nodes: an edge down the middle where the first pixel is bright, another across elsewhere."""
    down = np.arange(16 * 7, 16 * 9)
    across = np.sort(np.concatenate([np.arange(16) * 16 + 7, np.arange(16) * 16 + 8]))
    return Forest(
        child=np.array([[1, 0, 0], [1, 0, 0]], np.int32),
        feature=np.array([[5, 0, 0], [7000, 0, 0]], np.int32),
        threshold=np.array([[0.25, 0, 0], [-1.5e-05, 0, 0]], np.float32),
        edge_starts=np.array([0, 0, 32, 64, 64, 64, 96], np.int32),
        edge_bins=np.concatenate([down, across, down]).astype(np.uint8),
        voters=1,
        radii=Radii(1, 2, 8, 4),
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "forest.yml.gz"
    write_forest(path, small_forest())
    return path


def test_what_is_written_is_read(written: Path) -> None:
    read, forest = load_forest(written), small_forest()
    for name in ("child", "feature", "threshold", "edge_starts", "edge_bins"):
        a, b = getattr(read, name), getattr(forest, name)
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    assert (read.voters, read.radii) == (forest.voters, forest.radii)


def test_the_same_bytes_each_time(written: Path, tmp_path: Path) -> None:
    write_forest(tmp_path / "again.yml.gz", small_forest())
    assert (tmp_path / "again.yml.gz").read_bytes() == written.read_bytes()


def test_opencv_reads_it(written: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 128, 3), np.uint8)
    theirs = cv2.ximgproc.createStructuredEdgeDetection(str(written)).detectEdges(image.astype(np.float32) / 255)
    inside = np.s_[40:-40, 40:-40]
    assert theirs[inside].max() > theirs[inside].min()
    np.testing.assert_allclose(detect(load_forest(written), image)[inside], np.minimum(theirs, 1)[inside], atol=1e-6)


def test_a_file_that_is_not_zipped(written: Path, tmp_path: Path) -> None:
    plain = tmp_path / "forest.yml"
    plain.write_bytes(gzip.decompress(written.read_bytes()))
    np.testing.assert_array_equal(load_forest(plain).feature, small_forest().feature)


DAMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "no section": (lambda text: text[: text.index("edgeBins:")], "edgeBins"),
    "cut in a list": (lambda text: text[:-40], "edgeBins"),
    "no number": (lambda text: text.replace("0.25", "x.25"), "thresholds"),
    "not finite": (lambda text: text.replace("0.25", "nan"), "thresholds"),
    "a loop": (lambda text: text.replace("[ 2,0,0 ]", "[ 1,0,0 ]", 1), "point back"),
    "a child outside": (lambda text: text.replace("[ 2,0,0 ]", "[ 3,0,0 ]", 1), "childs"),
    "a feature outside": (lambda text: text.replace("7000", "7228"), "featureIds"),
    "half a feature": (lambda text: text.replace("7000", "7.5"), "featureIds"),
    "an edge outside": (lambda text: text.replace("[ 112,", "[ 256,", 1), "edgeBins"),
    "a start outside": (lambda text: text.replace("64,64,96", "64,64,97"), "edgeBoundaries"),
    "starts that fall": (lambda text: text.replace("0,0,32", "0,33,32"), "edgeBoundaries"),
    "a node short": (lambda text: text.replace("[ 5,0,0 ]", "[ 5,0 ]"), "featureIds"),
    "another patch": (lambda text: text.replace("patchSize: 32", "patchSize: 64"), "patchSize"),
    "a huge radius": (lambda text: text.replace("ssFeatureSmoothingRadius: 8", "ssFeatureSmoothingRadius: 8000"), "ss"),
    "no tree": (lambda text: text.replace("numberOfTrees: 2", "numberOfTrees: 0"), "trees"),
    "too many votes": (lambda text: text.replace("ToEvaluate: 1", "ToEvaluate: 3"), "vote"),
    "not YAML": (lambda text: "<xml>" + text, "%YAML"),
}


def test_a_node_of_two_parents_is_refused(tmp_path: Path) -> None:
    """Nodes 1 and 2 both have node 4 for a child."""
    forest = small_forest()
    child = np.array([[1, 3, 4, 0, 0, 0]], np.int32)
    nodes = {"feature": np.zeros((1, 6), np.int32), "threshold": np.zeros((1, 6), np.float32)}
    write_forest(tmp_path / "shared.yml", replace(forest, child=child, **nodes))
    with pytest.raises(UserError, match="some have more than one parent"):
        load_forest(tmp_path / "shared.yml")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_garbled_file(written: Path, tmp_path: Path, damage: str) -> None:
    garble, says = DAMAGE[damage]
    text = gzip.decompress(written.read_bytes()).decode()
    assert garble(text) != text
    path = tmp_path / "garbled.yml"
    path.write_text(garble(text))
    with pytest.raises(UserError, match=says) as error:
        load_forest(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [5, 40, 200])
def test_a_truncated_file(written: Path, keep: int) -> None:
    written.write_bytes(written.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"forest\.yml\.gz is damaged"):
        load_forest(written)


def test_a_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="not a structured forest"):
        load_forest(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_forest(tmp_path / "none.yml.gz")


def test_a_file_that_swells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.yml.gz"
    path.write_bytes(gzip.compress(b"%YAML:1.0\n" + b" " * 5000))
    monkeypatch.setattr("pipeline.columns.regions.contours.forest_file._MOST_BYTES", 1000)
    with pytest.raises(UserError, match="more than 1000"):
        load_forest(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"options:\n " + b"a" * 2**22, "its stride is None"),  # which took the square of its length to search
        (b"a:\n" * 2**20, "no keys, or more than"),
        (b"!!python/object/apply:os.system ['touch ran']\n", "no keys"),
        (b" " * 2**28, "it holds more than"),
    ],
)
def test_a_forest_that_means_harm_is_refused(tmp_path, text, says):
    (tmp_path / "forest.yml.gz").write_bytes(gzip.compress(b"%YAML:1.0\n---\n" + text))
    with pytest.raises(UserError, match=says):
        load_forest(tmp_path / "forest.yml.gz")
