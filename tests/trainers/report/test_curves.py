import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.errors import UserError
from trainers.engine.options import TrainingOptions
from trainers.engine.schedules import rate_at
from trainers.report import curves
from trainers.report.curves import rate_steps, smoothed
from trainers.report.results import FlowRow, read_curve

BASELINES = FlowRow("demo", "estimated", 12, 2, 9.5, 2.0, 6.4, 2.75)


def write_csv(path: Path, iterations: int = 100, schedule: str = "steps", validated: bool = True) -> Path:
    options = TrainingOptions(iterations=iterations, schedule=schedule)
    lines = ["iteration,loss,learning_rate,epe"]
    for iteration in range(iterations):
        error = f"{5 - 0.04 * iteration}" if validated and iteration % 10 == 9 else ""
        lines.append(f"{iteration + 1},{9 - 0.05 * iteration},{rate_at(iteration, options)},{error}")
    path.write_text("\n".join(lines) + "\n")
    return path


def texts(svg: bytes) -> str:
    """What is written in a figure: matplotlib has each text as a comment before its outlines."""
    return " | ".join(re.findall("<!-- (.*?) -->", svg.decode()))


def test_the_same_measurements_give_the_same_bytes(tmp_path: Path):
    path = write_csv(tmp_path / "curves.csv")
    svg = curves(path, BASELINES)
    assert curves(path, BASELINES) == svg
    assert b"<dc:date>" not in svg
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


def test_loss_error_baselines_and_rates_are_named(tmp_path: Path):
    written = texts(curves(write_csv(tmp_path / "curves.csv"), BASELINES))
    for text in (
        "training loss",
        "learning rate 0.01",
        "learning rate 0.001",
        "iteration",
        "end-point error",
        "no motion: 6.40",
        "nearest guidance point: 2.75",
        "best: 1.04",
    ):
        assert text in written


def test_without_baselines_none_are_drawn_and_without_validation_no_error(tmp_path: Path):
    alone = texts(curves(write_csv(tmp_path / "curves.csv")))
    assert "end-point error" in alone
    assert "no motion" not in alone
    unvalidated = texts(curves(write_csv(tmp_path / "curves.csv", validated=False), BASELINES))
    assert "training loss" in unvalidated
    assert "end-point error" not in unvalidated
    assert "no motion" not in unvalidated


@pytest.mark.parametrize("iterations", [1, 2, 3, 50])
def test_a_short_run_has_curves_too(tmp_path: Path, iterations: int):
    assert curves(write_csv(tmp_path / "curves.csv", iterations)).startswith(b"<?xml")


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=200))
def test_the_running_mean_is_the_mean_around_each_value(values: list[float]):
    half = max(1, round(len(values) * 0.02))
    expected = [np.mean(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
    assert smoothed(np.array(values)) == pytest.approx(expected, abs=1e-9)


def test_a_drop_is_where_the_lower_rate_was_first_used(tmp_path: Path):
    curve = read_curve(write_csv(tmp_path / "curves.csv", iterations=70))
    # The rate of iteration 40 (from 0) is the first lower one, and its row counts it as the 41st.
    assert [(at, pytest.approx(rate)) for at, rate in rate_steps(curve)] == [(41, 0.01), (61, 0.001)]


@pytest.mark.parametrize("iterations", [1, 2, 5, 300])
def test_a_rate_that_falls_all_the_time_has_no_steps(tmp_path: Path, iterations: int):
    curve = read_curve(write_csv(tmp_path / "curves.csv", iterations, schedule="polynomial"))
    assert len(rate_steps(curve)) <= (iterations < 5)


def test_without_curves_the_message_says_what_to_do(tmp_path: Path):
    with pytest.raises(UserError, match="train a model first"):
        curves(tmp_path / "curves.csv")
