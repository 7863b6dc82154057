import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.report.curves import Reference, curve_panels, rate_steps, smoothed
from trainers.report.experiment_files import Curves, read_curves

BASELINES = Reference("px", "lower", {"no motion": 6.4, "nearest guidance point": 2.75})
FALLS = (0.1, 0.01, 0.001)


def steps(iteration: int, iterations: int) -> float:
    """A tenth after 4/7 and 6/7 of the iterations, counted from 0."""
    return 0.1 * 0.1 ** sum(iteration >= share * iterations for share in (4 / 7, 6 / 7))


def polynomial(iteration: int, iterations: int) -> float:
    return 0.1 * (1 - iteration / iterations) ** 0.9


def made(
    path: Path, iterations: int = 100, rate: Callable[[int, int], float] = steps, validated: bool = True
) -> Curves:
    lines = ["iteration,learning_rate,loss,loss.census,loss.smooth,validation.epe"]
    for iteration in range(iterations):
        error = f"{5 - 0.04 * iteration}" if validated and iteration % 10 == 9 else ""
        loss = 9 - 0.05 * iteration
        lines.append(f"{iteration + 1},{rate(iteration, iterations)},{loss},{0.6 * loss},{0.4 * loss},{error}")
    (path / "curves.csv").write_text("\n".join(lines) + "\n")
    curves = read_curves(path / "curves.csv")
    assert curves
    return curves


def written(svg: str) -> str:
    """What is written in a figure: matplotlib has each text as a comment before its outlines."""
    return " | ".join(re.findall("<!-- (.*?) -->", svg))


def test_the_same_measurements_give_the_same_text(tmp_path: Path):
    curves = made(tmp_path)
    panels = curve_panels(curves, {"epe": BASELINES})
    assert curve_panels(curves, {"epe": BASELINES}) == panels
    for panel in panels:
        assert "dc:date" not in panel
        assert ElementTree.fromstring(panel).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_figures_of_a_page_share_no_ids(tmp_path: Path):
    ids = [set(re.findall(r'id="([^"]+)"', panel)) for panel in curve_panels(made(tmp_path), {})]
    assert len(ids) == 2
    assert not ids[0] & ids[1]
    for panel, own in zip(curve_panels(made(tmp_path), {}), ids, strict=True):
        assert set(re.findall(r'href="#([^"]+)"', panel)) | set(re.findall(r"url\(#([^)]+)\)", panel)) <= own


def test_named_losses_share_a_panel_in_which_the_drops_of_the_rate_are_noted(tmp_path: Path):
    losses, _ = map(written, curve_panels(made(tmp_path), {}))
    for text in ("training loss", "sum", "census", "smooth", "learning rate 0.01", "learning rate 0.001", "iteration"):
        assert text in losses


def test_a_metric_has_its_baselines_and_its_best(tmp_path: Path):
    _, metric = map(written, curve_panels(made(tmp_path), {"epe": BASELINES}))
    for text in ("epe, px on held-out videos", "no motion: 6.4", "nearest guidance point: 2.75", "best: 1.04"):
        assert text in metric
    _, alone = map(written, curve_panels(made(tmp_path), {"PCK": BASELINES}))
    assert "epe on held-out videos" in alone
    assert "no motion" not in alone
    assert "best" not in alone, "which direction is better, nobody said"
    _, rising = map(written, curve_panels(made(tmp_path), {"epe": Reference("", "higher")}))
    assert "best: 4.64" in rising


def test_what_was_never_measured_has_no_panel_and_any_other_column_has_one(tmp_path: Path):
    assert len(curve_panels(made(tmp_path, validated=False), {})) == 1
    curves = Curves([1, 2], {"loss": [2.0, 1.0], "temperature": [0.3, 0.2], "validation.F1": [None, 0.5]})
    assert [written(panel).split(" | ")[-2] for panel in curve_panels(curves, {})]
    texts = list(map(written, curve_panels(curves, {})))
    assert "temperature" in texts[1]
    assert "held-out" not in texts[1]
    assert "F1 on held-out videos" in texts[2]


