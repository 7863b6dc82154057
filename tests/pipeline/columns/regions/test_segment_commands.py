"""The commands of segmentation outside the workflow, as a user runs them."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli.app import app

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


def segment(images: Path, to: Path, **options: object) -> Result:
    return CliRunner().invoke(app, ["segment", str(images), "--to", str(to), "--options", json.dumps(options)])


def draw(path: Path, seed: int = 0, grey: bool = False) -> None:
    """A square on noise."""
    image = np.random.default_rng(seed).integers(0, 60, (24, 32, 3), np.uint8)
    image[6:18, 8 + seed : 20 + seed] += 180
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), image[..., 0] if grey else image)


def reasons(to: Path) -> dict[str, str]:
    with (to / "failures.csv").open() as file:
        return {row["image"]: row["reason"] for row in csv.DictReader(file)}


def made(to: Path) -> dict[str, int]:
    """When each file was written, by its path."""
    return {str(path.relative_to(to)): path.stat().st_mtime_ns for path in to.rglob("*.*") if path.suffix != ".csv"}


def of(name: str) -> set[str]:
    """An image's files."""
    return {f"contours/{name}.png", f"ridges/{name}.png", f"ucm2/{name}.mat", f"records/{name}.json"}


def test_segment_goes_on_after_a_bad_image_and_makes_what_is_missing(tmp_path: Path):
    images, to, maps = (tmp_path / name for name in ("images", "out", "maps"))
    options = {"detector": "maps", "maps": str(maps)}  # no forest to load: this runs the command seven times
    for number, name in enumerate(("a.png", "b.webp", "c.JPG")):
        draw(images / name, number)
    for number, name in enumerate(("a", "b", "c", "noise")):
        draw(maps / f"{name}.png", number, grey=True)
    (images / "noise.jfif").write_bytes(b"no picture")
    (images / "gone.tif").symlink_to("nowhere.tif")
    done = segment(images, to, **options)
    assert done.stdout == f"{to}: 3 images segmented\n"
    assert str(done.exception) == f"2 of 5 images failed, as {to}/failures.csv says"
    assert reasons(to) == {
        "gone.tif": "cannot be read: No such file or directory",
        "noise.jfif": "not an image of a known format",
    }
    first = made(to)
    assert set(first) == of("a") | of("b") | of("c")

    draw(images / "noise.png", 3)
    (images / "noise.jfif").unlink()
    (to / "ridges/b.png").unlink()
    draw(images / "c.JPG", 4)
    done = segment(images, to, **options)
    assert done.stdout == f"{to}: 3 images segmented, 1 were there\n"
    assert str(done.exception).startswith("1 of 5 images failed")
    second = made(to)
    assert {name for name, when in second.items() if first.get(name) != when} == of("b") | of("c") | of("noise")

    (images / "gone.tif").unlink()
    (images / "a.png").write_bytes(b"damaged since")
    assert str(segment(images, to, **options).exception).startswith("1 of 4 images failed")
    assert made(to) == {name: when for name, when in second.items() if name not in of("a")}, "no leftover stands for a"
    (images / "a.png").unlink()
    done = segment(images, to, **options)
    assert (done.exit_code, done.stdout) == (0, f"{to}: 0 images segmented, 3 were there\n")
    assert not (to / "failures.csv").exists()
    draw(maps / "b.png", 5, grey=True)
    assert segment(images, to, **options).stdout == f"{to}: 1 images segmented, 2 were there\n", "another map"
    assert segment(images, to, **options, spectral=False).stdout == f"{to}: 3 images segmented\n"
    assert not {*second.items()} & {*made(to).items()}, "with other options, all are others"


def test_two_images_of_one_name_are_refused_and_others_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for name in ("a.jpg", "a.png", "b.png"):
        draw(tmp_path / "images" / name)
    (tmp_path / "images/c.TGA").touch()
    (tmp_path / "images/._b.png").touch()
    done = segment(tmp_path / "images", tmp_path / "out")
    assert str(done.exception).endswith("'a.jpg' and 'a.png' differ in no more than the extension: rename one")
    assert caplog.messages == [f"{tmp_path}/images: left out, since such images are not read: c.TGA"]
    assert not (tmp_path / "out").exists()


@pytest.mark.faults
def test_segment_that_is_killed_leaves_nothing_half_written_and_goes_on(tmp_path: Path):
    images, to = tmp_path / "images", tmp_path / "out"
    for number in range(8):
        draw(images / f"{number}.png", number)
    done: dict[str, int] = {}
    for wanted in (1, 3, 6):
        command = [sys.executable, "-m", "pipeline", "segment", str(images), "--to", str(to)]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(list(to.glob("records/*.json"))) < wanted:
            assert running.poll() is None
            time.sleep(0.001)
        running.kill()
        running.wait()
        records = {path.stem for path in to.glob("records/*.json")}
        now = {name: when for name, when in made(to).items() if "/." not in name}
        assert set().union(*map(of, records)) <= set(now)
        assert {name: now[name] for name in done} == done, "what was done is left as it is"
        done = {name: when for name, when in now.items() if Path(name).stem in records}
    assert segment(images, to).exit_code == 0
    assert {name: when for name, when in made(to).items() if name in done} == done
    whole = tmp_path / "whole"
    assert segment(images, whole).exit_code == 0
    for name in made(whole):
        if name.endswith(".mat"):  # its header has the time
            np.testing.assert_array_equal(*(scipy.io.loadmat(folder / name)["ucm2"] for folder in (to, whole)))
        else:
            assert (to / name).read_bytes() == (whole / name).read_bytes()


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
