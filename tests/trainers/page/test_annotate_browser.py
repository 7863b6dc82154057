"""Annotation in a browser: clicks, a brush, undo, a server that is killed, and a phone."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.discs import HEIGHT, HOSTILE, LEFT, RIGHT, WIDTH, overlap, saved_masks, write_discs
from tests.trainers.page.conftest import NARROW, ROOT, TOKEN, Served


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[], Served]]:
    started: list[Served] = []
    images = write_discs(tmp_path / "images")

    def begin() -> Served:
        command = [sys.executable, "-m", "tests.support.coloured_page", "page", str(tmp_path), "--images", str(images)]
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [*command, "--token", TOKEN, "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment
        )
        line = process.stdout.readline()  # type: ignore[union-attr]
        found = re.search(r"Open (http://[^/]+)/", line)
        assert found, line
        started.append(Served(process, found[1], TOKEN))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.stop()


class Hand:
    """What one does on the page, in pixels of the image."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab

    def place(self, x: float, y: float) -> tuple[float, float]:
        box = self.tab.locator(".picture canvas").bounding_box()
        scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
        left = box["x"] + (box["width"] - WIDTH * scale) / 2
        top = box["y"] + (box["height"] - HEIGHT * scale) / 2
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    def click(self, x: float, y: float, **more: Any) -> None:
        self.tab.mouse.click(*self.place(x, y), **more)

    def drag(self, *places: tuple[float, float]) -> None:
        self.tab.mouse.move(*self.place(*places[0]))
        self.tab.mouse.down()
        for place in places[1:]:
            self.tab.mouse.move(*self.place(*place))
        self.tab.mouse.up()


def until(file: Path, right: Callable[[list[np.ndarray]], bool]) -> None:
    """Waits until the saved masks are right."""
    end = time.monotonic() + 40
    while not (file.is_file() and right(saved_masks(file))):
        assert time.monotonic() < end, "the saved masks are not right"
        time.sleep(0.05)


def test_a_folder_is_annotated_in_a_browser_and_resumed_after_a_kill(
    run: Callable[[], Served], tab: Any, tmp_path: Path
):
    served, hand = run(), Hand(tab)
    file = tmp_path / "annotations" / f"{HOSTILE}.json"
    tab.goto(served.url)
    tab.get_by_role("link", name="Annotate").first.click()
    tab.get_by_role("heading", name="Annotate", exact=True).wait_for()
    tab.get_by_text("Click on an object").wait_for()
    assert tab.locator("img").count() == 0  # the name of the first image is text
    hand.click(80, 90)
    until(file, lambda masks: overlap(masks[0], LEFT | RIGHT) > 0.85)
    hand.click(200, 60, button="right")
    until(file, lambda masks: overlap(masks[0], LEFT) > 0.85)
    tab.keyboard.press("a")
    hand.click(200, 60)
    until(file, lambda masks: len(masks) == 2 and masks[1][60, 200])
    tab.get_by_role("button", name="Work on object 1").click()
    tab.get_by_role("button", name="Eraser").click()
    hand.drag((76, 90), (84, 90))
    until(file, lambda masks: not masks[0][90, 80] and masks[0][90, 110] and masks[0][70, 80])
    tab.keyboard.press("z")
    until(file, lambda masks: bool(masks[0][90, 80]))
    tab.keyboard.press("y")
    until(file, lambda masks: not masks[0][90, 80])
    served.stop(signal.SIGKILL)

    served = run()
    tab.goto(served.url)
    tab.wrong.clear()  # the browser's own words for what the killed server did not answer
    tab.goto(f"{served.address}/#/annotate")
    tab.get_by_text("What was saved is shown").wait_for()
    assert tab.get_by_role("button", name=re.compile("Work on object")).count() == 2
    tab.keyboard.press("d")
    tab.get_by_text("1 of 3 done").wait_for()
    tab.get_by_text("Click on an object").wait_for()
    assert tab.get_by_label("Image", exact=True).input_value() == "1"
    tab.set_viewport_size(NARROW)
    tab.locator(".picture canvas").scroll_into_view_if_needed()
    tab.touchscreen.tap(*hand.place(80, 90))
    until(tmp_path / "annotations" / "a.png.json", lambda masks: bool(masks[0][90, 80]))
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth && main.scrollWidth <= main.clientWidth")
