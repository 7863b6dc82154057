"""The power fails at any moment of a command: whatever reached the disk, nothing on it is a lie, and the same command
ends in the tree of an undisturbed run, but for temporary files whose lock was lost: `gc` lists them."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from common_fate.datasets.catalog import read_catalog, write_catalog
from common_fate.shards.record import file_sha256
from tests.support.faulty_server import serving
from tests.support.folder_writers import WRITERS, Lab, make_lab
from tests.support.power import Disk, Tree, lay, watched
from tests.support.sharing_commands import flip, pipeline

pytestmark = pytest.mark.faults
MOST_RUNS = 9  # of a command, spread over the states that its power cuts leave; promises are checked in all
TEMPORARY = re.compile(r"(^|/)\.[^/]+\.tmp(/|$)")


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
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def again(folder: Path, state: Tree) -> None:
    """Makes a folder hold a state and nothing else."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    lay(state, folder)


def check_every_cut(
    run: Callable[[], None], folder: Path, promises: Callable[[Tree], None], counts: Callable[[str], bool] = bool
) -> None:
    """Cuts the power at every moment of `run`, which writes to `folder`: each state keeps its promises, and `run` ends
    as it would have, as far as paths count.
    """

    def ends(state: Tree) -> Tree:
        return {name: data for name, data in state.items() if not TEMPORARY.search(name) and counts(name)}

    before = tree(folder)
    run()
    whole = ends(tree(folder))
    again(folder, before)
    disk = Disk(folder)
    with watched(disk):
        run()
    assert ends(tree(folder)) == whole
    assert len(disk.states) > MOST_RUNS
    assert any(ends(state) == whole for state in disk.states)
    for state in disk.states:
        promises(state)
    for state in disk.states[:: -(-len(disk.states) // MOST_RUNS)]:
        again(folder, state)
        run()
        assert ends(tree(folder)) == whole, sorted(state)


def check_promises(state: Tree, copied: bool = False) -> None:
    """No record is without its tar; where SHA256SUMS stands, so does all that it lists; what an adopted dataset says is
    there is there.

    Args:
        copied: by `fetch`, whose records come first, for they say how large a tar may be; its sums come last.
    """
    for name, data in state.items():
        if TEMPORARY.search(name):
            continue
        parent = name.rpartition("/")[0]
        stem = name.rpartition("/")[2].removesuffix(".json")
        counts = data is not None and not name.startswith(("store/arriving/", "store/claims/"))
        assert not counts or data.strip(b"\0"), f"{name} is empty"
        if name.endswith(".json") and stem.isdecimal() and "/videos/" not in f"/{name}":
            record = json.loads(data or b"")
            tar = state.get(name.replace(".json", ".tar"))
            if copied and tar is None:
                continue
            assert tar is not None, f"{name} has no tar"
            assert hashlib.sha256(tar).hexdigest() == record["sha256"], f"{name} is of another tar"
        elif name.endswith("/SHA256SUMS") and data is not None:
            for line in data.decode().splitlines():
                digest, _, listed = line.partition("  ")
                found = state.get(f"{parent}/{listed}")
                assert found is not None, f"{name} lists {listed}, which is not there"
                assert hashlib.sha256(found).hexdigest() == digest, f"{name} lists another {listed}"
        elif name.endswith("adopted.json") and data is not None:
            for given in json.loads(data)["given"]:
                for shard in json.loads(data)["shards"]:
                    assert f"{parent}/{given}/{shard}.json" in state


def command(lab: Lab, *arguments: object) -> Callable[[], None]:
    def run() -> None:
        done = pipeline(lab.place, *arguments)
        assert done.returncode == 0, done.stderr

    return run


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_is_new(name: str, lab: Lab):
    promises = partial(check_promises, copied=name == "fetch")
    check_every_cut(command(lab, *lab.command(name)), lab.place / "results", promises)


def grown(lab: Lab) -> list[str]:
    """A plan that is extended."""
    command(lab, *lab.command("catalog"))()
    return [part.replace('"videos": 2', '"videos": 5') for part in lab.command("catalog")]


def completed(lab: Lab) -> list[str]:
    """An adoption of one shard more."""
    tar = lab.place / "received/000001.tar"
    data = tar.read_bytes()
    tar.unlink()
    command(lab, *lab.command("adopt"))()
    tar.write_bytes(data)
    return lab.command("adopt")


def fetched_again(lab: Lab) -> list[str]:
    """A copy of an older version: its sums must not stand while it becomes the newer one."""
    command(lab, *lab.command("fetch"))()
    copy = lab.place / "results/x"
    sums = (copy / "SHA256SUMS").read_text()
    for name in ("README.md", "000001.json"):
        digest = file_sha256(copy / name)
        (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
        sums = sums.replace(digest, file_sha256(copy / name))
    (copy / "SHA256SUMS").write_text(sums)
    return lab.command("fetch")


def shared_again(lab: Lab) -> list[str]:
    command(lab, *lab.command("share"), "--cite", "A. Nyone, 2030")()
    return [*lab.command("share"), "--cite", "A. Nyone, 2031"]


def merged_again(lab: Lab) -> list[str]:
    """One shard is to be copied again."""
    command(lab, *lab.command("merge"))()
    flip(lab.place / "results/x/shards/cmp/000001.tar", 3000)
    return lab.command("merge")


@pytest.mark.parametrize("older", [grown, completed, fetched_again, shared_again, merged_again])
def test_a_folder_that_has_an_older_version(older: Callable[[Lab], list[str]], lab: Lab):
    def promises(state: Tree) -> None:
        if older is not merged_again:  # where a tar was damaged to begin with
            check_promises(state)

    check_every_cut(command(lab, *older(lab)), lab.place / "results", promises)


@pytest.mark.parametrize("older", [False, True])
def test_a_shard(older: bool, lab: Lab):
    """Neither record nor tar is ever beside another's."""
    shutil.move(lab.place / "films/flow", lab.place / "results/flow")
    if not older:
        shutil.rmtree(lab.place / "results/flow")
    options = ("--options", json.dumps({"preset": "fast"}))
    run = command(lab, "flow", "films/frames/000000.tar", "--to", "results/flow/000000.tar", *options)
    check_every_cut(run, lab.place / "results", check_promises)


def test_a_manifest(lab: Lab):
    """Over an older one its files are moved one after the other, its sums last."""
    shutil.move(lab.place / "made/small", lab.place / "results/small")
    small = lab.place / "results/small"
    write_catalog(
        small / "catalog.parquet", [replace(v, license="CC-BY") for v in read_catalog(small / "catalog.parquet")]
    )
    run = command(lab, "manifest", "results/small/shards/cmp", "--plan", "results/small/plan.json")

    def promises(state: Tree) -> None:
        if state["small/shards/cmp/SHA256SUMS"] == whole:
            check_promises(state)

    before = tree(lab.place / "results")
    run()
    whole = (small / "shards/cmp/SHA256SUMS").read_bytes()
    assert whole != before["small/shards/cmp/SHA256SUMS"]
    again(lab.place / "results", before)
    check_every_cut(run, lab.place / "results", promises)


def test_the_store_of_downloads(lab: Lab):
    """What a record says came is in the store, and claimed, until the frames are made; then it may go."""
    rows = "".join(f"file://{lab.place}/clips/{name}.mp4,{name}\n" for name in ("one", "two"))
    (lab.place / "films.csv").write_text(f"url,id\n{rows}")
    source = json.dumps({"kind": "urls", "path": "films.csv"})
    command(lab, "catalog", "results/x", "--source", source)()
    policy = json.dumps({"store": "results/store", "allow_paths": [str(lab.place / "clips")]})
    download = ("download", "results/x/plan.json", "--to", "results/x/videos/000000.json", "--downloading", policy)
    tar = ("--to", "results/x/frames/000000.tar", "--store", "results/store", "--keep-videos", "no")

    def run() -> None:
        command(lab, *download, "--min-success", 1)()
        command(lab, "frames", "results/x/plan.json", *tar, "--min-success", 1)()

    def promises(state: Tree) -> None:
        check_promises(state)
        record = state.get("x/videos/000000.json")
        if record is None or "x/frames/000000.json" in state:
            return
        for entry in json.loads(record)["videos"].values():
            name = f"{entry['sha256'][:2]}/{entry['sha256']}"
            video = state.get(f"store/sha256/{name}")
            assert video is not None, "it was said to be there"
            assert hashlib.sha256(video).hexdigest() == entry["sha256"]
            claims = [path for path in state if path.startswith(f"store/claims/{name}/")]
            assert [path for path in claims if not path.endswith(".tmp")], "another job might delete it"

    check_every_cut(run, lab.place / "results", promises, of_the_shard)


def of_the_shard(name: str) -> bool:
    """Not folders of the store that are empty, nor what was tried when."""
    return name.startswith(("x/", "store/known/")) and "." in name and not name.startswith("x/videos/000000.parquet")
