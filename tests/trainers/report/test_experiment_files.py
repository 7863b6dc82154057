import json
from pathlib import Path
from typing import Any

import pytest

from common_fate.errors import UserError
from trainers.report.experiment_files import read_curves, read_json, read_metrics


def write(path: Path, values: Any) -> Path:
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return path


def test_what_is_not_there_is_left_out(tmp_path: Path):
    assert read_curves(tmp_path / "curves.csv") is None
    assert read_json(tmp_path / "train.json") is None


def test_columns_may_be_called_anything_and_cells_without_a_measurement_are_none(tmp_path: Path):
    text = "iteration,loss,loss.census,learning_rate,validation.F1\n10,3.5,1,0.1,\n20,nan,2,0.1,2.25\n"
    curves = read_curves(write(tmp_path / "curves.csv", text))
    assert curves.iteration == [10, 20]
    assert curves.columns["loss"] == [3.5, None]
    assert curves.measured("validation.F1") == ([20], [2.25])
    assert curves.measured("loss.census") == ([10, 20], [1, 2])
    assert curves.measured("loss.none") == ([], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no rows"),
        ("iteration,loss\n", "no rows"),
        ("loss,epe\n1,2\n", "lacks the column iteration"),
        ("iteration,loss,epe\n1,two,3\n", "two"),
        ("iteration,loss,epe\n1,2\n", "cut short"),
        ("iteration,loss\n1,2,3\n", "too long"),
        ("iteration,loss\none,2\n", "one"),
        (f"iteration,{','.join(map(str, range(300)))}\n{','.join(['1'] * 301)}\n", "301 columns; at most 256"),
        (f"iteration{',x' * 300}\n", "301 columns; at most 256"),
        (f"iteration{',' * 600_000}\n", "a line of 524288 characters or more"),
        ("iteration,loss,loss\n1,2,3\n", "two columns have the same name"),
        (f"iteration,{'a' * 1025}\n1,2\n", "at most 1024 characters"),
        (f"iteration,loss\n{'1,2' * 10}\n", "too long"),
        ("iteration,loss\n" + "1,2\n" * (2**19 + 1), "more than 1048576 cells"),
        ("iteration,loss\n9999999999999,2\n", "an iteration is '9999999999999'"),
        ("iteration,loss\n-1,2\n", "an iteration is '-1'"),
        ('iteration,loss\n1,"2\n', "cannot be read"),
    ],
)
def test_a_garbled_curve_is_named(tmp_path: Path, text: str, why: str):
    with pytest.raises(UserError, match=why) as error:
        read_curves(write(tmp_path / "curves.csv", text))
    assert "curves.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_number_that_cannot_be_drawn_was_not_measured(tmp_path: Path):
    curves = read_curves(write(tmp_path / "curves.csv", "iteration,loss\n1,1e308\n2,-inf\n3,1e-310\n4,2\n"))
    assert curves.columns["loss"] == [None, None, 0.0, 2.0]


@pytest.mark.parametrize(
    ("values", "why"), [("{", "cannot be read"), ("[]", "should be an object"), ('{"a": NaN}', "cannot be read")]
)
def test_a_garbled_object_is_named(tmp_path: Path, values: str, why: str):
    with pytest.raises(UserError, match=why):
        read_json(write(tmp_path / "train.json", values))


ROW = {"dataset": "d", "metric": "epe", "value": 2, "unit": "px", "better": "lower", "samples": 1, "subset": ""}


def test_metrics_are_rows_by_evaluation_and_start(tmp_path: Path):
    values = {"experiment": "small", "training": {"samples": 3}, "evaluations": {"flow": {"model": [ROW]}}}
    metrics = read_metrics(write(tmp_path / "metrics.json", values))
    assert metrics.evaluations["flow"]["model"][0].value == 2
    assert metrics.training == {"samples": 3}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "experiment is None"),
        ({"experiment": "a" * 1025}, "text of at most 1024 characters"),
        ({"experiment": "a", "evaluations": {"a" * 1025: {}}}, "an evaluation is 'aaa"),
        ({"experiment": "a", "evaluations": {"flow": {"a" * 1025: [ROW]}}}, "a start is 'aaa"),
        ({"experiment": "a", "evaluations": []}, "evaluations should be an object"),
        ({"experiment": "a", "evaluations": {"flow": []}}, "flow should be an object"),
        ({"experiment": "a", "evaluations": {"flow": {"model": []}}}, "rows should be a list"),
        ({"experiment": "a", "evaluations": {"flow": {"model": [ROW | {"value": "2"}]}}}, "value is '2'"),
    ],
)
def test_garbled_metrics_are_named(tmp_path: Path, values: Any, why: str):
    with pytest.raises(UserError, match=why):
        read_metrics(write(tmp_path / "metrics.json", values))


def test_missing_metrics_are_named(tmp_path: Path):
    with pytest.raises(UserError, match="report on the experiment first"):
        read_metrics(tmp_path / "metrics.json")
