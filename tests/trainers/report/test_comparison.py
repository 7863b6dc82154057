from pathlib import Path

import pytest

from common_fate.errors import UserError
from tests.trainers.report.measured import TRAINING, Page, evaluations, row, write_experiment, write_measured
from trainers.report.comparison import compare
from trainers.report.figures import BLUE, FAINT
from trainers.report.summary import summarise


def measured(folder: Path, epe: float | None, share: float | None = None, samples: int = 100) -> Path:
    write_experiment(folder, None, TRAINING | {"samples": samples})
    if epe is not None:
        write_measured(folder, "flow", "model", row(epe), row(epe, subset="part"))
    if share is not None:
        for start, value in (("encoder", share), ("scratch", 99.0)):
            mean = row(value, metric="mean IoU", unit="%", better="higher", baselines={})
            write_measured(folder, "parts", start, mean, views=())
    summarise(folder, evaluations(folder), folder / "page")
    return folder


def grid(folder: Path) -> list[Path]:
    return [
        measured(folder / "small-nets-s1", 2.25, 41.0),
        measured(folder / "small-nets-s1_2", 2.0, 43.0),
        measured(folder / "small-guidance-none", 3.0, samples=50),
    ]


def test_a_grid_is_a_table_with_a_row_for_each_experiment(tmp_path: Path):
    compare(grid(tmp_path), tmp_path / "report", "Nets & guidance")
    page = Page(tmp_path / "report/index.html")
    (table,) = page.tables
    assert table == [
        [
            "axis", "variant", "samples", "parameters", "flow: epe ↓, px, demo", "than the best baseline, %",
            "parts: mean IoU ↑, %, demo",
        ],
        ["nets", "s1", "100", "1,460,011", "2.250", "+10.0", "41.00"],
        ["", "s1_2", "100", "1,460,011", "2.000", "+20.0", "43.00"],
        ["guidance", "none", "50", "1,460,011", "3.000", "−20.0", "–"],
    ]  # fmt: skip
    assert page.best == ["2.000", "43.00"], "the best of each axis that has several"
    assert "Nets & guidance" in page.text


def test_each_headline_has_a_plot_with_a_panel_for_each_axis_that_has_it(tmp_path: Path):
    compare(grid(tmp_path), tmp_path / "report", "Grid")
    page = Page(tmp_path / "report/index.html")
    assert page.tags.count("svg") == 2
    first, second = page.source.split("<svg")[1:]
    for said in ("nets", "guidance", "s1_2", "2.000", "nearest", "no motion", "best of its axis", "epe, px"):
        assert f"<!-- {said} -->" in first
    assert "<!-- guidance -->" not in second
    assert "<!-- mean IoU, % -->" in second
    assert "<!-- 99.00 -->" not in second, "only what was trained counts, not other starts"
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def many(folder: Path, metrics: int) -> Path:
    write_experiment(folder)
    write_measured(folder, "flow", "model", *(row(2.0, metric=f"metric {n}") for n in range(metrics)))
    summarise(folder, evaluations(folder), folder / "page")
    return folder


def test_of_many_metrics_some_are_drawn_and_the_others_counted(tmp_path: Path):
    compare([many(tmp_path / "g-a-x", 20)], tmp_path / "report", "Grid")
    page = Page(tmp_path / "report/index.html")
    assert page.tags.count("svg") == 16
    assert len(page.tables[0][0]) == 4 + 2 * 16
    assert "Left out: 4 more metrics" in page.text


def test_a_small_figure_is_not_scaled_to_the_whole_page(tmp_path: Path):
    compare([many(tmp_path / "g-a-x", 1)], tmp_path / "report", "Grid")
    assert ("style", "max-width: min(1440px, 736px)") in Page(tmp_path / "report/index.html").attributes


def test_texts_and_numbers_of_any_kind_are_drawn_or_left_out(tmp_path: Path):
    folders = []
    for name, value in (("x", 1e308), ("y", 2.0), ("z", None)):
        folder = write_experiment(tmp_path / f"g-a\x1b-{name}")
        odd = row(value, metric="m\ud800", unit="\x07", baselines={"\udfff": -1e308, "b": 2.0})
        write_measured(folder, "flow", "model", odd)
        summarise(folder, evaluations(folder), folder / "page")
        folders.append(folder)
    compare(folders, tmp_path / "report", "Grid")
    assert "<!-- m\\ud800, \\x07 -->" in Page(tmp_path / "report/index.html").source


def test_a_baseline_that_equals_what_was_measured_is_seen(tmp_path: Path):
    folder = write_experiment(tmp_path / "g-a-x")
    write_measured(folder, "flow", "model", row(2.0, baselines={"same": 2.0}))
    summarise(folder, evaluations(folder), folder / "page")
    compare([folder], tmp_path / "report", "Grid")
    source = Page(tmp_path / "report/index.html").source
    drawn = source[: source.index("<!-- 2.000 -->")]
    assert drawn.rindex(f"stroke: {FAINT}; stroke-width: 1.6") > drawn.rindex(f"stroke: {BLUE}"), "over the point"


def test_a_metric_that_no_experiment_has_is_left_out(tmp_path: Path):
    compare([measured(tmp_path / f"g-a-{name}", 2.0) for name in ("x", "y")], tmp_path / "report", "Grid")
    assert "mean IoU" not in Page(tmp_path / "report/index.html").source


def test_the_same_measurements_give_the_same_page(tmp_path: Path):
    folders = grid(tmp_path)
    pages = []
    for to in (tmp_path / "a", tmp_path / "b"):
        compare(folders, to, "Grid")
        pages.append((to / "index.html").read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize("name", ["small", "small-nets", "small--x", "-nets-x"])
def test_an_experiment_that_is_not_of_a_grid_is_named(tmp_path: Path, name: str):
    with pytest.raises(UserError, match=f"{name}: should be named GRID-AXIS-VARIANT"):
        compare([measured(tmp_path / name, 2.0)], tmp_path / "report", "Grid")


def test_a_grid_without_its_experiments_or_measurements_says_so(tmp_path: Path):
    with pytest.raises(UserError, match="there is no such experiment"):
        compare([tmp_path / "small-nets-s1"], tmp_path / "report", "Grid")
    (tmp_path / "small-nets-s2").mkdir()
    with pytest.raises(UserError, match="report on the experiment first"):
        compare([tmp_path / "small-nets-s2"], tmp_path / "report", "Grid")
    with pytest.raises(UserError, match="nothing has been measured"):
        compare([measured(tmp_path / "small-nets-s3", None)], tmp_path / "report", "Grid")
