"""Experiments on the page: a training that goes on while it is watched, several beside each other, and damaged ones."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from common_fate.shards.files import held
from tests.trainers.page.conftest import NARROW, Served, start
from tests.trainers.report.measured import TRAINING, picture, row, write_experiment, write_measured
from trainers.page.experiments.series import MOST_SHOWN
from trainers.page.experiments.tool import TOOL
from trainers.page.server import create_app
from trainers.page.site import Site

HOSTILE = "<img src=x onerror=alert(1)>"


def log(run: Path, iterations: range, rate: float = 0.5, name: str = "1", **values: float) -> None:
    """Appends events to a run's file as its training does: a loss that falls, and others that are as given."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / f"events.out.tfevents.{name}").open("ab") as file:
        writer = RecordWriter(file)
        for iteration in iterations:
            for tag, value in {"loss": 100 / iteration, **values}.items():
                event = Event(wall_time=1000 + rate * iteration, step=iteration)
                event.summary.value.add(tag=tag, simple_value=value)
                writer.write(event.SerializeToString())


def cut(run: Path, size: int, name: str = "1") -> bytes:
    """Takes so many bytes from the end of a run's file; returns them."""
    path = run / f"events.out.tfevents.{name}"
    data = path.read_bytes()
    path.write_bytes(data[:-size])
    return data[-size:]


def begin(folder: Path, iterations: int = 100) -> Path:
    """The folder of a run that begins."""
    run = folder / "runs" / "0123456789ab"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"method": "toy", "options": {"training": {"iterations": iterations}}}))
    return run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    experiments = tmp_path_factory.mktemp("page") / "experiments"
    log(begin(experiments / "growing"), range(1, 21))
    for name, value in (("first", 2.0), ("second", 1.5)):
        folder = write_experiment(experiments / name)
        rows = row(value), row(value, metric=f"{HOSTILE} rows", better="higher", baselines={}, unit="")
        write_measured(folder, "moving", "model", *rows, pictures=(picture(),))
    write_experiment(experiments / HOSTILE)
    broken = write_experiment(experiments / "broken")
    (broken / "train.json").write_text('{"method": "toy", ')
    write_measured(broken, "moving", "model").write_text("[1, 2")
    return experiments.parent


@pytest.fixture(scope="module")
def served(results: Path) -> Iterator[Served]:
    one = start(results)
    yield one
    one.stop()


def opened(tab: Any, served: Served, *names: str, view: str = "curves") -> Any:
    tab.goto(served.url)
    tab.goto(f"{served.address}/#/experiments/{'/'.join((view, *names))}")
    tab.locator(".experiment").first.wait_for()
    return tab


def test_curves_grow_while_their_training_goes_on(served: Served, results: Path, tab: Any):
    folder = results / "experiments" / "growing"
    with held(folder):
        opened(tab, served, "growing")
        card = tab.locator(".experiment", has_text="growing")
        card.get_by_text("training now").wait_for()
        card.get_by_text("iteration 20 of 100, 500 ms each, about 40 s left").wait_for()
        tab.locator(".values", has_text="growing: 5 at 20").wait_for()
        log(folder / "runs" / "0123456789ab", range(21, 26))
        rest = cut(folder / "runs" / "0123456789ab", 9)
        tab.locator(".values", has_text="growing: 4.167 at 24").wait_for()
        with (folder / "runs" / "0123456789ab" / "events.out.tfevents.1").open("ab") as file:
            file.write(rest)
        tab.locator(".values", has_text="growing: 4 at 25").wait_for()


def test_experiments_are_side_by_side_and_the_best_is_marked(served: Served, tab: Any):
    opened(tab, served, "first", "second", view="evaluations")
    lines = tab.locator(".evaluation tbody tr")
    lines.first.wait_for()
    marked = [cell.inner_text() for cell in lines.locator(".best").all()]
    assert marked == ["★ 1.500", "★ 2.000"], "the lower of the first metric, the higher of the second"
    heads = tab.locator(".evaluation thead th").all_inner_texts()
    assert [head.split("\n")[0] for head in heads[2:]] == ["first", "second", "no motion", "nearest", "samples"]
    images = tab.locator(".evaluation img")
    images.nth(1).scroll_into_view_if_needed()
    tab.wait_for_function("[...document.querySelectorAll('.evaluation img')].every((one) => one.naturalWidth === 90)")
    assert images.count() == 2


