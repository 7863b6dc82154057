"""Two commands that write one folder, at once: the second says so in one line, and the first ends as if alone."""

import os
import random
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from common_fate.datasets.verify import verify
from pipeline.upkeep import gc, retry
from tests.support.clean_forks import CLEAN
from tests.support.faulty_server import serving
from tests.support.folder_writers import WRITERS, Lab, make_lab
from tests.support.made_dataset import make_dataset
from tests.support.sharing_commands import content, pipeline

SECONDS = WRITERS | {
    "retry": ("retry-failed", "results/x"),
    "gc": ("gc", "results/x", "--delete", "--older-than", "0"),
    "gc of all": ("gc", "results", "--delete", "--older-than", "0"),
}
WAITING = {"catalog"}  # as Snakemake's jobs do
BUSY = "error: results/x: another command is writing it: wait until it is done"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lab")
    make_lab(place)
    return place


@pytest.fixture
def lab(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nobody cuts the power here
    place = shutil.copytree(made, tmp_path / "lab")
    shutil.copytree(made / "made/small", place / "results/z")
    with serving(made / "received") as server:
        yield Lab(place, server.url)


def meanwhile(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    where: tuple[Any, str],
    moments: Callable[[int], bool],
    names: Collection[str] = SECONDS.keys() - WAITING,
) -> list[str]:
    """At some moments of a command, others are called on the folder that it is writing; `done` for each moment."""
    real, calls, met = getattr(*where), [], []

    def run(*arguments: Any, **options: Any) -> Any:
        if not met or met[-1] != "within":
            calls.append(1)
            if moments(len(calls)):
                met.append("within")
                for name in names:
                    refused(lab, name)
                met[-1] = "done"
        return real(*arguments, **options)

    monkeypatch.setattr(*where, run)
    return met


def refused(lab: Lab, name: str) -> None:
    before = content(lab.place / "results")
    unmade = not (lab.place / "results/x/plan.json").exists()
    if name == "gc" and unmade:
        return  # it is for datasets
    done = pipeline(lab.place, *(lab.command(name) if name in WRITERS else SECONDS[name]))
    if name != "gc of all" or not unmade:  # that looks for datasets, and must let be what is half made
        held = r"error: results/[xy]: another command is writing it: wait until it is done"  # split holds both
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(held, done.stderr), name
    assert content(lab.place / "results") == before, name


@pytest.mark.faults
@pytest.mark.parametrize("first", WRITERS)
def test_while_one_command_writes_a_folder_no_other_does(
    first: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def run() -> dict[str, bytes]:
        done = pipeline(lab.place, *lab.command(first))
        assert done.returncode == 0, done.stderr
        return content(lab.place / "results")

    alone = run()
    for name in "xy":
        shutil.rmtree(lab.place / "results" / name, ignore_errors=True)
    met = meanwhile(lab, monkeypatch, (os, "replace"), lambda call: call in (1, 2, 4))
    together = run()
    assert met == ["done"] * len(met)
    assert len(met) == (2 if first == "catalog" else 3)
    assert together == alone


@pytest.mark.parametrize(
    ("first", "where"), [("retry", (retry, "read_plan")), ("gc", (gc, "delete")), ("gc of all", (gc, "delete"))]
)
def test_while_one_looks_after_a_folder_no_other_writes_it(
    first: str, where: tuple[Any, str], lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    make_dataset(lab.place / "results/x")
    (lab.place / "results/x/flow/.000009.tar.0123abcd.tmp").touch()
    met = meanwhile(lab, monkeypatch, where, lambda call: call == 1)
    pipeline(lab.place, *SECONDS[first])
    assert met == ["done"]


def say(there: Connection, place: Path, *command: str) -> None:
    """Sends what a command says of its errors."""
    os.environ["NO_PROXY"] = "127.0.0.1"
    there.send(pipeline(place, *command).stderr)


@contextmanager
def forked(lab: Lab, name: str) -> Iterator[tuple[BaseProcess, Connection]]:
    """The command in another process."""
    here, there = CLEAN.Pipe(duplex=False)
    process = CLEAN.Process(target=say, args=(there, lab.place, *lab.command(name)))
    process.start()
    there.close()
    yield process, here
    process.join()


@pytest.mark.faults
@pytest.mark.parametrize("name", ["adopt", "join", "merge", "split", "share", "export", "fetch"])
def test_of_three_processes_one_makes_the_folder(name: str, lab: Lab):
    done = pipeline(lab.place, *lab.command(name))
    assert done.returncode == 0
    alone = content(lab.place / "results")
    for folder in "xy":
        shutil.rmtree(lab.place / "results" / folder, ignore_errors=True)
    with forked(lab, name) as (_, one), forked(lab, name) as (_, two), forked(lab, name) as (_, three):
        errors = [said.recv() for said in (one, two, three)]
    # Those that come when it is done find it as it is to be.
    assert set(errors) <= {"", BUSY}
    assert "" in errors
    assert content(lab.place / "results") == alone


@pytest.mark.faults
@pytest.mark.parametrize("name", ["adopt", "join", "merge", "share", "export", "fetch"])
def test_a_killed_command_holds_nobody_up_and_leaves_nothing_behind(name: str, lab: Lab):
    done = pipeline(lab.place, *lab.command(name))
    assert done.returncode == 0
    alone = content(lab.place / "results")
    shutil.rmtree(lab.place / "results/x")
    dice = random.Random(name)
    for _ in range(3):
        with forked(lab, name) as (process, _):
            while process.is_alive() and not list((lab.place / "results").glob("*x*")):
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.3))
            process.kill()
    again = pipeline(lab.place, *lab.command(name))
    assert again.returncode == 0, again.stderr
    assert content(lab.place / "results") == alone


def test_a_listing_waits_and_is_refused_where_a_dataset_was_adopted_meanwhile(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    real, waiting = os.replace, []

    with ExitStack() as stack:

        def replace(*paths: Any) -> None:
            if not waiting:
                waiting.append(None)
                waiting.append(stack.enter_context(forked(lab, "catalog")))
                waiting[1][0].join(0.5)
                assert waiting[1][0].is_alive()
            real(*paths)

        monkeypatch.setattr(os, "replace", replace)
        assert pipeline(lab.place, *lab.command("adopt")).returncode == 0
        assert waiting[1][1].recv().startswith("error: results/x: was adopted, so no source is listed into it")
    assert verify(lab.place / "results/x", full=True) == []


def test_a_folder_on_its_own_disk_is_held_within(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    """Where nobody may write beside it; and by whatever name it is called, it is one folder."""
    (lab.place / "results/x").mkdir()
    (lab.place / "results/link").symlink_to("x")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: real(path, mode) and Path(path).name != "results")
    met = meanwhile(lab, monkeypatch, (os, "replace"), lambda call: call == 1, ["share", "export"])
    done = pipeline(lab.place, "export", "made/small/flow", "--to", "results/link")
    assert done.returncode == 0, done.stderr
    assert met == ["done"]
    assert not [name for name in content(lab.place / "results") if "/." in name]
