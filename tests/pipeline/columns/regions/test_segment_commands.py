"""The commands of segmentation outside the workflow, as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io

pytestmark = pytest.mark.slow


def pipeline(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_segment_writes_what_the_berkeley_tools_read(tmp_path: Path):
    images = tmp_path / "images"
    images.mkdir()
    halves = np.zeros((60, 80, 3), np.uint8)
    halves[:, :40] = [200, 120, 40]
    cv2.imwrite(str(images / "halves.png"), halves)
    done = pipeline("segment", images, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    contours = cv2.imread(str(tmp_path / "out/contours/halves.png"), cv2.IMREAD_UNCHANGED)
    assert (contours.dtype, contours.shape) == (np.uint16, (60, 80))
    assert contours[10:50, 36:44].max() > 4 * contours[10:50, 8:30].max()
    ucm = scipy.io.loadmat(tmp_path / "out/ucm2/halves.mat")["ucm2"]
    assert ucm.shape == (121, 161)
    assert 72 <= int(ucm[61].argmax()) <= 88, "the line is near the middle"


def test_the_benchmark_sets_results_beside_each_other(shared_data: Path, tmp_path: Path):
    bsds = shared_data / "bsds500"
    images = tmp_path / "images"
    images.mkdir()
    names = sorted(path.stem for path in (bsds / "ucm2_gpb_val").glob("*.mat"))[:3]
    for name in names:
        (images / f"{name}.jpg").symlink_to((bsds / "images/val" / f"{name}.jpg").resolve())
    assert pipeline("segment", images, "--to", tmp_path / "ours").returncode == 0
    folders = [tmp_path / "ours/ucm2", bsds / "ucm2_gpb_val"]
    done = pipeline(
        *("benchmark-segmentation", *folders, "--truth", bsds / "groundTruth/val"),
        *("--thresholds", 20, "--no-contours", "--to", tmp_path / "scores"),
    )
    assert done.returncode == 0, done.stderr
    scores = [json.loads((tmp_path / "scores" / folder.name / "scores.json").read_text()) for folder in folders]
    assert [score["images"] for score in scores] == [3, 3]
    covering = [score["regions"]["covering_ods"] for score in scores]
    assert covering[0] > covering[1] - 0.15, "not far from gPb on any three images"
    assert all(f"{value:.4f}" in done.stdout for value in covering)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("segment", "none", "--to", "out"), "none: there is no such folder"),
        (("segment", ".", "--to", "out"), ".: has no image that ends in .jpg"),
        (("segment", ".", "--to", "out", "--options", '{"leafs": 3}'), "unexpected keyword argument 'leafs'"),
        (("benchmark-segmentation", "none", "--truth", "."), "none: there is no such folder"),
        (("train-forest", ".", ".", "--to", "forest.xml"), "--to forest.xml: should end in .yml.gz"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str], says: str):
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    done = pipeline(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
