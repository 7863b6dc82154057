"""The power fails at any moment of a command: whatever reached the disk, nothing on it is a lie, and the same command
ends in the tree of an undisturbed run."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from common_fate.datasets.catalog import read_catalog, read_plan, write_catalog, write_plan
from common_fate.datasets.verify import verify
from pipeline.cli import downloads as downloads_cli
from tests.support.faulty_server import serving
from tests.support.folder_writers import VIEWS, WRITERS, Lab, make_lab
from tests.support.made_dataset import make_dataset
from tests.support.power import Disk, Tree, lay, watched
from tests.support.sharing_commands import pipeline

pytestmark = pytest.mark.faults
MOST_RUNS = 24  # of a command, spread over the states that its power cuts leave; promises are checked in all


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lab")
    make_lab(place)
    return place


@pytest.fixture
def lab(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # what it would do is what `Disk` notes
    place = shutil.copytree(made, tmp_path / "lab", symlinks=True)
    with serving(made / "received") as server:
        yield Lab(place, server.url)


def tree(folder: Path) -> Tree:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def again(folder: Path, state: Tree) -> None:
    """Makes a folder hold a state and nothing else."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    lay(state, folder)


def check_every_cut(lab: Lab, run: Callable[[], None], folder: Path, at_least: int, ends: Callable[[Tree], Tree]) -> None:
    """Cuts the power at every moment of `run`, which writes to `folder`: each state keeps its promises, and `run` ends
    as it would have.
    """
    before = tree(folder)
    run()
    whole = ends(tree(folder))
    again(folder, before)
    disk = Disk(folder)
    with watched(disk):
        run()
    assert ends(tree(folder)) == whole
    assert len(disk.states) >= at_least
    assert any(ends(state) == whole for state in disk.states)
    for state in disk.states:
        check_promises(state)
    for state in disk.states[:: -(-len(disk.states) // MOST_RUNS)]:
        again(folder, state)
        run()
        assert ends(tree(folder)) == whole, sorted(state)


def check_promises(state: Tree) -> None:
    """No record is without its tar; where SHA256SUMS stands, so does all that it lists; what an adopted dataset or a
    record of downloads says is there is there.
    """
    for name, data in state.items():
        parent = name.rpartition("/")[0]
        stem = name.rpartition("/")[2].removesuffix(".json")
        assert data is None or name.endswith((".tmp", ".part")) or data.strip(b"\0"), f"{name} is empty"
        if name.endswith(".json") and stem.isdecimal() and "/videos/" not in f"/{name}":
            record = json.loads(data or b"")
            tar = state.get(name.replace(".json", ".tar"))
            assert tar is not None, f"{name} has no tar"
            assert hashlib.sha256(tar).hexdigest() == record["sha256"], f"{name} is of another tar"
        elif name.endswith("/SHA256SUMS") and data is not None:
            for line in data.decode().splitlines():
                digest, _, listed = line.partition("  ")
                found = state.get(f"{parent}/{listed}")
                assert found is not None, f"{name} lists {listed}, which is not there"
                assert hashlib.sha256(found).hexdigest() == digest, f"{name} lists another {listed}"
        elif name.endswith("adopted.json") and data is not None and ".tmp" not in parent:
            for given in json.loads(data)["given"]:
                for shard in json.loads(data)["shards"]:
                    assert f"{parent}/{given}/{shard}.json" in state


def command(lab: Lab, *arguments: object) -> Callable[[], None]:
    def run() -> None:
        done = pipeline(lab.place, *arguments)
        assert done.returncode == 0, done.stderr

    return run


def as_it_is(state: Tree) -> Tree:
    return state


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_is_new(name: str, lab: Lab):
    check_every_cut(lab, command(lab, *lab.command(name)), lab.place / "results", 8, as_it_is)