def test_damaged_files_are_said_and_names_stay_text(served: Served, tab: Any):
    opened(tab, served, "broken", "first", HOSTILE.replace("/", "%2F"), view="evaluations")
    assert "train.json: cannot be read" in tab.locator(".experiment .bad", has_text="broken").inner_text()
    tab.locator("[role=alert]", has_text="model.json: cannot be read").wait_for()
    tab.locator(".evaluation td", has_text=f"{HOSTILE} rows").wait_for()
    assert tab.locator(".experiment b", has_text=HOSTILE).count() == 1
    assert tab.locator("img[src=x]").count() == 0


def test_the_keyboard_reaches_everything(served: Served, tab: Any):
    opened(tab, served, "first")
    box = tab.locator(".experiment", has_text="second").get_by_role("checkbox")
    box.focus()
    tab.keyboard.press("Space")
    chart = tab.get_by_role("slider", name="loss: values by iteration")
    tab.locator(".values", has_text="second: 6 at 4").first.wait_for()
    chart.focus()
    tab.keyboard.press("Home")
    tab.locator(".values", has_text="second: 9 at 1").first.wait_for()
    assert "first: 9 at 1" in chart.get_attribute("aria-valuetext")
    tab.get_by_role("tab", name="Curves").focus()
    tab.keyboard.press("ArrowRight")
    tab.get_by_role("heading", name="moving").wait_for()
    assert tab.url.endswith("/#/experiments/evaluations/first/second")


def test_a_phone_has_no_need_to_scroll_sideways(served: Served, tab: Any):
    tab.set_viewport_size(NARROW)
    opened(tab, served, "first", "second")
    chart = tab.get_by_role("slider", name="loss: values by iteration")
    chart.scroll_into_view_if_needed()
    place = chart.bounding_box()
    tab.touchscreen.tap(place["x"] + 62, place["y"] + 60)
    tab.locator(".values", has_text="first: 9 at 1").first.wait_for()
    tab.get_by_role("tab", name="Evaluations").tap()
    tab.get_by_role("heading", name="moving").wait_for()
    assert tab.evaluate("main.scrollWidth <= main.clientWidth")


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    """Asks for JSON, in this process."""
    client = TestClient(create_app(Site(tmp_path), [TOOL], ""))

    def get(path: str, **query: Any) -> Any:
        return client.get(f"/api/experiments/{path}", params=query).json()

    return get


def curves(ask: Any, of: Mapping[str, Any] | None = None) -> Any:
    told = {"generation": of["generation"], "after": of["after"]} if of else {}
    return ask("curves", experiment="mine", source="0123456789ab", **told)


def test_a_restart_takes_back_what_came_after_its_checkpoint(ask: Any, tmp_path: Path):
    run = begin(tmp_path / "experiments" / "mine")
    log(run, range(1, 31))
    before = curves(ask)
    log(run, range(21, 25), name="2")
    after = curves(ask, before)
    assert after["whole"]
    assert after["columns"]["loss"]["at"] == list(range(1, 25))
    log(run, range(25, 26), name="2", other=1.0)
    assert curves(ask, after)["columns"] == {"loss": {"at": [25], "mean": [4.0]}, "other": {"at": [25], "mean": [1.0]}}


def test_a_run_that_is_begun_anew_has_nothing_of_the_old_one(ask: Any, tmp_path: Path):
    run = begin(tmp_path / "experiments" / "mine")
    log(run, range(1, 5), other=1.0)
    before = curves(ask)
    (run / "events.out.tfevents.1").unlink()
    log(run, range(1, 3), name="2")
    after = curves(ask, before)
    assert (after["whole"], list(after["columns"])) == (True, ["loss"])