def test_a_rate_that_falls_all_the_time_has_a_panel_of_its_own(tmp_path: Path):
    assert "learning rate" in written(curve_panels(made(tmp_path, rate=polynomial), {})[-1])
    assert len(curve_panels(made(tmp_path, rate=lambda *_: 0.1), {})) == 2


def test_names_from_elsewhere_are_text(tmp_path: Path):
    name = "<script>$x_1$ --> & $"
    curves = Curves([1, 2], {f"validation.{name}": [2.0, 1.0]})
    (panel,) = curve_panels(curves, {name: Reference("$", "lower", {"<b>": 3.0})})
    assert "<script>" not in panel
    assert "<b>" not in panel
    ElementTree.fromstring(panel)


def test_texts_that_no_figure_can_have_are_written_as_escapes_and_cut():
    name = "a\ud800\x1b[31m\nb" + "c" * 1000
    curves = Curves([1, 2], {"loss": [1.0, 2.0], f"loss.{name}": [1.0, 2.0], f"validation.{name}": [2.0, 1.0]})
    losses, metric = curve_panels(curves, {name: Reference("\ud800", "lower", {"\udfff": 3.0})})
    for panel in (losses, metric):
        assert "a\\ud800\\x1b[31m bccc" in written(panel)
        assert "c" * 100 not in written(panel)
    assert ", \\ud800" in written(metric)
    assert "\\udfff: 3" in written(metric)


@pytest.mark.parametrize("value", ["1e308", "-1e308", "1e-320", "1e31", "1e29", "-1e29", "inf", "nan", "9" * 400])
def test_numbers_of_any_size_are_drawn_or_left_out(tmp_path: Path, value: str):
    lines = [
        "iteration,learning_rate,loss,validation.epe",
        f"1,0.1,{value},{value}",
        "2,0.1,2,2",
        f"3,{value},3,{value}",
    ]
    (tmp_path / "curves.csv").write_text("\n".join(lines) + "\n")
    curves = read_curves(tmp_path / "curves.csv")
    assert len(curve_panels(curves, {"epe": Reference("", "lower", {"a": float(value), "b": 1.0})})) >= 2


def test_a_rate_of_many_steps_is_drawn_and_not_noted(tmp_path: Path):
    panels = curve_panels(made(tmp_path, 2000, lambda at, _: 0.1 if at % 2 else 0.01), {})
    assert "learning rate" not in written(panels[0])
    assert "learning rate: 0.1 at last" in written(panels[-1])


def test_how_many_curves_are_left_out_is_said():
    columns = {f"loss.{n}": [1.0, 2.0] for n in range(14)} | {f"column {n}": [1.0, 2.0] for n in range(35)}
    *panels, said = curve_panels(Curves([1, 2], columns), {})
    assert len(panels) == 33
    assert "Left out: 5 more curves" in said


def test_the_iterations_of_a_short_run_are_whole():
    (panel,) = curve_panels(Curves([1, 2], {"loss": [1.0, 2.0]}), {})
    assert " 500m " not in written(panel)
    assert "| 1 |" in written(panel)


@pytest.mark.parametrize("iterations", [1, 2, 3, 50])
def test_a_short_run_has_curves_too(tmp_path: Path, iterations: int):
    assert curve_panels(made(tmp_path, iterations), {})[0].startswith("<svg")


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=200))
def test_the_running_mean_is_the_mean_around_each_value(values: list[float]):
    half = max(1, round(len(values) * 0.02))
    expected = [np.mean(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
    assert smoothed(np.array(values)) == pytest.approx(expected, abs=1e-9)


def test_a_drop_is_where_the_lower_rate_was_first_used(tmp_path: Path):
    # The rate of iteration 40 (from 0) is the first lower one, and its row counts it as the 41st.
    assert [(at, pytest.approx(rate)) for at, rate in rate_steps(made(tmp_path, 70))] == [(41, 0.01), (61, 0.001)]


@pytest.mark.parametrize("iterations", [1, 2, 5, 300])
def test_a_rate_that_falls_all_the_time_has_no_steps(tmp_path: Path, iterations: int):
    assert len(rate_steps(made(tmp_path, iterations, polynomial))) <= (iterations < 5)
