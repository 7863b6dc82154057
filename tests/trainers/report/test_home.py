from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from common_fate.errors import UserError
from tests.trainers.report.measured import PNG, Page, evaluations, picture, row, write_experiment, write_measured
from trainers.cli import app
from trainers.report.home import overview
from trainers.report.summary import summarise


def measured(root: Path, name: str, epe: float) -> Path:
    folder = write_experiment(root / "experiments" / name)
    write_measured(folder, "flow", "model", row(epe), pictures=(picture(), picture("second", "Not here.")))
    write_measured(folder, "flow", "scratch", row(9.0), pictures=(picture("third", "Nor here."),))
    summarise(folder, evaluations(folder), root / "report/experiments" / name)
    return folder / "metrics.json"


def sheet(root: Path, dataset: str, what: str) -> Path:
    path = root / "report" / dataset / f"contact_sheet_{what}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PNG)
    return path


def test_the_best_pictures_and_numbers_stand_on_one_page(tmp_path: Path):
    files = [measured(tmp_path, "small", 2.0), measured(tmp_path, "small-axis-variant", 1.0)]
    files += [sheet(tmp_path, "demo", "toy"), sheet(tmp_path, "clips", "toy")]
    to = tmp_path / "report/index.html"
    done = CliRunner().invoke(app, ["home", *map(str, files), "--to", str(to)])
    assert done.exception is None
    page = Page(to)
    assert "2 experiments · 2 datasets" in page.text
    cards = page.text[: page.text.index("What models predict")]
    assert "small · flow: epe ↓, demo" in cards
    assert "20.0 % better than nearest, 2.500" in cards
    assert "small-axis-variant" not in cards
    assert page.tags.count("img") == 3
    for caption in ("small, flow: What is shown.", "demo: toy", "clips: toy"):
        assert caption in page.text
    assert "here." not in page.text, "one picture of each evaluation, of what was trained"
    (table,) = page.tables
    assert table[1][:1] + table[1][3:] == [
        "small", "flow: epe ↓", "demo", "2.000 px", "20.0 % better than nearest",
    ]  # fmt: skip
    assert table[2][0] == "small-axis-variant"
    loaded = [value for name, value in page.attributes if name in ("src", "href")]
    assert all(value.startswith("data:image/jpeg;base64,") for value in loaded)


def test_where_there_are_only_variants_they_stand_at_the_top(tmp_path: Path):
    overview([measured(tmp_path, "small-axis-variant", 1.0)], tmp_path / "index.html", "Title")
    page = Page(tmp_path / "index.html")
    assert "small-axis-variant · flow" in page.text
    assert page.tags.count("img") == 1


def test_datasets_alone_have_a_page_too(tmp_path: Path):
    overview([sheet(tmp_path, "demo", "toy")], tmp_path / "index.html", "Title")
    page = Page(tmp_path / "index.html")
    assert "1 dataset" in page.text
    assert page.tables == []


@pytest.mark.parametrize("data", [b"", b"nonsense", PNG[:40], PNG[:16] + b"\xff\xff\xff\xff" + PNG[20:]])
def test_a_damaged_sheet_is_named(tmp_path: Path, data: bytes):
    path = sheet(tmp_path, "demo", "toy")
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"contact_sheet_toy\.png: not a picture"):
        overview([path], tmp_path / "index.html", "Title")


def test_what_is_neither_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"a\.txt: neither"):
        overview([tmp_path / "a.txt"], tmp_path / "index.html", "Title")
    with pytest.raises(UserError, match="cannot be read"):
        overview([tmp_path / "none.png"], tmp_path / "index.html", "Title")


def test_pictures_of_the_home_page_are_those_of_the_evaluation(tmp_path: Path):
    image = cv2.imdecode(np.frombuffer(PNG, np.uint8), cv2.IMREAD_COLOR)
    overview([measured(tmp_path, "small", 1.0)], tmp_path / "index.html", "Title")
    attributes = Page(tmp_path / "index.html").attributes
    assert ("width", str(image.shape[1])) in attributes
    assert ("height", str(image.shape[0])) in attributes
