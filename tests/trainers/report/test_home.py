import json
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
    grids, table = page.tables
    assert grids[1:] == [["small", "axis", "1", "variant", *table[2][3:]]]
    assert table[1][:1] + table[1][3:] == [
        "small", "flow: epe ↓", "demo", "model", "2.000 px", "20.0 % better than nearest",
    ]  # fmt: skip
    assert table[2][0] == "small-axis-variant"
    loaded = [value for name, value in page.attributes if name in ("src", "href")]
    assert all(value.startswith("data:image/jpeg;base64,") for value in loaded)


def test_where_there_are_only_variants_they_stand_at_the_top(tmp_path: Path):
    overview([measured(tmp_path, "small-axis-variant", 1.0)], tmp_path / "index.html", "Title")
    page = Page(tmp_path / "index.html")
    assert "small-axis-variant · flow" in page.text
    assert page.tags.count("img") == 1


def test_a_grid_has_a_row_for_each_axis_with_its_best_variant(tmp_path: Path):
    values = {"small-nets-a": 2.0, "small-nets-b": 1.5, "small-data-c": 3.0}
    overview([measured(tmp_path, name, epe) for name, epe in values.items()], tmp_path / "index.html", "Title")
    assert Page(tmp_path / "index.html").tables[0][1:] == [
        ["small", "nets", "2", "b", "flow: epe ↓", "demo", "model", "1.500 px", "40.0 % better than nearest"],
        ["", "data", "1", "c", "flow: epe ↓", "demo", "model", "3.000 px", "20.0 % worse than nearest"],
    ]


def test_of_many_metrics_some_are_shown_and_the_others_counted(tmp_path: Path):
    folder = write_experiment(tmp_path / "small")
    write_measured(folder, "flow", "model", *(row(2.0, metric=f"metric {n}") for n in range(20)))
    summarise(folder, evaluations(folder), tmp_path / "page")
    overview([folder / "metrics.json"], tmp_path / "index.html", "Title")
    page = Page(tmp_path / "index.html")
    assert page.attributes.count(("class", "card")) == 8
    assert "and 12 more, below" in page.text
    assert len(page.tables[0]) == 1 + 16 + 1
    assert "and 4 more, on its own page" in page.text


@pytest.mark.parametrize("name", ["../../elsewhere", "a" * 201, "a\0", "", "a\n"])
@pytest.mark.parametrize("of", ["evaluation", "start"])
def test_names_that_no_file_of_an_evaluation_has_are_refused(tmp_path: Path, name: str, of: str):
    path = measured(tmp_path, "small", 1.0)
    metrics = json.loads(path.read_text())
    rows = metrics["evaluations"]["flow"]["model"]
    metrics["evaluations"] = {name: {"model": rows}} if of == "evaluation" else {"flow": {name: rows}}
    path.write_text(json.dumps(metrics))
    with pytest.raises(UserError, match="an evaluation or a start is called"):
        overview([path], tmp_path / "index.html", "Title")


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
