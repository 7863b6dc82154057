"""A page that is served from its own process, and Debian's Chromium to look at it with."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "tokenoftests"
NARROW = {"width": 390, "height": 844}  # a phone


@dataclass
class Served:
    """A running page."""

    process: subprocess.Popen[str]
    address: str
    token: str

    @property
    def url(self) -> str:
        """With the token."""
        return f"{self.address}/?token={self.token}"

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


def start(results: Path, *options: str, token: str = TOKEN) -> Served:
    """Starts `python -m trainers page` at a free port."""
    command = [sys.executable, "-m", "trainers", "page", str(results), "--token", token, "--port", "0", *options]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)
    line = process.stdout.readline()  # type: ignore[union-attr]
    found = re.search(r"Open (http://[^/]+)/\?token=", line)
    assert found, line
    return Served(process, found[1], token)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts pages, which are stopped at the end."""
    started: list[Served] = []

    def run(results: Path, *options: str, **more: Any) -> Served:
        started.append(start(results, *options, **more))
        return started[-1]

    yield run
    for one in started:
        if one.process.poll() is None:
            one.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright, which does not bring its own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    """A tab in which whatever goes wrong on the page fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.wrong = wrong
    yield page
    context.close()
    assert not wrong
