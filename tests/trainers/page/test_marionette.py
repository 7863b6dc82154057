"""The marionette at its front door: routes in this process, and arrows pulled in a browser."""

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from tests.support.coloured_net import lively, options
from tests.trainers.page.conftest import NARROW, Served, start
from trainers.data.split import Split
from trainers.methods.cmp.apps.marionette.tool import TOOL
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions, LossOptions, ModelOptions
from trainers.models.saving import save_model
from trainers.page.server import create_app
from trainers.page.site import Site

OPTIONS = replace(
    CMPOptions(ModelOptions("resnet18_c4", "skip", width=8), LossOptions(bins=9, limit=20)),
    transforms=options(32).transforms,
)
HEIGHT, WIDTH = 63, 95
ARROW = [30, 40, -6, 9]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with one model, and a folder of two images, the second larger than what is worked on."""
    made = tmp_path_factory.mktemp("marionette")
    torch.manual_seed(0)
    net = lively(CMPNet(OPTIONS.model, OPTIONS.loss))
    save_model(made / "results" / "experiments" / "one" / "model.safetensors", net, METHOD, OPTIONS, Split())
    (made / "images").mkdir()
    pixels = cv2.resize(np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8), (WIDTH, HEIGHT))
    cv2.imwrite(str(made / "images" / "a.png"), pixels)
    cv2.imwrite(str(made / "images" / "b.png"), cv2.resize(pixels, (1280, 100)))
    return made


@pytest.fixture(scope="module")
def client(folder: Path) -> TestClient:
    site = Site(folder / "results", folder / "images", read_only=True)
    return TestClient(create_app(site, [TOOL], ""), headers={"X-Common-Fate": "1"})


def asked(**other: Any) -> dict[str, Any]:
    return {"model": "one", "image": "folder/0", "arrows": [ARROW], **other}


def parts(answer: bytes) -> list[tuple[str, bytes]]:
    found, place = [], 0
    while place < len(answer):
        kind, length = struct.unpack_from(">cI", answer, place)
        place += 5 + length
        found.append((kind.decode(), answer[place - length : place]))
    return found


def test_a_large_image_is_made_smaller(client: TestClient):
    found = client.get("/api/marionette/open", params={"image": "folder/1", "model": "one"}).json()
    assert (found["height"], found["width"]) == (100, 1280)
    moved = client.post("/api/marionette/predict", json=asked(image="folder/1", arrows=[[79, 1023, 0, 0]]))
    assert moved.status_code == 200
    outside = client.post("/api/marionette/predict", json=asked(image="folder/1", arrows=[[80, 1023, 0, 0]]))
    assert "1024 wide and 80 high" in outside.json()["error"]


def test_long_arrows_are_taken_shorter(client: TestClient):
    found = client.post("/api/marionette/predict", json=asked(arrows=[ARROW, [10, 10, 0, 90]])).json()
    first, second = found["taken"]
    assert first == ARROW
    assert second == pytest.approx([10, 10, 0, 20 * WIDTH / 48], rel=1e-6)  # 48 wide for the network


def test_frames_begin_with_the_image_and_end_with_what_was_predicted(client: TestClient, folder: Path):
    found = parts(client.post("/api/marionette/frames", json=asked(frames=3)).content)
    assert [kind for kind, _ in found] == ["f"] * 3
    frames = [np.asarray(Image.open(io.BytesIO(data)), int) for _, data in found]
    image = np.asarray(Image.open(folder / "images" / "a.png"), int)
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
    assert np.abs(frames[0] - image).mean() < 4  # JPEG
    assert np.abs(frames[2] - image).mean() > 4


@pytest.mark.parametrize(("back", "number"), [(True, 6), (False, 4)])
def test_files_have_the_frames_and_the_speed(client: TestClient, back: bool, number: int):
    body = asked(frames=4, speed=8, back=back)
    *steps, (kind, mp4) = parts(client.post("/api/marionette/save/mp4", json=body).content)
    assert (steps, kind) == ([("t", b"")] * 4, "f")
    with av.open(io.BytesIO(mp4)) as container:
        assert container.streams.video[0].average_rate == 8
        assert [(frame.height, frame.width) for frame in container.decode(video=0)] == [(64, 96)] * number
    gif = Image.open(io.BytesIO(parts(client.post("/api/marionette/save/gif", json=body).content)[-1][1]))
    assert (gif.size, gif.n_frames) == ((WIDTH, HEIGHT), number)
    lasts = []
    for i in range(number):
        gif.seek(i)
        lasts.append(gif.info["duration"])
    assert sum(lasts) == pytest.approx(1000 * number / 8, abs=10)


WRONG = [
    ({"model": "two"}, "there is no model two"),
    ({"model": None}, "should be names"),
    ({"image": "folder/9"}, "is not there"),
    ({"image": "../a.png"}, "is not there"),
    ({"arrows": [[30, 40, float("nan"), 0]]}, "motion of arrow 1 should be a number"),
    ({"arrows": [ARROW, [30, 40, 10**400, 0]]}, "motion of arrow 2 should be a number"),
    ({"arrows": [[HEIGHT, 40, 1, 1]]}, "outside the image"),
    ({"arrows": [[30, -1, 1, 1]]}, "x of arrow 1 should be a number from 0"),
    ({"arrows": [[30, 40]]}, "arrow 1 should be y, x, dy and dx"),
    ({"arrows": [ARROW] * 65}, "at most 64"),
    ({"frames": 121}, "frames should be a number from 2 to 120"),
    ({"frames": 2.5}, "frames should be a whole number"),
    ({"speed": 0}, "speed, in frames a second, should be a number from 1 to 30"),
    ({"back": 1}, "back should be true or false"),
]


@pytest.mark.parametrize(("other", "said"), WRONG)
def test_wrong_input_is_refused_in_words(client: TestClient, other: dict[str, Any], said: str):
    answer = client.post("/api/marionette/frames", content=json.dumps(asked(**{"frames": 3} | other)))
    assert (answer.status_code, said in answer.json()["error"]) == (400, True), answer.text


def test_other_files_are_refused_in_words(client: TestClient):
    answer = client.post("/api/marionette/save/exe", json=asked(frames=3))
    assert (answer.status_code, answer.json()["error"]) == (400, "an animation is saved as mp4 or gif, not as exe")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    one = start(folder / "results", "--images", str(folder / "images"), "--read-only")
    yield one
    one.stop()


class Pulling:
    """What a person does on the page, and sees there."""

    def __init__(self, tab: Any, served: Served) -> None:
        self.tab = tab
        tab.goto(served.url)
        tab.goto(f"{served.address}/#/marionette/folder/0")
        self.says("Press on the image and drag")
        self.box = tab.get_by_label("The image, with its arrows").bounding_box()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place in the window, from shares of the stage, which has the image's shape."""
        return self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"]

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        self.tab.mouse.move(*self.at(*begin))
        self.tab.mouse.down()
        self.tab.mouse.move(*self.at(*end), steps=3)
        self.tab.mouse.up()

    def says(self, text: str) -> None:
        self.tab.get_by_text(text).first.wait_for()

    def moved(self) -> str:
        """The moved image, once nothing is under way."""
        self.tab.wait_for_timeout(50)
        self.tab.locator(".busy", has_text="Predicting").wait_for(state="detached")
        return self.tab.get_by_label("The moved image").evaluate("canvas => canvas.toDataURL()")


