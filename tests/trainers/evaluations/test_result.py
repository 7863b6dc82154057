import base64
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.errors import UserError
from trainers.evaluations.result import Measurement, Picture, Result, Row, headlines, read_result, write_result

PNG = cv2.imencode(".png", np.full((4, 6, 3), 200, np.uint8))[1].tobytes()
ROW = Row("demo", "epe", 2.0, "px", "lower", 12, "estimated flow", {"no motion": 4.0, "nearest": 2.5, "none": None})
ONE = Measurement(
    evaluation="some",
    version=3,
    experiment="small",
    start="model",
    options={"pictured": 6, "deep": {"list": [1, 2.5, None]}},
    side="held out",
    views=("results/demo/shards/cmp",),
    result=Result(
        (ROW, Row("demo", "IoU", None, "%", "higher", 0)),
        (Picture("samples", PNG, "Some <b>.\nMore."),),
        {"a": [1]},
        "A note.",
    ),
    seconds=1.5,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some" / "model.json"
    write_result(path, ONE)
    return path


def rewritten(path: Path, **changes: Any) -> Path:
    """The file with some of its values replaced; `DELETE` takes one away."""
    facts = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in facts.items() if value != "DELETE"}))
    return path


def row(**changes: Any) -> list[dict[str, Any]]:
    values = {"dataset": "d", "metric": "m", "value": 1.0, "unit": "", "better": "lower", "samples": 1, "subset": ""}
    return [values | {"baselines": {}} | changes]


def picture(data: bytes = PNG, **changes: Any) -> list[dict[str, Any]]:
    return [{"name": "n", "caption": "c", "png": base64.b64encode(data).decode()} | changes]


def test_what_was_written_is_read(path: Path):
    assert read_result(path) == ONE
    assert read_result(path).result.pictures[0].size == (6, 4)


def test_what_is_not_finite_is_null(tmp_path: Path):
    result = replace(ONE.result, rows=(replace(ROW, value=math.nan, baselines={"no motion": math.inf}),))
    write_result(tmp_path / "a.json", replace(ONE, result=result))
    (read,) = read_result(tmp_path / "a.json").result.rows
    assert (read.value, read.baselines) == (None, {"no motion": None})


