import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from common_fate.errors import UserError
from trainers.report import compare, summarise

ROW = {
    "dataset": "demo", "flow": "estimated", "samples": 12, "videos": 2, "points": 9.5,
    "epe": 2.0, "epe_no_motion": 4.0, "epe_nearest": 2.5,
}  # fmt: skip
SEGMENTED = {"classes": ["background", "cat"], "iou": [0.9, None], "iterations": 100, "images": 7}
CURVE = "iteration,loss,learning_rate,epe\n1,9.0,0.1,\n2,8.0,0.1,3.0\n3,7.0,0.1,2.5\n4,6.0,0.1,2.75\n"


class Cells(HTMLParser):
    """The cells of a page's table, row by row."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.inside = tag in ("td", "th")
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1].append(data.strip())


def experiment(
    folder: Path,
    flow: list[dict[str, Any]] | None = None,
    curve: str | None = None,
    training: dict[str, Any] | None = None,
    **mean_iou: float,
) -> Path:
    folder.mkdir(parents=True)
    if flow is not None:
        (folder / "flow.json").write_text(json.dumps({"side": "all", "rows": flow}))
    if curve is not None:
        (folder / "curves.csv").write_text(curve)
    if training is not None:
        (folder / "train.json").write_text(json.dumps(training))
    for start, value in mean_iou.items():
        (folder / "segmentation").mkdir(exist_ok=True)
        one = SEGMENTED | {"start": start, "mean_iou": value}
        (folder / "segmentation" / f"{start}.json").write_text(json.dumps(one))
    return folder


def report(folder: Path, to: Path) -> None:
    summarise(folder, sorted(folder.glob("segmentation/*.json")), to)


def test_all_that_was_measured_is_in_one_file(tmp_path: Path):
    folder = experiment(tmp_path / "small", [ROW], CURVE, {"samples": 88}, encoder=0.5, scratch=0.3)
    report(folder, tmp_path / "report")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["experiment"] == "small"
    assert metrics["training"] == {"samples": 88}
    assert metrics["curve"] == {"iterations": 4, "loss": 6.0, "epe": 2.75, "lowest_epe": 2.5}
    assert metrics["flow"] == [{**ROW, "better_than_no_motion": 50.0, "better_than_nearest": pytest.approx(20)}]
    assert metrics["segmentation"]["scratch"]["mean_iou"] == 0.3
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "curves.svg",
        "flow.html",
        "segmentation.html",
    ]


def test_the_table_of_flow_has_the_model_beside_the_baselines(tmp_path: Path):
    exact = ROW | {"flow": "exact", "epe": 1.0}
    report(experiment(tmp_path / "small", [ROW, exact]), tmp_path / "report")
    header, estimated, known = Cells(tmp_path / "report/flow.html").rows
    assert header[5:] == ["model", "no motion", "better, %", "nearest point", "better, %"]
    assert estimated[:2] == ["demo", "estimated"]
    assert [float(cell) for cell in estimated[4:]] == pytest.approx([9.5, 2, 4, 50, 2.5, 20])
    assert [float(cell) for cell in known[5:]] == pytest.approx([1, 4, 75, 2.5, 60])


def test_the_table_of_segmentation_has_a_column_for_each_start_and_the_mean_last(tmp_path: Path):
    report(experiment(tmp_path / "small", encoder=0.5, scratch=0.3), tmp_path / "report")
    assert Cells(tmp_path / "report/segmentation.html").rows == [
        ["class", "encoder", "scratch"],
        ["background", "90.00", "90.00"],
        ["cat", "–", "–"],
        ["mean", "50.00", "30.00"],
    ]


def test_the_baselines_of_the_evaluation_are_drawn_into_the_curves(tmp_path: Path):
    report(experiment(tmp_path / "small", [ROW], CURVE), tmp_path / "report")
    assert "nearest guidance point: 2.50" in (tmp_path / "report/curves.svg").read_text()


def test_what_has_not_been_measured_is_left_out(tmp_path: Path):
    folder = experiment(tmp_path / "small", curve=CURVE)
    report(folder, tmp_path / "report")
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["curves.svg"]
    assert set(json.loads((folder / "metrics.json").read_text())) == {"experiment", "curve"}


def test_a_segmentation_that_is_not_asked_for_is_left_out(tmp_path: Path):
    folder = experiment(tmp_path / "small", [ROW], encoder=0.5, left_over=0.3)
    summarise(folder, [folder / "segmentation/encoder.json"], tmp_path / "report")
    assert list(json.loads((folder / "metrics.json").read_text())["segmentation"]) == ["encoder"]


def test_the_same_measurements_give_the_same_files(tmp_path: Path):
    folder = experiment(tmp_path / "small", [ROW], CURVE, encoder=0.5)
    found = []
    for to in (tmp_path / "a", tmp_path / "b"):
        report(folder, to)
        found.append({path.name: path.read_bytes() for path in [*to.iterdir(), folder / "metrics.json"]})
    assert found[0] == found[1]


def test_with_nothing_to_report_the_message_says_what_to_do(tmp_path: Path):
    with pytest.raises(UserError, match="train and evaluate it first"):
        report(experiment(tmp_path / "small"), tmp_path / "report")


def grid(folder: Path) -> list[Path]:
    facts = {"samples": 100, "parameters": {"encoder": 11, "decoder": 1_460_000, "total": 5}}
    return [
        experiment(folder / "small-nets-s1", [ROW | {"epe": 2.25}], None, facts, encoder=0.41),
        experiment(folder / "small-nets-s1_2", [ROW], None, facts, encoder=0.43),
        experiment(folder / "small-guidance-none", [ROW | {"points": 0, "epe": 3.0}], None, facts | {"samples": 50}),
    ]


def test_a_grid_is_a_table_with_a_row_for_each_experiment(tmp_path: Path):
    compare(grid(tmp_path), tmp_path / "report", "Nets & guidance")
    header, *rows = Cells(tmp_path / "report/comparison.html").rows
    assert header == [
        "axis", "variant", "samples", "guidance points", "decoder parameters", "error", "nearest point", "better, %",
        "mIoU, %",
    ]  # fmt: skip
    assert [row[:2] for row in rows] == [["nets", "s1"], ["nets", "s1_2"], ["guidance", "none"]]
    assert [row[2] for row in rows] == ["100", "100", "50"]
    assert rows[0][4] == "1,460,000"
    assert [float(row[7]) for row in rows] == pytest.approx([10, 20, -20])
    assert [row[8] for row in rows] == ["41.00", "43.00", "–"]


def test_a_grid_has_a_panel_for_each_axis(tmp_path: Path):
    compare(grid(tmp_path), tmp_path / "report", "Nets & guidance")
    svg = (tmp_path / "report/comparison.svg").read_text()
    assert svg.count('<g id="axes_') == 4  # two axes, of segmentation and of flow
    for text in ("Nets &amp; guidance", "segmentation, mIoU %", "nets", "guidance", "s1_2", "43.0", "-20.0", "20.0"):
        assert f"<!-- {text} -->" in svg.replace("−", "-")


def test_a_measure_that_no_experiment_has_is_left_out(tmp_path: Path):
    without = [experiment(tmp_path / f"g-a-{variant}", [ROW]) for variant in ("x", "y")]
    compare(without, tmp_path / "report", "Grid")
    assert "mIoU, %" not in Cells(tmp_path / "report/comparison.html").rows[0]
    assert "mIoU" not in (tmp_path / "report/comparison.svg").read_text()


@pytest.mark.parametrize("name", ["small", "small-nets", "small--x", "-nets-x"])
def test_an_experiment_that_is_not_of_a_grid_is_named(tmp_path: Path, name: str):
    with pytest.raises(UserError, match=f"{name}: should be named GRID-AXIS-VARIANT"):
        compare([experiment(tmp_path / name, [ROW])], tmp_path / "report", "Grid")


def test_a_grid_without_its_experiments_or_measurements_says_so(tmp_path: Path):
    with pytest.raises(UserError, match="there is no such experiment"):
        compare([tmp_path / "small-nets-s1"], tmp_path / "report", "Grid")
    with pytest.raises(UserError, match="nothing has been measured"):
        compare([experiment(tmp_path / "small-nets-s1", training={"samples": 3})], tmp_path / "report", "Grid")