def test_arrows_are_pulled_changed_and_undone(served: Served, tab: Any):
    page = Pulling(tab, served)
    states = [page.moved()]
    page.drag((0.3, 0.5), (0.4, 0.4))
    page.says("Arrow 1 of 1")
    page.says("full colour")
    states.append(page.moved())
    page.tab.mouse.click(*page.at(0.8, 0.8))
    page.says("Fixed point 2 of 2")
    states.append(page.moved())
    page.drag((0.4, 0.4), (0.95, 0.4))
    page.says("Longer than this model knows, so shortened: arrow 1 is ")
    states.append(page.moved())
    assert len(set(states)) == 4
    for before in reversed(states[:-1]):
        tab.get_by_role("button", name="Undo").click()
        assert page.moved() == before
    page.says("Press on the image and drag")


def test_it_works_without_a_mouse(served: Served, tab: Any):
    page = Pulling(tab, served)
    still = page.moved()
    tab.get_by_label("The image, with its arrows").focus()
    tab.keyboard.press("a")
    page.says("Fixed point 1 of 1 at x 47, y 31")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    page.says("Arrow 1 of 1 at x 47, y 31: 5 right, 0 down")
    tab.keyboard.press("Shift+ArrowUp")
    page.says("Arrow 1 of 1 at x 47, y 30: 5 right, 0 down")
    assert page.moved() != still
    tab.keyboard.press("Escape")
    tab.keyboard.press("a")
    page.says("Fixed point 2 of 2")
    tab.keyboard.press("Shift+Tab")
    page.says("Arrow 1 of 2")
    tab.keyboard.press("Delete")
    page.says("1 arrow or fixed point")
    tab.keyboard.press("Control+z")
    page.says("Arrow 1 of 2")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    assert not tab.get_by_label("The image, with its arrows").evaluate("canvas => canvas === document.activeElement")


