"""Datasets on the page: grids of any number of samples, and one sample large, whose values are the shards'."""

import math
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from common_fate.datasets.catalog import Video
from common_fate.manifest.shards import shards_file
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import decode, encode
from common_fate.shards.writer import write_shard
from tests.support.made_dataset import HEIGHT, WIDTH, image, key, make_dataset, members
from tests.trainers.page.conftest import NARROW, Served, start
from trainers.page.datasets.filters import Filter, Rows
from trainers.page.datasets.opened import View
from trainers.page.datasets.reading import Reader
from trainers.page.datasets.tool import TOOL
from trainers.page.server import create_app
from trainers.page.site import Site

MANY = 100_000
HOSTILE = "<img src=x onerror=document.title=1>"


def flow(shard: int, frame: int) -> np.ndarray:
    """The estimated flow of a pair of the dataset, as its shard has it."""
    return np.asarray(decode("flow.b2", members("flow", shard, frame)["flow.b2"]))


def _grouping(folder: Path) -> None:
    """A view of a tree of four regions, quarters from left to right."""
    labels = np.repeat(np.arange(4, dtype=np.uint8), WIDTH // 4)[None].repeat(HEIGHT, 0)
    tree = np.array([[0, 1, 0.1, 2], [2, 3, 0.2, 2], [4, 5, 0.5, 4]], np.float32)
    regions = {"regions.png": encode("regions.png", labels), "tree.npy": encode("tree.npy", tree)}
    jpeg = cv2.imencode(".jpg", image(0, 0))[1].tobytes()
    facts = {"json": encode("json", {"video": "ape", "title": HOSTILE})}
    record = {"stage": "grouping", "version": 1, "options": {}, "inputs": {}}
    write_shard(folder / "000000.tar", [(key(0, 0), {"jpg": jpeg} | regions | facts)], lambda: record)
    about = f'{{"title": "{HOSTILE}", "attribution": "<b>Bo</b>"}}'
    write_manifest(folder, ["000000"], "a view", [Video("ape", "videos", "/ape.mp4", HOSTILE, 1, about)])


def _many(view: Path, folder: Path) -> None:
    """A view of very many samples and one failure, all at the places of one real sample of another."""
    folder.mkdir(parents=True)
    shutil.copy(view / "000000.tar", folder)
    real = pq.read_table(view / "samples.parquet").slice(0, 1).to_pylist()[0]
    columns = {name: pa.array([value] * MANY, pa.int64()) for name, value in real.items() if "." in name}
    names = {
        "key": pa.array([real["key"]] * MANY),
        "video": pa.array([f"v{number // 100}" for number in range(MANY)]),
        "frame": pa.array(np.arange(MANY)),
        "shard": pa.array(["000000"] * MANY),
        "stage": pa.nulls(MANY, pa.string()),
        "failure": pa.nulls(MANY, pa.string()),
    }
    # Random numbers of a column that nothing reads: a table has to have a byte a row to be believed.
    padding = {"noise": pa.array(np.random.default_rng(0).integers(0, 2**60, MANY))}
    pq.write_table(pa.table(names | columns | padding), folder / "samples.parquet")
    row = {"shard": "000000", "file": "000000.tar", "bytes": 1, "sha256": "0" * 64, "samples": MANY, "failures": 0}
    (folder / "shards.parquet").write_bytes(shards_file([row]))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of results: one that is sound, one that is large, one that is hostile."""
    root = tmp_path_factory.mktemp("results")
    made = make_dataset(root / "made")
    _grouping(made / "shards/grouping")
    _many(made / "shards/cmp", root / "large/shards/cmp")
    hostile = root / HOSTILE.replace("/", "")
    shutil.copytree(made / "shards/grouping", hostile / "shards" / HOSTILE)
    shutil.copytree(made / "shards/grouping", hostile / "shards/damaged")
    (hostile / "shards/damaged/000000.tar").write_bytes(bytes(5000))
    (hostile / "shards/none").mkdir()
    (hostile / "shards/outside").symlink_to("/etc")
    return root


@pytest.fixture(scope="module")
def client(results: Path) -> TestClient:
    return TestClient(create_app(Site(results), [TOOL], ""))


@pytest.fixture(scope="module")
def served(results: Path) -> Iterator[Served]:
    one = start(results)
    yield one
    one.stop(signal.SIGKILL)  # it has nothing to save, and taking its libraries apart can take a while


def ask(client: TestClient, what: str, **query: Any) -> Any:
    """What a route says, or its error in words."""
    answer = client.get(f"/api/datasets/{what}", params=query)
    return answer.json() if "json" in answer.headers["content-type"] else answer


MADE = {"dataset": "made", "view": "cmp"}


def test_views_are_listed_with_what_is_wrong(client: TestClient):
    by_name = {dataset["name"]: dataset["views"] for dataset in ask(client, "list")}
    assert [(view["name"], view["samples"]) for view in by_name["made"]] == [("cmp", 11), ("grouping", 1)]
    errors = {view["name"]: view.get("error", "") for view in by_name[HOSTILE]}
    [none] = [view["unfinished"] for view in by_name[HOSTILE] if "unfinished" in view]
    assert "being made, or was broken off: 0 shards are there, and its manifest is not" in none
    assert none in ask(client, "view", dataset=HOSTILE, view="none")["error"]
    assert "lies outside" in errors["outside"]
    assert errors["damaged"] == errors[HOSTILE] == ""


@pytest.mark.parametrize("name", ["..", "../made", "made/shards/cmp", "", "/etc", "."])
def test_names_become_no_paths(client: TestClient, name: str):
    assert "there is no dataset" in ask(client, "view", dataset=name, view="cmp")["error"]
    assert "there is no view" in ask(client, "view", dataset="made", view=name)["error"]


def test_filters(client: TestClient):
    def keys(**filters: Any) -> list[str]:
        return [row["key"] for row in ask(client, "rows", **MADE, **filters)["rows"]]

    about = ask(client, "view", **MADE)
    assert about["failures"] == [{"reason": "flow: not finite", "count": 1}]
    assert len(keys()) == 11
    assert keys(video="bee") == ["bee-000000", "bee-000002", "bee-000003"]
    assert keys(video="E", offset=6, count=2) == ["bee-000003"]
    assert keys(failure="flow: not finite") == keys(failure="*") == ["bee-000001"]
    assert keys(points_from=5) == ["cat-000003"]
    assert ask(client, "rows", **MADE, motion_from="many")["error"] == "motion should be a number from 0 to 1e+09"
    while ask(client, "motion", **MADE)["done"] < 11:
        pass
    assert keys(motion_from=5, motion_to=6) == ["bee-000000", "bee-000002", "bee-000003"]
    ordered = keys(order="motion")
    assert [key[:3] for key in ordered] == ["cat"] * 4 + ["bee"] * 3 + ["ape"] * 4
    assert keys(order="motion", motion_to=6) == ordered[4:]
    assert keys(order="motion", failure="*") == ["bee-000001"]
    assert [ask(client, "find", **MADE, key=key, order="motion")["place"] for key in ordered] == list(range(11))
    assert ask(client, "rows", **MADE, order="motion")["rows"][0]["motion"] == pytest.approx(20.75, abs=0.01)
    assert "motion, or as in the manifest" in ask(client, "rows", **MADE, order="size")["error"]


def test_ordering_measures_what_filtering_does_and_nothing_without(results: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[tuple[int, str]] = []
    member = Reader.member

    def noted(self: Reader, view: View, row: int, extension: str) -> Any:
        read.append((row, extension))
        return member(self, view, row, extension)

    monkeypatch.setattr(Reader, "member", noted)
    asked: dict[str, list[tuple[int, str]]] = {}
    for name, query in (("none", {}), ("filter", {"motion_from": 1}), ("order", {"order": "motion"})):
        client = TestClient(create_app(Site(results), [TOOL], ""))
        ask(client, "rows", **MADE, **query)
        while name != "none" and ask(client, "motion", **MADE)["done"] < 11:
            pass
        ask(client, "rows", **MADE, **query)
        asked[name], read[:] = sorted(read), []
    assert asked["none"] == []
    assert asked["order"] == asked["filter"]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, math.nan]), min_size=1, max_size=30))
def test_what_is_not_known_comes_last_and_nothing_is_lost(speeds: list[float]):
    view = SimpleNamespace(folder=Path("x"), version="1", made=len(speeds))
    motion = SimpleNamespace(speeds=np.array(speeds, np.float32), done=len(speeds))
    rows = Rows(SimpleNamespace(of=lambda view: motion)).of(view, Filter(order="motion"))
    assert sorted(rows.tolist()) == list(range(len(speeds)))
    found = [speeds[row] for row in rows]
    known = [one for one in found if not math.isnan(one)]
    assert found[: len(known)] == sorted(known, reverse=True)
    equal = [rows[i] < rows[i + 1] for i in range(len(known) - 1) if known[i] == known[i + 1]]
    assert all(equal)  # of one motion, as in the manifest


def test_what_failed_shows_its_frame(client: TestClient):
    row = ask(client, "find", **MADE, key="bee-000001", failure="*")["row"]
    facts = ask(client, "sample", **MADE, row=row)
    assert facts["failed"] == {"stage": "flow", "reason": "not finite"}
    assert ask(client, "thumb", **MADE, row=row, member="jpg").headers["content-type"] == "image/jpeg"


def test_flow_is_sent_as_it_is(client: TestClient):
    answer = ask(client, "array", **MADE, row=5, member="flow.b2")
    assert answer.headers["array-shape"] == f"2,{HEIGHT},{WIDTH}"
    found = np.frombuffer(answer.content, "<i2").reshape(2, HEIGHT, WIDTH) / 64
    assert np.array_equal(found, flow(1, 2))


def test_a_damaged_shard_is_an_error_in_words(client: TestClient):
    hostile = {"dataset": HOSTILE.replace("/", ""), "view": "damaged"}
    assert "its jpg cannot be read: it is not where it should be" in ask(client, "thumb", **hostile, row=0)["error"]
    facts = ask(client, "sample", **hostile, row=0)
    assert any("its json cannot be read" in error for error in facts["errors"])
    assert ask(client, "thumb", **MADE, row=99)["error"] == "row should be a number from 0 to 11"
    assert "was made again" in ask(client, "thumb", **MADE, row=0, version="x")["error"]


@pytest.fixture
def patient(tab: Any) -> Any:
    """A tab that waits for a server that is just loading its libraries."""
    tab.set_default_timeout(60_000)
    return tab


def wait_text(tab: Any, selector: str, pattern: str) -> re.Match[str]:
    """Waits until an element's text has a pattern."""
    tab.wait_for_function(
        "([where, what]) => new RegExp(what).test(document.querySelector(where)?.textContent)", arg=[selector, pattern]
    )
    found = re.search(pattern, tab.text_content(selector))
    assert found
    return found


def test_from_the_list_to_a_sample_and_back(served: Served, patient: Any):
    patient.goto(served.url)
    patient.click("nav >> text=Datasets")
    patient.click("a.card:has-text('11 samples')")
    patient.fill("input[name=video]", "bee")
    wait_text(patient, "main", "3 of 11 samples")
    patient.fill("input[name=motion_from]", "99")  # none is so fast: how fast they are is said
    wait_text(patient, "main", r"0 of 11 samples.*Mean motion goes from [\d.]+ to [\d.]+ px here")
    patient.fill("input[name=motion_from]", "")
    patient.select_option("select[name=failure]", "flow: not finite")
    wait_text(patient, ".sample", "flow: not finite")
    assert patient.get_by_label("Order").is_hidden()  # nothing moves that was not made
    assert patient.get_by_label("Mean motion, px", exact=True).is_hidden()
    patient.fill("input[name=video]", "ape")
    patient.get_by_role("button", name="Show all 11 samples").click()
    wait_text(patient, "main", "11 samples of 3 videos")
    patient.get_by_label("Order").select_option("motion")
    patient.wait_for_function("() => document.querySelector('.sample[data-index=\"0\"]')?.title === 'cat-000000'")
    patient.get_by_label("Order").select_option("")
    patient.wait_for_function("() => document.querySelector('.sample[data-index=\"0\"]')?.title === 'ape-000000'")
    patient.wait_for_function("() => [...document.querySelectorAll('.sample img')].some((img) => img.naturalWidth)")

    patient.click(".sample[title='bee-000000']")
    patient.click("button:text-is('flow beside truth')")
    patient.wait_for_function("() => document.querySelectorAll('.stage').length === 3")
    # The half that moves is half a pixel too fast.
    assert wait_text(patient, ".note", r"Error: ([\d.]+) px in the mean")[1] == "0.25"
    box = patient.locator(".stage canvas").first.bounding_box()
    scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    patient.mouse.move(middle[0] + 10.5 * scale, middle[1] + 0.5 * scale)
    said = wait_text(patient, ".stage .hint", r"x (\d+), y (\d+) · flow (\S+), (\S+) ")
    u, v = flow(1, 0)[:, int(said[2]), int(said[1])]
    assert (float(said[3]), float(said[4])) == (u, v) == (11.5, 0)
    assert "error 0.50 px" in patient.text_content(".stage .hint")

    patient.keyboard.press("ArrowRight")
    wait_text(patient, "main h1", "bee-000002")
    assert patient.url.endswith("/bee-000002")
    patient.keyboard.press("Escape")
    patient.wait_for_function("() => document.activeElement.title === 'bee-000002'")


def test_the_slider_merges_regions(served: Served, patient: Any):
    patient.set_viewport_size(NARROW)
    patient.goto(served.url)
    patient.goto(f"{served.address}/#/datasets/made/grouping//ape-000000")
    counts = [wait_text(patient, ".note", r"(\d+) of 4 regions")[1]]
    slider = patient.get_by_label("Merge regions")
    for merges in (1, 2, 3):
        slider.fill(str(merges))
        counts.append(wait_text(patient, ".note", rf"\b({4 - merges}) of 4 regions")[1])
    assert counts == ["4", "3", "2", "1"]
    assert patient.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_names_and_titles_stay_text(served: Served, patient: Any):
    patient.goto(served.url)
    patient.goto(f"{served.address}/#/datasets")
    patient.click(f"a.card:has-text('{HOSTILE}')")
    patient.click(".sample")
    wait_text(patient, ".facts", re.escape("<b>Bo</b>"))
    assert HOSTILE in patient.text_content(".facts")
    assert not patient.query_selector_all("img[src=x], .facts b")
    assert patient.title() == "Datasets · Common Fate"


def test_a_hundred_thousand_samples_scroll_in_little_memory(served: Served, patient: Any):
    patient.goto(served.url)
    patient.goto(f"{served.address}/#/datasets/large/cmp")
    wait_text(patient, "main", "100,000 samples of 1,000 videos")
    for part in np.linspace(0, 1, 21):
        patient.evaluate("part => { main.scrollTop = part * main.scrollHeight; }", part)
        patient.wait_for_timeout(30)
    patient.wait_for_function("() => document.querySelector('.sample[data-index=\"99999\"] img')?.naturalWidth")
    assert patient.evaluate("document.querySelectorAll('.sample').length") < 100
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) < 1e6
