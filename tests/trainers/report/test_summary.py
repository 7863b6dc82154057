import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import trainers.report
from common_fate.errors import UserError
from tests.trainers.report.measured import (
    CURVE,
    TRAINING,
    Page,
    evaluations,
    long_curve,
    picture,
    row,
    write_experiment,
    write_measured,
)
from trainers.registry import EVALUATIONS, METHODS
from trainers.report.summary import summarise

HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(2)>'


def report(folder: Path, to: Path) -> Page:
    summarise(folder, evaluations(folder), to)
    assert [path.name for path in to.iterdir()] == ["index.html"]
    return Page(to / "index.html")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Trained, and measured by two evaluations, one of them from two starts and by class."""
    folder = write_experiment(tmp_path / "small")
    write_measured(folder, "flow", "model", row(), row(1.0, subset="occluded"), pictures=(picture(),), note="A note.")
    for start, base in (("scratch", 30.0), ("encoder", 50.0), ("imagenet", 45.0)):
        mean = row(base, metric="mean IoU", unit="%", better="higher", baselines={})
        classes = [replace(mean, metric="IoU", subset=f"class {n}", value=base + n if n else None) for n in range(9)]
        write_measured(folder, "voc_too", start, mean, *classes, views=(), pictures=(picture("images", start),))
    return folder


def test_all_that_was_measured_is_in_one_file(small: Path, tmp_path: Path):
    report(small, tmp_path / "report")
    metrics = json.loads((small / "metrics.json").read_text())
    assert metrics["experiment"] == "small"
    assert metrics["method"] == "toy"
    assert metrics["training"] == TRAINING
    assert metrics["curve"]["iterations"] == 4
    assert metrics["curve"]["loss"] == {"last": 6.0, "lowest": 6.0, "highest": 9.0}
    assert metrics["curve"]["validation.epe"] == {"last": 2.75, "lowest": 2.5, "highest": 3.0}
    assert list(metrics["evaluations"]["voc_too"]) == ["encoder", "scratch", "imagenet"]
    assert metrics["evaluations"]["flow"]["model"][0] == {
        "dataset": "demo",
        "metric": "epe",
        "value": 2.0,
        "unit": "px",
        "better": "lower",
        "samples": 12,
        "subset": "",
        "baselines": {"no motion": 4.0, "nearest": 2.5},
    }


def test_the_page_says_what_it_is(small: Path, tmp_path: Path):
    page = report(small, tmp_path / "report")
    assert "toy · 1,234 samples of 20 videos · 1,460,011 parameters · 4 iterations of 16 · 38 min on CPU" in page.text
    (training,) = [table for table in page.tables if ["method", "toy"] in table]
    assert [["encoder", "11"], ["decoder", "1,460,000"], ["in all", "1,460,011"]] in page.tables
    assert ["of it waiting for data", "1.2%"] in training


def test_options_that_differ_from_the_methods_defaults_come_first(tmp_path: Path):
    (method, *_) = METHODS.values()
    options = {"training": {"iterations": 7, "momentum": method.options().training.momentum}}
    folder = write_experiment(tmp_path / "small", training=TRAINING | {"method": method.name, "options": options})
    page = report(folder, tmp_path / "report")
    assert "Options that differ from the defaults" in page.text
    changed = [table for table in page.tables if table[0][0] == "training.iterations"]
    default = method.options().training.iterations
    assert changed == [[["training.iterations", f"7   (default {default:,})"]]]
    folded = page.text.partition("The other 1 options")[2]
    assert "training.momentum" in folded


def test_a_table_has_a_column_for_each_start_and_baseline_and_marks_the_best(small: Path, tmp_path: Path):
    page = report(small, tmp_path / "report")
    (flow,) = [table for table in page.tables if "no motion" in table[0]]
    assert flow == [
        ["dataset", "of", "metric", "model", "no motion", "nearest", "than the best baseline", "samples"],
        ["demo", "all", "epe ↓, px", "2.000", "4.000", "2.500", "20.0 % better", "12"],
        ["demo", "occluded", "epe ↓, px", "1.000", "4.000", "2.500", "60.0 % better", "12"],
    ]
    (mean,) = [table for table in page.tables if table[0][:2] == ["dataset", "metric"]]
    assert mean == [
        ["dataset", "metric", "encoder", "scratch", "imagenet", "samples"],
        ["demo", "mean IoU ↑, %", "50.00", "30.00", "45.00", "12"],
    ]
    assert page.best[:3] == ["2.000", "1.000", "50.00"]


def test_a_baseline_that_is_better_is_marked_and_said(tmp_path: Path):
    folder = write_experiment(tmp_path / "small")
    write_measured(folder, "flow", "model", row(5.0))
    page = report(folder, tmp_path / "report")
    assert page.best == ["2.500"]
    assert "100.0 % worse than nearest, 2.500" in page.text


def test_many_parts_are_folded_away(small: Path, tmp_path: Path):
    page = report(small, tmp_path / "report")
    (classes,) = [table for table in page.tables if ["demo", "class 1"] in [line[:2] for line in table]]
    assert len(classes) == 10
    assert classes[1][3:6] == ["–", "–", "–"]
    before = page.source[: page.source.index("class 1")]
    assert before.count("<details>") == before.count("</details>") + 1
    assert "IoU, by part: 9 lines" in page.text


def test_pictures_stand_in_full_with_their_captions_by_start(small: Path, tmp_path: Path):
    page = report(small, tmp_path / "report")
    assert page.tags.count("img") == 4
    assert page.text.index("From encoder") < page.text.index("From scratch") < page.text.index("From imagenet")
    assert "What is shown." in page.text
    assert page.text.index("epe ↓, px") < page.text.index("A note.") < page.text.index("What is shown.")


def test_a_card_says_the_headline_at_once(small: Path, tmp_path: Path):
    text = report(small, tmp_path / "report").text
    cards = text[: text.index("What it is")]
    for said in (
        "flow: epe ↓, demo",
        "2.000",
        "20.0 % better than nearest, 2.500",
        "voc_too: mean IoU ↑, demo",
        "50.00",
    ):
        assert said in cards
    assert cards.index("scratch: 30.00") < cards.index("imagenet: 45.00")


def test_of_many_cards_some_stand_there_and_the_others_are_counted(tmp_path: Path):
    folder = write_experiment(tmp_path / "small")
    write_measured(folder, "flow", "model", *(row(2.0, metric=f"metric {n}") for n in range(20)))
    page = report(folder, tmp_path / "report")
    assert page.attributes.count(("class", "card")) == 16
    assert "and 4 more, below" in page.text


def test_baselines_are_drawn_into_the_curve_of_the_same_metric(small: Path, tmp_path: Path):
    drawn = report(small, tmp_path / "report").drawn
    assert "nearest: 2.5" in drawn
    assert "best: 2.5" in drawn


@pytest.mark.parametrize(
    ("validation", "side", "drawn"),
    [([], "held out", True), ([], "all", False), (["results/demo/shards/toy"], "all", True), (["other"], "all", False)],
)
def test_baselines_on_other_videos_than_training_validates_on_are_not_drawn(
    tmp_path: Path, validation: list[str], side: str, drawn: bool
):
    folder = write_experiment(tmp_path / "small", training=TRAINING | {"validation": validation})
    write_measured(folder, "flow", "model", side=side)
    assert ("nearest: 2.5" in report(folder, tmp_path / "report").drawn) == drawn


def test_curves_may_be_called_anything(tmp_path: Path):
    folder = write_experiment(tmp_path / "small", long_curve(60, "photometric", "census"))
    drawn = report(folder, tmp_path / "report").drawn
    for said in ("training loss", "sum", "photometric", "census", "learning rate 0.01", "PCK on held-out videos"):
        assert said in drawn


def test_a_page_stands_alone(small: Path, tmp_path: Path):
    page = report(small, tmp_path / "report")
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(page.tags)
    loaded = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action", "data")]
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in loaded)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_names_from_elsewhere_are_text(tmp_path: Path):
    training = TRAINING | {"method": HOSTILE, "device": HOSTILE, HOSTILE: HOSTILE, "options": {HOSTILE: HOSTILE}}
    curve = CURVE.replace("validation.epe", f'"validation.{HOSTILE.replace(chr(34), chr(34) * 2)}"')
    folder = write_experiment(tmp_path / "small", curve, training)
    hostile = row(dataset=HOSTILE, metric=HOSTILE, subset=HOSTILE, unit=HOSTILE, baselines={HOSTILE: 1.0})
    write_measured(
        folder, "flow", HOSTILE.replace("/", ""), hostile, note=HOSTILE, pictures=(picture(HOSTILE, HOSTILE),),
        options={HOSTILE: HOSTILE}, evaluation=HOSTILE, start=HOSTILE, side=HOSTILE, views=(HOSTILE,),
    )  # fmt: skip
    page = report(folder, tmp_path / "report")
    assert "script" not in page.tags
    assert page.tags.count("img") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE in page.text


def test_what_has_not_been_measured_is_left_out(tmp_path: Path):
    folder = write_experiment(tmp_path / "small", training=None)
    page = report(folder, tmp_path / "report")
    assert "training loss" in page.drawn
    assert "What it is" not in page.text
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["training"], metrics["evaluations"]) == ({}, {})


def test_an_evaluation_that_is_not_asked_for_is_left_out(small: Path, tmp_path: Path):
    summarise(small, [small / "evaluations/voc_too/encoder.json"], tmp_path / "report")
    assert list(json.loads((small / "metrics.json").read_text())["evaluations"]) == ["voc_too"]
    assert "scratch" not in Page(tmp_path / "report/index.html").text


def test_the_same_measurements_give_the_same_files(small: Path, tmp_path: Path):
    found = []
    for to in (tmp_path / "a", tmp_path / "b"):
        report(small, to)
        found.append(((to / "index.html").read_bytes(), (small / "metrics.json").read_bytes()))
    assert found[0] == found[1]


def test_with_nothing_to_report_the_message_says_what_to_do(tmp_path: Path):
    with pytest.raises(UserError, match="train and evaluate it first"):
        report(write_experiment(tmp_path / "small", None, None), tmp_path / "report")


def test_two_files_of_one_start_are_refused(small: Path, tmp_path: Path):
    twice = small / "evaluations/voc_too/again.json"
    twice.write_bytes((small / "evaluations/voc_too/encoder.json").read_bytes())
    with pytest.raises(UserError, match="is of the start 'encoder', too"):
        report(small, tmp_path / "report")


def test_starts_that_have_too_many_baselines_together_are_refused(tmp_path: Path):
    folder = write_experiment(tmp_path / "small")
    for start in ("model", "scratch"):
        write_measured(folder, "flow", start, row(baselines={f"{start} {n}": 1.0 for n in range(9)}))
    with pytest.raises(UserError, match="18 baselines; at most 16"):
        report(folder, tmp_path / "report")


def test_the_report_knows_no_method_and_no_evaluation_by_name():
    for path in sorted(Path(trainers.report.__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text())
        imported = [
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
        ]
        assert not [name for name in imported if name.startswith(("trainers.methods", "trainers.evaluations."))
                    and name != "trainers.evaluations.result"], path  # fmt: skip
        for name in [*METHODS, *EVALUATIONS]:
            assert not re.search(rf"\b{name}\b", path.read_text()), f"{path.name} names {name}"
