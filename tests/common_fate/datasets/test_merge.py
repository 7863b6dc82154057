"""Merging views of several datasets, from the command line and from Python."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from common_fate.datasets.catalog import read_catalog, write_catalog, write_plan
from common_fate.datasets.merge import merge
from common_fate.datasets.stats import stats
from common_fate.datasets.verify import verify
from common_fate.errors import UserError
from common_fate.shards.column import Shard
from common_fate.shards.record import Record
from common_fate.shards.writer import write_shard
from common_fate.torch import ShardDataset
from tests.support.made_dataset import LOST, PAIRS, SHARDS, VIDEOS, make_dataset

ROOT = Path(__file__).resolve().parents[3]
VIEW = "shards/cmp"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets, `near` and `far`, with the same ids of videos; flow of `far` is of another preset."""
    results = tmp_path_factory.mktemp("merge") / "results"
    make_dataset(results / "near")
    make_dataset(results / "far")
    for path in (results / "far" / VIEW).glob("0*.json"):
        path.write_text(path.read_text().replace('"medium"', '"fast"'))
    return results


@pytest.fixture
def results(both: Path, tmp_path: Path) -> Path:
    """A copy of both, to change."""
    shutil.copytree(both, tmp_path / "results")
    return tmp_path / "results"


def views(results: Path, *names: str) -> list[Path]:
    return [results / name / VIEW for name in names or ("near", "far")]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(results: Path, *arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=results.parent, capture_output=True, text=True, env=environment)


def test_two_datasets_become_one_with_their_ids_apart(results: Path):
    done = run(results, "merge", *(f"results/{name}/{VIEW}" for name in ("near", "far")), "--dataset", "world")
    assert done.returncode == 0, done.stderr
    samples = 2 * (len(VIDEOS) * PAIRS - 1)
    assert done.stdout.splitlines() == [
        "options differ (each shard's record has its own): flow.preset: medium in near, fast in far",
        f"wrote results/world/{VIEW}: {samples} samples in 6 shards, "
        f"{sum(tar.stat().st_size for tar in (results / 'world' / VIEW).glob('*.tar')):,} bytes",
    ]
    world = ShardDataset(results / "world" / VIEW, check_sums=True)
    keys = [key for name in ("near", "far") for key in ShardDataset(results / name / VIEW).keys.to_pylist()]
    assert world.keys.to_pylist() == [
        f"{'near' if number < samples // 2 else 'far'}__{key}" for number, key in enumerate(keys)
    ]
    assert verify(results / "world" / VIEW, full=True) == []
    assert verify(results / "world", full=True) == []


def test_samples_keep_their_bytes_and_json_says_the_new_id(results: Path):
    merge(views(results), results / "world")
    with (
        Shard(results / "far" / VIEW / "000001.tar") as old,
        Shard(results / "world" / VIEW / "000004.tar") as new,
    ):
        assert [f"far__{key}" for key in old] == list(new)
        for key in old:
            one, other = old[key], new[f"far__{key}"]
            assert list(one) == list(other)
            assert all(one.encoded[extension] == other.encoded[extension] for extension in one if extension != "json")
            assert other["json"] == one["json"] | {"video": "far__bee"}


def test_catalog_failures_and_what_a_shard_came_from_are_kept(results: Path):
    merge(views(results), results / "world")
    videos = read_catalog(results / "world/catalog.parquet")
    assert [video.video for video in videos] == [f"{name}__{video}" for name in ("near", "far") for video in VIDEOS]
    assert {(video.license, video.uri) for video in videos} == {("CC0", f"/videos/{video}.mp4") for video in VIDEOS}
    old, new = (
        Record.read(results / name / VIEW / f"{n}.json") for name, n in (("far", SHARDS[1]), ("world", "000004"))
    )
    assert new.failures == [row | {"key": f"far__{LOST}"} for row in old.failures] != []
    assert new.inputs == {"cmp": old.sha256}
    assert new.provenance["from"] == {"dataset": "far", "shard": "000001", "inputs": old.inputs}
    assert (new.options, new.statistics, new.version) == (old.options, old.statistics, old.version)
    rows = pq.read_table(results / "world" / VIEW / "samples.parquet").to_pylist()
    assert [row["key"] for row in rows if row["failure"]] == [f"near__{LOST}", f"far__{LOST}"]
    assert stats(results / "world")


def test_what_was_merged_can_be_merged_and_knows_where_it_came_from_first(results: Path):
    merge(views(results), results / "world")
    make_dataset(results / "moon")
    merge(views(results, "moon", "world"), results / "all")
    record = Record.read(results / "all" / VIEW / "000008.json")
    assert record.keys[0] == "world__far__cat-000000"
    assert record.provenance["from"]["dataset"] == "world"
    assert record.provenance["from"]["from"]["dataset"] == "far"


