import json
from pathlib import Path
from typing import Any

import pytest

from common_fate.errors import UserError
from trainers.report.results import FlowRow, headline, read_curve, read_flow, read_json, read_segmentations

ROW = {
    "dataset": "demo", "flow": "estimated", "samples": 12, "videos": 2, "points": 9.5,
    "epe": 2.0, "epe_no_motion": 4.0, "epe_nearest": 2.5,
}  # fmt: skip
SEGMENTED = {
    "start": "encoder",
    "classes": ["background", "cat"],
    "iou": [0.9, None],
    "mean_iou": 0.9,
    "iterations": 100,
    "images": 7,
}


def write(path: Path, values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return path


def test_what_is_not_there_is_left_out(tmp_path: Path):
    assert read_flow(tmp_path / "flow.json") is None
    assert read_curve(tmp_path / "curves.csv") is None
    assert read_json(tmp_path / "train.json") is None
    assert read_segmentations([]) == []


def test_improvement_is_the_share_of_the_baselines_error_that_is_gone():
    row = FlowRow(**ROW)
    assert row.better_than_no_motion == 50
    assert row.better_than_nearest == pytest.approx(20)
    assert FlowRow(**ROW | {"epe": 5.0}).better_than_nearest == pytest.approx(-100)
    assert FlowRow(**ROW | {"epe_no_motion": 0.0}).better_than_no_motion is None


def test_whole_numbers_are_numbers(tmp_path: Path):
    (row,) = read_flow(write(tmp_path / "flow.json", {"rows": [ROW | {"points": 0}]}))
    assert row.points == 0
    assert isinstance(row.points, float)


def test_the_headline_is_of_estimated_flow_over_all_datasets():
    rows = [
        FlowRow(**ROW | {"dataset": dataset, "flow": flow})
        for dataset, flow in (("a", "exact"), ("a", "estimated"), ("b", "estimated"), ("all", "estimated"))
    ]
    assert headline(rows) is rows[3]
    assert headline(rows[:3]) is rows[1]
    assert headline(rows[:1]) is rows[0]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ("{", "cannot be read"),
        ("[]", "should be an object"),
        ({}, "no rows"),
        ({"rows": []}, "no rows"),
        ({"rows": [3]}, "should be an object"),
        ({"rows": [{**ROW, "epe": None}]}, "epe is None"),
        ({"rows": [{**ROW, "epe": "2"}]}, "epe is '2'"),
        ({"rows": [{**ROW, "epe": float("nan")}]}, "epe is nan"),
        ({"rows": [{**ROW, "samples": 1.5}]}, "samples is 1.5"),
        ({"rows": [{**ROW, "samples": True}]}, "samples is True"),
        ({"rows": [{name: value for name, value in ROW.items() if name != "videos"}]}, "lacks videos"),
    ],
)
def test_a_garbled_evaluation_is_named_with_what_is_wrong(tmp_path: Path, values: Any, why: str):
    path = write(tmp_path / "flow.json", values)
    with pytest.raises(UserError, match=why) as error:
        read_flow(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def segmentations(folder: Path) -> list[Path]:
    return sorted(folder.glob("segmentation/*.json"))


def test_a_missing_segmentation_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"encoder\.json: there is no such file"):
        read_segmentations([tmp_path / "encoder.json"])


def test_starts_stand_in_the_order_of_the_table(tmp_path: Path):
    for start in ("zebra", "scratch", "imagenet", "encoder"):
        write(tmp_path / "segmentation" / f"{start}.json", SEGMENTED | {"start": start})
    assert [one.start for one in read_segmentations(segmentations(tmp_path))] == [
        "encoder",
        "scratch",
        "imagenet",
        "zebra",
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"iou": [0.9]}, "2 classes and 1 of iou"),
        ({"iou": [0.9, "0.1"]}, "iou is"),
        ({"classes": "cat"}, "classes is"),
        ({"mean_iou": None}, "mean_iou is None"),
    ],
)
def test_a_garbled_segmentation_is_named(tmp_path: Path, change: dict[str, Any], why: str):
    write(tmp_path / "segmentation" / "encoder.json", SEGMENTED | change)
    with pytest.raises(UserError, match=why):
        read_segmentations(segmentations(tmp_path))


def test_segmentations_of_other_classes_make_no_table(tmp_path: Path):
    write(tmp_path / "segmentation" / "encoder.json", SEGMENTED)
    write(tmp_path / "segmentation" / "scratch.json", SEGMENTED | {"start": "scratch", "classes": ["sky", "cat"]})
    with pytest.raises(UserError, match="other classes than encoder"):
        read_segmentations(segmentations(tmp_path))


def test_cells_without_a_measurement_are_none(tmp_path: Path):
    text = "iteration,loss,learning_rate,epe\n10,3.5,0.1,\n20,nan,0.1,2.25\n"
    curve = read_curve(write(tmp_path / "curves.csv", text))
    assert (curve.iteration, curve.loss, curve.epe) == ([10, 20], [3.5, None], [None, 2.25])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no rows"),
        ("iteration,loss,learning_rate,epe\n", "no rows"),
        ("iteration,loss,epe\n1,2,3\n", "lacks the column learning_rate"),
        ("iteration,loss,learning_rate,epe\n1,two,3,4\n", "two"),
        ("iteration,loss,learning_rate,epe\n1,2\n", "cut short"),
        ("iteration,loss,learning_rate,epe\none,2,3,4\n", "one"),
    ],
)
def test_a_garbled_curve_is_named(tmp_path: Path, text: str, why: str):
    with pytest.raises(UserError, match=why) as error:
        read_curve(write(tmp_path / "curves.csv", text))
    assert "curves.csv" in str(error.value)
