import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from common_fate.errors import UserError
from pipeline.scores.bsds import Scores, evaluate, held, read_truth, table, write_scores

SHAPE = (20, 30)


def people(*images: np.ndarray) -> dict[str, np.ndarray]:
    cells = np.empty((1, len(images)), object)
    for i, labels in enumerate(images):
        lines = np.zeros(labels.shape, np.uint8)
        lines[:, :-1] |= labels[:, 1:] != labels[:, :-1]
        cells[0, i] = {"Segmentation": labels.astype(np.uint16), "Boundaries": lines}
    return {"groundTruth": cells}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two images, three results of each, of which those of `a` are perfect."""
    truth = tmp_path / "truth"
    results = tmp_path / "results"
    for folder in (truth, results):
        folder.mkdir()
    for name, columns in (("a", (10,)), ("b", (8, 20))):
        labels = np.digitize(np.arange(SHAPE[1]), columns) * np.ones((SHAPE[0], 1), int)
        savemat(truth / f"{name}.mat", people(labels + 1))
        heights = np.zeros((2 * SHAPE[0] + 1, 2 * SHAPE[1] + 1))
        heights[:, 20] = 0.6  # between columns 9 and 10
        np.save(results / f"{name}.npy", heights)
    return results, truth


def test_people_are_read_with_labels_from_zero(folders: tuple[Path, Path]):
    (human,) = read_truth(folders[1] / "b.mat")
    assert np.unique(human.labels).tolist() == [0, 1, 2]
    assert human.boundaries.sum() == 2 * SHAPE[0]


def test_a_folder_s_scores_their_table_and_files(folders: tuple[Path, Path], tmp_path: Path):
    scores = evaluate(*folders, thresholds=4)
    assert scores.thresholds == pytest.approx((0.2, 0.4, 0.6, 0.8))
    assert [row["image"] for row in scores.images] == ["a", "b"]
    assert scores.images[0]["f"] == scores.images[0]["covering"] == scores.images[0]["rand"] == 1
    assert scores.regions
    assert scores.contours
    # b: of its 600 pixels, 160 in the first, 240 and 200 in the other two regions; 200 and 400 in the machine's.
    covered = 160 * 160 / 200 + 240 * 200 / 440 + 200 * 200 / 400
    assert scores.regions.covering_ods == pytest.approx((600 + covered) / 1200)
    text = table({"ours": scores, "again": scores})
    assert [line.split()[0] for line in text.splitlines()[2:]] == ["ours", "again"]
    assert f"{scores.regions.covering_ods:.4f}" in text
    write_scores(scores, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert facts["regions"]["covering_ods"] == scores.regions.covering_ods
    assert len(facts["contours"]["precision"]) == 4
    rows = list(csv.DictReader((tmp_path / "out" / "images.csv").open()))
    assert [(row["image"], float(row["f"])) for row in rows] == [(r["image"], r["f"]) for r in scores.images]


def test_contour_maps_have_no_regions_and_regions_go_without_contours(folders: tuple[Path, Path], tmp_path: Path):
    strength = np.zeros(SHAPE, np.uint8)
    strength[:, 9] = 200
    maps = tmp_path / "maps"
    maps.mkdir()
    for name in "ab":
        cv2.imwrite(str(maps / f"{name}.png"), strength)
    contours = evaluate(maps, folders[1], 3)
    assert contours.regions is None
    assert "cover" not in table({"maps": contours})
    both = evaluate(*folders, 3)
    regions = evaluate(*folders, 3, contours=False)
    assert regions.contours is None
    assert regions.regions == both.regions
    assert contours.contours
    assert both.contours
    assert contours.contours.ods == both.contours.ods


def test_some_images_only(folders: tuple[Path, Path]):
    results, truth = folders
    (results / "b.npy").unlink()
    with pytest.raises(UserError, match="no result for 1 of 2 images, such as b"):
        evaluate(results, truth, 3)
    assert held(results) == ["a"]
    assert len(evaluate(results, truth, 3, images=held(results)).images) == 1
    with pytest.raises(UserError, match="no ground truth for 1 of 1 images, such as c"):
        evaluate(results, truth, 3, images=["c"])


def test_what_the_user_can_put_right(folders: tuple[Path, Path], tmp_path: Path):
    results, truth = folders
    with pytest.raises(UserError, match="there is no such folder"):
        evaluate(tmp_path / "nowhere", truth)
    with pytest.raises(UserError, match="thresholds is 0"):
        evaluate(results, truth, 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no file that ends in"):
        evaluate(tmp_path / "empty", truth)
    cv2.imwrite(str(results / "a.png"), np.zeros(SHAPE, np.uint8))
    with pytest.raises(UserError, match=r"has a\.npy and a\.png: keep one"):
        evaluate(results, truth)
    (results / "a.npy").unlink()
    with pytest.raises(UserError, match="only 1 of 2 results have regions"):
        evaluate(results, truth, 3)
    savemat(truth / "a.mat", {"other": 1})
    with pytest.raises(UserError, match="has no variable groundTruth"):
        evaluate(results, truth)
    savemat(truth / "a.mat", {"groundTruth": 1})
    with pytest.raises(UserError, match="should be a cell array"):
        evaluate(results, truth)


def official(file: Path) -> list[float]:
    return [float(number) for number in file.read_text().split()]


@pytest.fixture(scope="module", params=["ucm2", "png", "segs"])
def benchmark(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Scores, list[Path]]:
    """Our scores of BSDS500's own five images, and the folders with the official ones."""
    folder = shared_data / "bsds500" / "bench_reference"
    runs = {"ucm2": [1], "png": [2], "segs": [3, 4, 5]}[request.param]
    return evaluate(folder / request.param, folder / "groundTruth", 5), [folder / f"test_{run}" for run in runs]