def test_a_result_without_rows_is_not_written(tmp_path: Path):
    with pytest.raises(ValueError, match="rows should be a list"):
        write_result(tmp_path / "a.json", replace(ONE, result=Result(())))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 2}, "format is 2, should be 1"),
        ({"rows": []}, "rows should be a list"),
        ({"rows": "DELETE"}, "rows should be a list"),
        ({"rows": [3]}, "a row should be an object"),
        ({"rows": row(value="2")}, "value is '2'"),
        ({"rows": row(value=True)}, "value is True"),
        ({"rows": row(better="more")}, "better is 'more': should be higher or lower"),
        ({"rows": row(samples=1.5)}, "samples is 1.5"),
        ({"rows": row(samples=-1)}, "samples is -1"),
        ({"rows": row(metric=None)}, "metric is None"),
        ({"rows": row(dataset="d" * 2000)}, "at most 1024 characters"),
        ({"rows": row(baselines={"b": "x"})}, "baselines is 'x'"),
        ({"rows": row(baselines={str(n): 1 for n in range(17)})}, "17 baselines; at most 16"),
        (
            {"rows": [*row(baselines={"a": 1}), *row(baselines={str(n): 1 for n in range(16)})]},
            "17 baselines in its rows",
        ),
        ({"rows": row() * 16385}, "a list of 1 to 16384"),
        ({"pictures": picture(b"GIF89a" + bytes(40))}, "a picture is not a PNG"),
        ({"pictures": picture(PNG[:20])}, "a picture is not a PNG"),
        ({"pictures": picture(PNG[:16] + b"\xff\xff\xff\xff" + PNG[20:])}, "a picture of 4294967295x4 pixels"),
        ({"pictures": picture(PNG[:16] + bytes(4) + PNG[20:])}, "a picture of 0x4 pixels"),
        ({"pictures": picture(PNG[:33])}, "a PNG that is cut short"),
        ({"pictures": picture(PNG[:-4])}, "a PNG that is cut short"),
        ({"pictures": picture(PNG[:33] + PNG[-12:])}, "a PNG without an image"),
        ({"pictures": picture(PNG + b"more")}, "or with more behind it"),
        ({"pictures": picture(PNG[:45] + bytes(1) + PNG[46:])}, "a checksum is wrong"),
        (
            {"pictures": picture(PNG[:33] + (bytes(4) + b"aaaa" + b"\xad\x98\xe5\x45") * 2**16)},
            "a PNG without an image",
        ),
        ({"pictures": picture(png="nothing!")}, "a picture is not base64"),
        ({"pictures": picture(png=3)}, "should be base64"),
        ({"pictures": picture() * 65}, "at most 64"),
        ({"pictures": picture(caption="c" * 20000)}, "caption is"),
        ({"views": "a"}, "views should be a list"),
        ({"views": [1]}, "views is 1"),
        ({"note": 1}, "note is 1"),
        ({"about": []}, "about should be an object"),
        ({"options": []}, "options should be an object"),
        ({"seconds": "1"}, "seconds is '1'"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong_and_what_to_do(path: Path, changes: dict[str, Any], why: str):
    with pytest.raises(UserError) as error:
        read_result(rewritten(path, **changes))
    said = str(error.value)
    assert why in said
    assert said.startswith(f"{path}: cannot be read (")
    assert said.endswith("remove it, and run snakemake to make it again")
    assert "\n" not in said


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_is_damaged_is_refused_or_read_within_bounds(data: st.DataObject):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        write_result(path, ONE)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(content) - 1))
            content[place : place + data.draw(st.integers(1, 40))] = data.draw(st.binary(max_size=40))
        path.write_bytes(content)
        try:
            result = read_result(path).result
        except UserError:
            return
        assert all(row.value is None or math.isfinite(row.value) for row in result.rows)
        assert all(picture.png.startswith(b"\x89PNG") for picture in result.pictures)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1, "format": 1}', '{"format": NaN}', "\xff"])
def test_what_is_not_such_json_is_refused(path: Path, text: str):
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="cannot be read"):
        read_result(path)


def test_a_file_that_is_too_large_is_not_read(path: Path):
    with path.open("r+b") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(UserError, match="larger than 268435456 bytes"):
        read_result(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"a\.json: there is no such file: run the evaluation first"):
        read_result(tmp_path / "a.json")


def test_improvement_is_over_the_best_baseline_in_the_direction_that_is_better():
    assert ROW.best_baseline() == ("nearest", 2.5)
    assert ROW.improvement() == pytest.approx(20)
    assert replace(ROW, value=5.0).improvement() == pytest.approx(-100)
    higher = Row("d", "IoU", 60.0, "%", "higher", 1, baselines={"a": 40.0, "b": 50.0})
    assert higher.best_baseline() == ("b", 50.0)
    assert higher.improvement() == pytest.approx(20)
    for unknown in (replace(ROW, value=None), replace(ROW, baselines={}), replace(ROW, baselines={"perfect": 0.0})):
        assert unknown.improvement() is None


def test_headlines_are_of_the_first_rows_dataset_and_subset():
    rows = [
        Row("all", "epe", 1.0, "px", "lower", 9, "noc"),
        Row("a", "epe", 1.0, "px", "lower", 9, "noc"),
        Row("all", "Fl-all", 1.0, "%", "lower", 9, "noc"),
        Row("all", "epe", 1.0, "px", "lower", 9, "occ"),
    ]
    assert headlines(rows) == [rows[0], rows[2]]


def test_results_are_read_without_torch():
    code = "import sys, trainers.evaluations.result, trainers.registry; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