def test_killed_at_any_file_and_run_again_the_tree_is_the_same(both: Path, tmp_path: Path, monkeypatch):
    merge(views(both), tmp_path / "whole/world")
    whole = tree(tmp_path / "whole/world")
    real, done = os.replace, 0

    class Killed(BaseException):
        pass

    def replaced(*paths: Any) -> None:
        nonlocal done
        done += 1
        if done == moment:
            raise Killed
        real(*paths)

    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nobody cuts the power
    monkeypatch.setattr(os, "replace", replaced)
    for moment in range(1, len(whole) + 1):
        done = 0
        dataset = tmp_path / f"killed{moment}/world"
        with pytest.raises(Killed):
            merge(views(both), dataset)
        monkeypatch.setattr(os, "replace", real)
        stood = {
            path: path.stat().st_mtime_ns for path in dataset.rglob("0*.tar") if path.with_suffix(".json").exists()
        }
        merge(views(both), dataset)
        assert tree(dataset) == whole
        assert all(path.stat().st_mtime_ns == time for path, time in stood.items()), "what was finished stays"
        monkeypatch.setattr(os, "replace", replaced)


def test_a_shard_that_changed_since_is_copied_again(results: Path):
    merge(views(results), results / "world")
    once = tree(results / "world")
    tar = results / "world" / VIEW / "000002.tar"
    tar.write_bytes(tar.read_bytes()[:-1] + b"x")
    merge(views(results), results / "world")
    assert tree(results / "world") == once


def flipped(results: Path) -> None:
    tar = results / "far" / VIEW / "000001.tar"
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 1
    tar.write_bytes(data)


def missing(results: Path) -> None:
    (results / "far" / VIEW / "000001.json").unlink()


def unplanned(results: Path) -> None:
    write_plan(results / "far/plan.json", [["ape"], [], ["cat"]])
    write_plan(results / "far/plan.json", [["ape"], ["cat"], ["bee"]])


def rewritten(
    results: Path, change: Callable[[str, dict[str, bytes]], tuple[str, dict[str, bytes]]], **facts: Any
) -> None:
    """Shard 000001 of `far` with samples of another kind."""
    tar = results / "far" / VIEW / "000001.tar"
    with Shard(tar) as shard:
        samples = [change(key, shard[key].encoded) for key in shard]
        known = {"stage": "cmp", "version": 1, "options": {}, "inputs": {}} | facts
    write_shard(tar, samples, lambda: known)


def narrower(results: Path) -> None:
    rewritten(results, lambda key, members: (key, {name: members[name] for name in ("jpg", "json")}))


def newer(results: Path) -> None:
    rewritten(results, lambda key, members: (key, members), version=2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (flipped, "far/shards/cmp/000001.tar: its bytes changed since it was written"),
        (missing, "far/shards/cmp/000001.json: missing"),
        (unplanned, "far/shards/cmp/000001.tar: has 'bee-000000', which plan.json does not name in this shard"),
        (narrower, "far/shards/cmp/000001.tar: its samples have jpg, json, and those of "),
        (newer, "far/shards/cmp/000001.tar: a shard of cmp, version 2, and "),
    ],
)
def test_a_shard_that_cannot_be_copied_is_refused_and_named(change: Callable[[Path], None], says: str, results: Path):
    change(results)
    with pytest.raises(UserError) as refused:
        merge(views(results), results / "world")
    assert f"{results}/{says}" in str(refused.value)
    assert not (results / "world" / VIEW / "000004.tar").exists()
    assert not (results / "world" / VIEW / "shards.parquet").exists()


def renamed(results: Path, name: str) -> Path:
    return (results / "far").rename(results / name) / VIEW


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (lambda r: ([r / "near" / VIEW], "w"), "merge takes two views or more"),
        (lambda r: (views(r, "near", "near"), "w"), "are both of a dataset near"),
        (lambda r: (views(r), "my-world"), "--dataset: 'my-world' cannot be a dataset's name"),
        (lambda r: (views(r), "report"), "--dataset: 'report' cannot be a dataset's name"),
        (lambda r: (views(r), "shards"), "--dataset: 'shards' cannot be a dataset's name"),
        (lambda r: (views(r), "near"), "near: is a dataset of other videos: choose another name, or delete it"),
        (lambda r: ([r / "near/shards/none", r / "far" / VIEW], "w"), "not a view's folder"),
        (lambda r: ([r / "near/flow", r / "far" / VIEW], "w"), "not a view's folder"),
        (lambda r: ([r / "near" / VIEW, renamed(r, "far-away")], "w"), "'far-away' cannot be a dataset's name"),
        (lambda r: ([r / "near" / VIEW, renamed(r, "f" * 80)], "w"), "100 bytes: give the dataset a shorter name"),
    ],
)
def test_what_cannot_be_merged_is_one_line(
    arguments: Callable[[Path], tuple[list[Path], str]], says: str, results: Path
):
    folders, name = arguments(results)
    with pytest.raises(UserError, match=says) as refused:
        merge(folders, results / name)
    assert "\n" not in str(refused.value)


def test_names_that_only_look_apart_are_refused(results: Path):
    """`near__ape` is in front of `cat` here, and `near` of `ape__cat`."""
    renamed(results, "near__ape")
    near = results / "near"
    videos = read_catalog(near / "catalog.parquet")
    write_catalog(near / "catalog.parquet", [replace(videos[0], video="ape__cat"), *videos[1:]])
    write_plan(near / "plan.json", [["ape__cat"], ["bee"], ["cat"]])
    record = near / VIEW / "000000.json"
    record.write_text(record.read_text().replace('"ape-', '"ape__cat-'))
    with pytest.raises(UserError, match="two videos would be called near__ape__cat"):
        merge(views(results, "near", "near__ape"), results / "world")
