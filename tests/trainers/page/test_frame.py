"""The page's frame at its front door: who is let in, what is said, and what a browser may load."""

import http.client
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.page.conftest import NARROW, ROOT, TOKEN, Served, start


def ask(served: Served, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """The status and the body of an answer; paths are sent as they are."""
    connection = http.client.HTTPConnection(served.address.removeprefix("http://"), timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One page for all tests but for those that end it."""
    page = start(tmp_path_factory.mktemp("results"))
    yield page
    page.stop()


def test_only_who_has_the_token_is_let_in(served: Served):
    cookie = f"common-fate-{served.address.rpartition(':')[2]}={TOKEN}"
    assert ask(served, "GET", "/api/site")[0] == 403
    assert ask(served, "GET", "/static/app.js")[0] == 403
    assert ask(served, "GET", "/api/site?token=other")[0] == 403
    assert ask(served, "GET", "/api/site", Cookie=cookie)[0] == 200
    assert ask(served, "GET", f"/?token={TOKEN}")[0] == 303


def test_pages_of_other_sites_change_nothing(served: Served):
    cookie = f"common-fate-{served.address.rpartition(':')[2]}={TOKEN}"
    assert ask(served, "POST", "/api/pictures", b"x", Cookie=cookie)[0] == 403
    status, said = ask(served, "POST", "/api/pictures", b"x", Cookie=cookie, X_Common_Fate="1")
    assert (status, b"cannot be read" in said) == (400, True)


def test_a_foreign_name_for_this_machine_is_refused(served: Served):
    assert ask(served, "GET", f"/api/site?token={TOKEN}", Host="evil.example")[0] == 421


@pytest.mark.parametrize("path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py"])
def test_no_file_but_its_own_is_given(served: Served, path: str):
    cookie = f"common-fate-{served.address.rpartition(':')[2]}={TOKEN}"
    assert ask(served, "GET", path, Cookie=cookie)[0] == 404


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path):
    command = [sys.executable, "-m", "trainers", "page", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("none: there is no such folder")


def test_a_port_that_is_taken_is_one_line(served: Served, tmp_path: Path):
    port = served.address.rpartition(":")[2]
    command = [sys.executable, "-m", "trainers", "page", str(tmp_path), "--port", port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"--port {port}: Address already in use: give another, --port 0 for any" in done.stderr


def test_it_ends_when_it_is_interrupted(serve: Callable[..., Served], tmp_path: Path):
    assert serve(tmp_path).stop() == 130


@pytest.mark.parametrize("size", [None, NARROW])
def test_it_opens_in_a_browser(served: Served, tab: Any, size: dict[str, int] | None):
    if size:
        tab.set_viewport_size(size)
    tab.goto(served.url)
    assert "token" not in tab.url
    tab.get_by_role("heading", name="Things that move together").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_parts_leave_nothing_behind(served: Served, tab: Any):
    """Sheets of one part would change the others: a phone shows keys in one and not in another."""
    tab.set_viewport_size(NARROW)
    tab.goto(served.url)
    for part in ("Datasets", "Experiments", "Marionette", "Embeddings"):
        tab.get_by_role("link", name=part, exact=True).first.click()
        tab.get_by_role("heading", name=part, exact=True).wait_for()
    sheets = tab.eval_on_selector_all("head link[href^='/tools/']", "all => all.map((one) => one.getAttribute('href'))")
    assert {sheet.split("/")[2] for sheet in sheets} == {"embeddings"}
    chosen = tab.locator("nav a[aria-current]").bounding_box()
    assert 0 <= chosen["x"] <= NARROW["width"] - chosen["width"]  # the menu has scrolled to it


def test_the_way_to_the_content_stays_in_the_part(served: Served, tab: Any):
    tab.goto(f"{served.url}#/datasets")
    tab.get_by_role("heading", name="Datasets").wait_for()
    tab.focus(".skip")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    assert tab.url.endswith("#/datasets")