def test_contours_are_the_official_ones(benchmark: tuple[Scores, list[Path]]):
    """The official matching leaves out edges by chance: its tests 1 to 4 have the same contours, and differ by 5e-4."""
    scores, folders = benchmark
    contours = scores.contours
    assert contours
    for folder in folders:
        if not (folder / "eval_bdry.txt").exists():
            continue  # of regions only
        threshold, recall, precision, f, _, _, ois, ap = official(folder / "eval_bdry.txt")
        assert contours.ods_threshold == pytest.approx(threshold, abs=1e-6)
        assert (contours.ods, contours.ois, contours.ap) == pytest.approx((f, ois, ap), abs=5e-4)
        assert (contours.ods_recall, contours.ods_precision) == pytest.approx((recall, precision), abs=5e-4)
        curve = np.reshape(official(folder / "eval_bdry_thr.txt"), (-1, 4))
        np.testing.assert_allclose(np.transpose([contours.recall, contours.precision]), curve[:, 1:3], atol=1e-3)
        # None of the official recalls is larger: our matching is the largest there is.
        assert (np.array(contours.recall) >= curve[:, 1] - 1e-6).all()


def test_regions_are_the_official_ones_to_the_last_digit(benchmark: tuple[Scores, list[Path]]):
    scores, folders = benchmark
    regions = scores.regions
    for folder in folders:
        if not (folder / "eval_cover.txt").exists():
            assert regions is None or folder.name == "test_3"  # of contours only
            continue
        assert regions
        ours = [regions.covering_threshold, regions.covering_ods, regions.covering_ois, regions.covering_best]
        assert ours == pytest.approx(official(folder / "eval_cover.txt"), abs=1e-6)
        rand = [regions.rand_threshold, regions.rand_ods, regions.rand_ois]
        variation = [regions.variation_threshold, regions.variation_ods, regions.variation_ois]
        assert rand + variation == pytest.approx(official(folder / "eval_RI_VOI.txt"), abs=6e-6)  # printed so far
        rows = np.reshape(official(folder / "eval_cover_img.txt"), (-1, 4))
        assert [row["covering_threshold"] for row in scores.images] == pytest.approx(rows[:, 1], abs=1e-6)
        assert [row["covering"] for row in scores.images] == pytest.approx(rows[:, 2], abs=1e-6)