def test_a_long_curve_is_few_points_with_its_spikes(ask: Any, tmp_path: Path):
    run = begin(tmp_path / "experiments" / "mine", 30_000)
    log(run, range(1, 30_001))
    log(run, range(30_001, 30_002), spike=7.0)

    loss = curves(ask)["columns"]["loss"]

    assert len(loss["at"]) <= MOST_SHOWN
    assert (loss["high"][0], loss["at"][-1]) == (100, 30_001)


def test_a_file_that_is_no_events_is_an_error_of_its_experiment_alone(ask: Any, tmp_path: Path):
    run = begin(tmp_path / "experiments" / "mine")
    log(run, range(1, 4))
    with (run / "events.out.tfevents.1").open("ab") as file:
        file.write(b"\xff" * 64)
    write_experiment(tmp_path / "experiments" / "other")
    assert "cannot be read (it is damaged" in curves(ask)["error"]
    assert curves(ask)["columns"]["loss"]["at"] == [1, 2, 3], "what came before"
    listed = {one["name"]: one for one in ask("list")["experiments"]}
    assert "cannot be read" in listed["mine"]["errors"][0]
    assert (listed["other"]["state"], listed["other"]["errors"]) == ("trained", [])


def test_states(ask: Any, tmp_path: Path):
    experiments = tmp_path / "experiments"
    (experiments / "none").mkdir(parents=True)
    write_experiment(experiments / "done")
    log(begin(experiments / "done"), range(1, 5))
    again = write_experiment(experiments / "again", training=TRAINING | {"iterations": 9})
    log(begin(again), range(1, 5))

    for path in (again / "train.json", again / "curves.csv"):
        os.utime(path, (1, 1))  # trained long ago; with other options it is trained now
    old = begin(experiments / "stopped")
    log(old, range(1, 5))
    for path in old.iterdir():
        os.utime(path, (1000, 1000))
    found = {one["name"]: one for one in ask("list")["experiments"]}
    states = {name: one["state"] for name, one in found.items()}
    assert states == {"none": "not begun", "done": "trained", "again": "training", "stopped": "stopped"}
    sources = [one["id"] for one in found["again"]["sources"]]
    assert sources == ["0123456789ab", "curves"]


@pytest.mark.parametrize("name", ["..", ".", "", "mine/../mine", "out"])
def test_nothing_outside_the_results_is_read(ask: Any, tmp_path: Path, name: str):
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    write_experiment(elsewhere / "out")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "out").symlink_to(elsewhere / "out")
    assert "there is no experiment" in ask("curves", experiment=name, source="curves")["error"]
    assert ask("evaluations", experiment=name)["errors"]


def test_files_that_are_links_to_elsewhere_are_not_read(ask: Any, tmp_path: Path):
    elsewhere = write_experiment(tmp_path.with_name(f"{tmp_path.name}-elsewhere") / "out")
    log(elsewhere / "runs", range(1, 4))
    mine = begin(tmp_path / "experiments" / "mine")
    (mine / "events.out.tfevents.1").symlink_to(elsewhere / "runs" / "events.out.tfevents.1")
    for name in ("curves.csv", "train.json"):
        (tmp_path / "experiments" / "mine" / name).symlink_to(elsewhere / name)
    assert "lies outside" in ask("curves", experiment="mine", source="curves")["error"]
    assert curves(ask)["columns"] == {}
    assert "lies outside" in ask("list")["experiments"][0]["errors"][0]


def test_baselines_that_differ_are_a_span_and_never_the_best(ask: Any, tmp_path: Path):
    for name, baseline in (("one", 1.0), ("two", 1.1)):
        folder = write_experiment(tmp_path / "experiments" / name)
        write_measured(folder, "moving", "model", replace(row(2.0), baselines={"nearest": baseline}))
    [table] = ask("evaluations", experiment=["one", "two"])["evaluations"]
    assert table["lines"][0]["baselines"] == [[1.0, 1.1]]
    assert table["lines"][0]["best"] == 2.0
