"""What is hostile, or bad luck: each is one line in words, and nothing outside the folders is read or written."""

import asyncio
import io
import math
import os
import struct
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from tensorboard.compat.proto.event_pb2 import Event

from common_fate.errors import UserError
from trainers.page.answers import Json, jpeg
from trainers.page.datasets.tool import TOOL as DATASETS
from trainers.page.experiments.tool import TOOL as EXPERIMENTS
from trainers.page.server import create_app
from trainers.page.site import Site

TOKEN = "tokenoftests"


def asked(results: Path, images: Path | None = None, **more: object) -> TestClient:
    app = create_app(Site(results, images), [DATASETS, EXPERIMENTS], more.pop("token", ""), **more)  # type: ignore[arg-type]
    return TestClient(app, headers={"x-common-fate": "1"}, raise_server_exceptions=False, follow_redirects=False)


@pytest.mark.parametrize("host", ["[::1", "testserver.", "evil_name.example", "testserver@evil", "evil@testserver", ""])
def test_an_odd_name_for_the_server_is_refused(tmp_path: Path, host: str):
    client = asked(tmp_path, token=TOKEN, hosts=("testserver",))
    assert client.get("/api/site", params={"token": TOKEN}).status_code == 303
    assert client.get("/api/site", params={"token": TOKEN}, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/"])
def test_the_token_leads_to_no_other_server(tmp_path: Path, path: str):
    client = asked(tmp_path, token=TOKEN)
    answer = client.get(f"http://testserver{path}?token={TOKEN}")
    assert answer.headers["location"].startswith("/evil.example")


def test_json_is_whole_whatever_is_in_it():
    assert Json({"a": [math.inf, 1.5, (math.nan,)], "b\udcff": "\ud800"}).body == b'{"a":[null,1.5,[null]],"b?":"?"}'


def test_names_that_are_no_text_hide_nothing_else(tmp_path: Path):
    for folder in (b"images", b"results/experiments/e\xff", b"results/d\xff/shards"):
        os.makedirs(os.fsencode(tmp_path) + b"/" + folder)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/images/a\xff.png")).write_bytes(b"")
    (tmp_path / "images" / "loop.png").symlink_to("loop.png")
    client = asked(tmp_path / "results", tmp_path / "images")
    assert client.get("/api/pictures").json() == [{"id": "folder/0", "name": "a?.png"}]
    assert client.get("/api/datasets/list").json()[0]["name"] == "d?"
    assert client.get("/api/experiments/list").json()["experiments"][0]["name"] == "e?"


def test_pictures_that_cannot_be_shown_are_said(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "strip.png"), np.zeros((70_000, 1), np.uint8))
    client = asked(tmp_path, tmp_path)
    assert client.get("/api/pictures/folder/0").headers["content-type"] == "image/jpeg"  # it is small
    with pytest.raises(UserError, match="at most 65,500 a side"):
        jpeg(np.zeros((70_000, 1, 3), np.uint8))
    assert "is not there" in client.get("/api/pictures/folder/" + "9" * 5000).json()["error"]
    gone = asked(tmp_path, tmp_path / "gone").get("/api/pictures")
    assert (gone.status_code, "cannot be listed" in gone.json()["error"]) == (400, True)


def test_pictures_for_print_keep_their_colours_and_cut_ones_are_said(tmp_path: Path):
    colours = cv2.resize(np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8), (40, 30))
    Image.fromarray(colours).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(data[: len(data) // 2])
    client = asked(tmp_path, tmp_path)
    sent = client.post("/api/pictures", content=data).json()["id"]
    for name in ("folder/0", sent):
        found = np.asarray(Image.open(io.BytesIO(client.get(f"/api/pictures/{name}").content)), int)
        assert np.abs(found - colours).mean() < 10
    assert client.get("/api/pictures/folder/1").json()["error"].startswith("b.jpg cannot be read: image file is trunc")


def test_experiments_elsewhere_and_links_in_circles_are_left_out(tmp_path: Path):
    results, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    (elsewhere / "secret").mkdir(parents=True)
    results.mkdir()
    (results / "experiments").symlink_to(elsewhere)
    assert asked(results).get("/api/experiments/list").json()["experiments"] == []
    (results / "experiments").unlink()
    (results / "experiments" / "e").mkdir(parents=True)
    for name in ("model.safetensors", "train.json", "curves.csv"):
        (results / "experiments" / "e" / name).symlink_to(name)
    client = asked(results)
    assert client.get("/api/models").status_code == 200
    assert client.get("/api/experiments/list").json()["experiments"][0]["name"] == "e"
    found = client.get("/api/experiments/curves", params={"experiment": "e", "source": "curves"})
    assert (found.status_code, "error" in found.json()) == (400, True)


def test_events_of_clocks_that_are_wrong_are_shown(tmp_path: Path):
    run = tmp_path / "experiments" / "e" / "runs" / "r"
    run.mkdir(parents=True)
    data = b""
    for step, at in enumerate((0.0, 1e308, math.inf, math.nan)):
        event = Event(wall_time=at, step=step)
        event.summary.value.add(tag="loss", simple_value=1.0)
        record = event.SerializeToString()
        data += struct.pack("<QI", len(record), 0) + record + bytes(4)
    (run / "events.out.tfevents.1").write_bytes(data + struct.pack("<QI", 2**40, 0))
    [one] = asked(tmp_path).get("/api/experiments/list").json()["experiments"]
    assert (one["iteration"], "an event has no end" in one["errors"][0]) == (3, True)


def alone(work: Coroutine[Any, Any, None]) -> None:
    """Runs it in a loop of its own: in this thread Playwright may have one, of other tests."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def test_what_nobody_waits_for_ends_before_the_next_begins(tmp_path: Path):
    site, began, go = Site(tmp_path), threading.Event(), threading.Event()
    order: list[str] = []

    def slow() -> None:
        began.set()
        go.wait(10)
        order.append("first")

    async def both() -> None:
        first = asyncio.create_task(site.compute(slow))
        await asyncio.to_thread(began.wait, 10)
        first.cancel()
        second = asyncio.create_task(site.compute(order.append, "second"))
        await asyncio.sleep(0.05)
        go.set()
        await second

    alone(both())
    assert order == ["first", "second"]


def test_what_is_sent_and_broken_off_is_no_fault_of_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    app = create_app(Site(tmp_path), [], "")
    said: list[object] = []

    async def send(message: object) -> None:
        said.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    headers = [(b"host", b"localhost"), (b"x-common-fate", b"1")]
    about = {"type": "http", "method": "POST", "path": "/api/pictures", "query_string": b"", "headers": headers}
    alone(app(about, receive, send))  # type: ignore[arg-type]
    assert not caplog.records