def test_it_works_with_fingers_on_a_phone(served: Served, tab: Any):
    tab.set_viewport_size(NARROW)
    page = Pulling(tab, served)
    fingers = tab.context.new_cdp_session(tab)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [dict(zip("xy", page.at(*place), strict=True)) for place in places]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    tab.touchscreen.tap(*page.at(0.7, 0.7))
    page.says("Fixed point 1 of 1")
    touch("touchStart", (0.3, 0.3))
    touch("touchMove", (0.4, 0.5))
    touch("touchMove", (0.5, 0.5))
    page.says("Arrow 2 of 2")
    touch("touchStart", (0.5, 0.5), (0.6, 0.6))  # a second finger zooms, and takes the arrow back
    page.says("Fixed point 1 of 1")
    touch("touchEnd")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.getElementById('main').scrollWidth <= innerWidth")


def test_an_animation_is_played_and_saved(served: Served, tab: Any, tmp_path: Path):
    page = Pulling(tab, served)
    page.drag((0.3, 0.5), (0.4, 0.4))
    tab.get_by_label("Frames").fill("3")
    tab.get_by_role("button", name="Play").click()
    tab.get_by_role("button", name="Stop").wait_for()
    tab.locator("progress").wait_for(state="hidden")
    tab.get_by_role("button", name="Stop").click()
    for kind, name in (("mp4", "Save mp4"), ("gif", "Save GIF")):
        with tab.expect_download() as download:
            tab.get_by_role("button", name=name).click()
        assert download.value.suggested_filename == f"a-moved.{kind}"
        download.value.save_as(tmp_path / kind)
        with av.open(str(tmp_path / kind)) as container:
            assert len(list(container.decode(video=0))) == 4


def test_where_there_is_no_model_it_says_so(served: Served, tab: Any):
    tab.route("**/api/models*", lambda route: route.fulfill(json=[]))
    tab.goto(served.url)
    tab.goto(f"{served.address}/#/marionette")
    tab.get_by_text("python -m trainers train cmp SHARDS --to results/experiments/NAME").wait_for()


def test_errors_are_said_in_words(served: Served, tab: Any):
    page = Pulling(tab, served)
    tab.route("**/api/marionette/predict", lambda route: route.abort())
    page.drag((0.3, 0.5), (0.4, 0.4))
    page.says("The server does not answer")
    page.says("This could not be predicted.")
    tab.wrong.clear()  # the browser's own words for it
