"""Embeddings on the page: a pixel of a coloured thing is chosen, and the thing of its colour lights up elsewhere."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.trainers.page.conftest import NARROW, Served, start
from trainers.data.split import Split
from trainers.engine.options import build
from trainers.methods.objects.method import METHOD as OBJECTS
from trainers.models.saving import create_network, save_model
from trainers.page.embeddings.tool import TOOL
from trainers.page.server import create_app
from trainers.page.site import Site

RED, BLUE, GREY = (220, 40, 30), (30, 60, 220), (120, 120, 120)
SIZE = 160, 240
PLACES = {"a.png": ((40, 60), (110, 180)), "b <b>2.png": ((100, 60), (50, 170))}
"""Where the middles of the red and of the blue square are, y and x."""
HALF = 30  # of their sides


def paint(path: Path, scale: int = 1) -> None:
    picture = np.full((*SIZE, 3), GREY, np.uint8)
    for (y, x), colour in zip(PLACES[path.name], (RED, BLUE), strict=True):
        picture[y - HALF : y + HALF, x - HALF : x + HALF] = colour
    large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    path.write_bytes(cv2.imencode(".png", large[..., ::-1])[1].tobytes())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment that has not learnt: areas of one colour have one vector all the same. And `images`."""
    folder = tmp_path_factory.mktemp("page")
    options = build(OBJECTS.options, {"model": {"dimensions": 16}})
    save_model(
        folder / "experiments" / "things" / "model.safetensors",
        create_network(OBJECTS, options),
        OBJECTS,
        options,
        Split(),
    )
    (folder / "images").mkdir()
    paint(folder / "images" / "a.png")
    paint(folder / "images" / "b <b>2.png", scale=3)
    return folder


@pytest.fixture(scope="module")
def served(results: Path) -> Iterator[Served]:
    one = start(results, "--images", str(results / "images"))
    yield one
    one.stop()


def opened(tab: Any, served: Served) -> Any:
    tab.set_default_timeout(60_000)  # torch is imported when a network is used first
    tab.goto(served.url)
    tab.goto(f"{served.address}/#/embeddings")
    tab.get_by_role("status").get_by_text("Chosen: pixel").wait_for()
    return tab


def choose(tab: Any, name: str, y: float, x: float, tap: bool = False) -> None:
    canvas = tab.get_by_role("application", name=name)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    at = box["x"] + box["width"] * (x + 0.5) / SIZE[1], box["y"] + box["height"] * (y + 0.5) / SIZE[0]
    if tap:
        tab.touchscreen.tap(*at)
    else:
        tab.mouse.click(*at)


def best(tab: Any, name: str) -> tuple[float, float, float]:
    """How similar the most similar pixel of a picture is, and its y and x."""
    words = tab.locator("figcaption", has_text=name).inner_text()
    found = re.search(r"most similar: (−?[\d.]+) at \((\d+), (\d+)\)", words)
    assert found, words
    return float(found[1].replace("−", "-")), int(found[3]), int(found[2])


def test_a_pixel_of_a_thing_finds_the_thing_in_another_picture(served: Served, tab: Any):
    opened(tab, served)
    for which in (0, 1):
        choose(tab, "a.png", *PLACES["a.png"][which])
        y, x = PLACES["a.png"][which]
        tab.get_by_text(f"Chosen: pixel ({x}, {y}) of a.png").wait_for()
        value, *at = best(tab, "b <b>2.png")
        middle = PLACES["b <b>2.png"][which]
        assert value == pytest.approx(1, abs=1e-3)
        assert all(abs(one / 3 - other) < HALF for one, other in zip(at, middle, strict=True)), "in its own pixels"
    assert tab.locator("figcaption b b").count() == 0


def test_the_keyboard_moves_the_pixel_and_directions_have_colours(served: Served, tab: Any):
    opened(tab, served)
    tab.get_by_role("application", name="a.png").focus()
    status = tab.get_by_role("status")
    choose(tab, "a.png", 40, 60)
    status.get_by_text("Chosen: pixel (60, 40)").wait_for()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowUp")
    status.get_by_text("Chosen: pixel (64, 38)").wait_for()
    tab.get_by_role("combobox", name="Over the pictures").select_option("components")
    tab.get_by_text("The three principal components").wait_for()


def test_it_fits_a_phone_and_is_used_by_a_finger(served: Served, tab: Any):
    tab.set_viewport_size(NARROW)
    opened(tab, served)
    choose(tab, "a.png", 110, 180, tap=True)
    tab.get_by_text("Chosen: pixel (180, 110) of a.png").wait_for()
    assert tab.evaluate("main.scrollWidth <= main.clientWidth")


@pytest.fixture
def client(results: Path) -> TestClient:
    return TestClient(create_app(Site(results, results / "images"), [TOOL], ""), headers={"x-common-fate": "1"})


def asked(client: TestClient, path: str, **more: Any) -> Any:
    body = {"model": "things", "longest": 240, "pictures": ["folder/0", "folder/1"]} | more
    return client.post(f"/api/embeddings/{path}", json=body).json()


def test_similarity_is_the_dot_product_of_unit_vectors(client: TestClient):
    found = asked(client, "similarity", chosen=0, y=40, x=60)
    for coded, (red, blue) in zip(found["maps"], PLACES.values(), strict=True):
        levels = np.frombuffer(base64.b64decode(coded["bytes"]), "<u2").reshape(coded["height"], coded["width"])
        values = found["low"] + levels / 65535 * (found["high"] - found["low"])
        assert values.shape == (SIZE[0] // 2, SIZE[1] // 2)
        assert values[red[0] // 2, red[1] // 2] == pytest.approx(1, abs=1e-3)
        assert values[blue[0] // 2, blue[1] // 2] < 0.99


def test_what_is_asked_is_checked(client: TestClient):
    assert "error" not in asked(client, "similarity", chosen=0, y=0, x=0)
    for path, wrong, said in (
        ("prepare", {"model": "../things"}, "there is no model ../things"),
        ("prepare", {"pictures": ["folder/../a.png"]}, "is not there"),
        ("prepare", {"longest": 4096}, "longest should be a number from 64 to 512"),
        ("components", {"pictures": ["folder/0"] * 13}, "13 pictures: should be 1 to 12"),
        ("similarity", {"chosen": 2, "y": 0, "x": 0}, "chosen should be a number from 0 to 1"),
        ("similarity", {"chosen": 0, "y": "nan", "x": 0}, "y should be a number"),
    ):
        assert said in asked(client, path, **wrong)["error"]
    (small := np.zeros((4, 300, 3), np.uint8))[:] = 9
    name = client.post("/api/pictures", content=cv2.imencode(".png", small)[1].tobytes()).json()["id"]
    assert (
        "300 x 4 pixels, which the network sees at 240 x 3: at least 16"
        in asked(client, "prepare", pictures=[name])["error"]
    )
