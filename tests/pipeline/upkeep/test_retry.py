"""Retrying failed samples, with small stages of its own, against building everything afresh."""

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common_fate.datasets.adopted_record import Adopted, write_adopted
from common_fate.datasets.catalog import Video, read_catalog, write_listing
from common_fate.datasets.verify import verify
from common_fate.errors import SampleError, UserError
from common_fate.manifest.tables import write_manifest
from common_fate.shards.limits import MAX_SAMPLES
from common_fate.shards.record import Record
from pipeline.stages.runner import run_stage
from pipeline.stages.stage import Drop, Dropped, Failure, Items, Outcomes, Sample, Stage, each, in_batches
from pipeline.upkeep import retry
from pipeline.upkeep.retry import Retried, retry_failed
from pipeline.views import View, build_view

PLAN = [["ape", "bee"], ["cat"], []]
FRAMES = 4


@dataclass(frozen=True)
class Options:
    factor: int = 2
    batch_size: int = 2


class World:
    """What goes wrong at present: reasons by stage and key. `asked` notes what the stages are given to make; `drops`
    has stages and keys of what is left out on purpose, always.
    """

    def __init__(self) -> None:
        self.faults: dict[tuple[str, str], str] = {}
        self.asked: list[tuple[str, str]] = []
        self.drops: set[tuple[str, str]] = set()
        self.compiler = 1

    def meet(self, stage: str, key: str) -> None:
        self.asked.append((stage, key))
        if reason := self.faults.get((stage, key)):
            raise SampleError(reason)


WORLD = World()


def filmed(items: Items, options: Options) -> Outcomes:
    """Frames 0 to 3 of a video, each leading to the next that can be read."""
    for video, _ in items:
        try:
            WORLD.meet("frames", video)
        except SampleError as error:
            yield Failure(video, str(error))
            continue
        lost = {n: WORLD.faults.get(("frames", f"{video}-{n:06d}")) for n in range(FRAMES)}
        dropped = [("frames", f"{video}-{n:06d}") in WORLD.drops for n in range(FRAMES)]
        yield from (Dropped(f"{video}-{n:06d}", ["dark", "alike"][n % 2]) for n in range(FRAMES) if dropped[n])
        for number in range(FRAMES):
            key = f"{video}-{number:06d}"
            if dropped[number]:
                continue
            if lost[number]:
                yield Failure(key, str(lost[number]))
            else:
                following = (
                    number + 1 if number + 1 < FRAMES and not (lost[number + 1] or dropped[number + 1]) else None
                )
                facts = {"video": video, "key": key, "next": following}
                yield key, {"x.npy": np.array([len(video) + number]), "json": facts}


def moved(samples: list[Sample], options: Options) -> list[Sample | Drop]:
    for sample in samples:
        WORLD.meet("flow", sample["json"]["key"])
    return [
        Drop("still")
        if ("flow", sample["json"]["key"]) in WORLD.drops
        else {"y.npy": options.factor * (sample["next.x.npy"] - sample["x.npy"]), "json": sample["json"]}
        for sample in samples
    ]


def guided(sample: Sample, options: Options) -> Sample:
    WORLD.meet("guidance", sample["json"]["key"])
    return {"z.npy": sample["y.npy"] + 1, "json": {"key": sample["json"]["key"]}}


def known(sample: Sample, options: Options) -> Sample | None:
    WORLD.meet("truth", sample["json"]["key"])
    return {"json": {"uri": sample["video"].uri}} if sample["json"]["next"] else None


STAGES = {
    stage.name: stage
    for stage in (
        Stage("frames", 1, ("source",), Options, filmed, measure=lambda s: {"x": s["x.npy"][0]}),
        Stage(
            *("flow", 1, ("frames",), Options, in_batches(moved, lambda sample: sample["x.npy"].shape)),
            follow=lambda options: ("next",),
            measure=lambda sample: {"y": sample["y.npy"][0] / 3},
            software=("numpy",),
            provenance=lambda options: {"compiler": WORLD.compiler},
        ),
        Stage("guidance", 1, ("flow",), Options, each(guided), measure=lambda sample: {"z": sample["z.npy"][0]}),
        Stage("truth", 1, ("frames", "source"), Options, each(known)),
    )
}
JOINED = View("joined", 1, "flow", {"frames": ("x.npy", "json"), "flow": ("y.npy",), "guidance": ("z.npy",)})


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(retry, "STAGES", STAGES)
    monkeypatch.setattr(retry, "VIEWS", {"joined": JOINED})
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # most of the time, and no test here cuts the power
    WORLD.__init__()
    return WORLD


def listing(dataset: Path, uri: str = "") -> None:
    videos = [Video(video, "videos", uri + video) for shard in PLAN for video in shard]
    write_listing(dataset, videos, PLAN)


def build(dataset: Path) -> Path:
    """Everything from nothing, as Snakemake would have it made."""
    listing(dataset)
    for number in range(len(PLAN)):
        tar = f"{number:06d}.tar"
        for stage in STAGES.values():
            make(dataset, stage, tar)
        build_view(JOINED, {name: dataset / name / tar for name in JOINED.columns}, dataset / "shards/joined" / tar)
    shards = [f"{n:06d}" for n in range(len(PLAN))]
    write_manifest(dataset / "shards/joined", shards, "made (joined)", read_catalog(dataset / "catalog.parquet"))
    return dataset


def make(dataset: Path, stage: Stage, tar: str) -> None:
    inputs = {other: dataset / other / tar for other in stage.reads} | {"source": dataset / "plan.json"}
    run_stage(stage, inputs, dataset / stage.name / tar, Options(), 0)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def in_order(dataset: Path) -> bool:
    """Whether nothing is older than what it was made from, so that Snakemake has nothing to do."""

    def times(*paths: str) -> list[int]:
        return [path.stat().st_mtime_ns for pattern in paths for path in dataset.glob(pattern)]

    for number in range(len(PLAN)):
        reads = {name: [r for r in stage.reads if r != "source"] for name, stage in STAGES.items()}
        reads |= {"shards/joined": list(JOINED.columns)}
        for name, inputs in reads.items():
            made = times(f"{name}/{number:06d}.tar", f"{name}/{number:06d}.json")
            if inputs and max(times(*(f"{other}/{number:06d}.tar" for other in inputs))) > min(made):
                return False
    manifest = times("shards/joined/*.parquet", "shards/joined/SHA256SUMS", "shards/joined/README.md")
    return max(times("shards/joined/0*.json")) <= min(manifest)


KEYS = [f"{video}-{n:06d}" for shard in PLAN for video in shard for n in range(FRAMES)]
PLACES = [("frames", video) for shard in PLAN for video in shard] + [(s, key) for s in STAGES for key in KEYS]
DROPS = st.sets(st.sampled_from([(stage, key) for stage in ("frames", "flow") for key in KEYS]), max_size=5)
FAULTS = st.dictionaries(st.sampled_from(PLACES), st.sampled_from(["cut", "no memory"]), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_retry_gives_what_a_full_rebuild_gives(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("retry")
    with patch("common_fate.shards.runs.MOST_LISTED", data.draw(st.sampled_from([MAX_SAMPLES, 2]), "most listed")):
        _check_retry(data, folder)


def _check_retry(data: st.DataObject, folder: Path) -> None:
    WORLD.faults = data.draw(FAULTS, "faults")
    WORLD.drops = data.draw(DROPS, "drops")
    made = build(folder / "a/made")
    for _ in range(data.draw(st.integers(1, 2), "retries")):
        if WORLD.faults:
            WORLD.faults = {
                place: data.draw(st.sampled_from([reason, "another reason"]))
                for place, reason in WORLD.faults.items()
                if data.draw(st.booleans())
            }
        assert not [retried for retried in retry_failed(made, 0) if retried.trouble]
    assert tree(made) == tree(build(folder / "b/made"))
    assert in_order(made)
    shutil.rmtree(folder)


def test_what_was_dropped_is_not_retried_and_the_view_tells_of_it(tmp_path: Path, world: World):
    world.drops = {("flow", "bee-000001"), ("frames", "ape-000001")}
    made = build(tmp_path / "made")
    record = Record.read(made / "shards/joined/000000.json")
    assert (record.dropped, record.failures) == ({"alike": ["ape-000001"], "still": ["bee-000001"]}, [])
    assert verify(made, full=True) == []
    world.asked = []
    assert (list(retry_failed(made, 1)), world.asked) == ([], [])


def test_only_what_failed_and_what_follows_is_made_again(tmp_path: Path, world: World):
    world.faults = {("frames", "ape-000002"): "cut", ("guidance", "cat-000000"): "no memory"}
    made = build(tmp_path / "made")
    world.faults, world.asked = {}, []
    assert [str(retried) for retried in retry_failed(made, 0)] == [
        f"{made}/frames/000000.tar: 1 failed, none still does",
        f"{made}/guidance/000001.tar: 1 failed, none still does",
    ]
    assert sorted(set(world.asked)) == [
        *(("flow", key) for key in ("ape-000000", "ape-000001", "ape-000002")),  # the first leads to a changed sample
        ("frames", "ape"),  # a video is read from its start
        *(("guidance", key) for key in ("ape-000001", "ape-000002", "cat-000000")),
        *(("truth", key) for key in ("ape-000001", "ape-000002")),
    ]
    assert verify(made, full=True) == []


def test_what_still_fails_touches_nothing(tmp_path: Path, world: World):
    world.faults = {("frames", "ape"): "cut", ("frames", "cat-000001"): "cut", ("flow", "bee-000001"): "no memory"}
    made = build(tmp_path / "made")
    before = stamps(made)
    assert [(retried.failed, retried.left) for retried in retry_failed(made, 0)] == [(1, 1), (1, 1), (1, 1)]
    assert stamps(made) == before


def test_nothing_failed_means_nothing_is_read_or_written(tmp_path: Path, world: World):
    made = build(tmp_path / "made")
    before, world.asked = stamps(made), []
    assert list(retry_failed(made, 0)) == []
    assert (stamps(made), world.asked) == (before, [])


@pytest.mark.parametrize("moment", range(14))
def test_killed_between_two_files_and_run_again_the_tree_is_the_same(
    moment: int, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
):
    world.faults = {("frames", "ape-000003"): "cut", ("flow", "bee-000001"): "no memory"}
    made = build(tmp_path / "a/made")
    world.faults = {}
    moments, real = iter(range(100)), os.replace

    class Killed(BaseException):
        pass

    def replaced(*paths: Any) -> None:
        if next(moments) == moment:
            raise Killed
        real(*paths)

    monkeypatch.setattr(os, "replace", replaced)
    with pytest.raises(Killed):
        list(retry_failed(made, 0))
    monkeypatch.setattr(os, "replace", real)
    lacking = [tar for tar in made.glob("*/0*.tar") if not tar.with_suffix(".json").exists()]
    assert [retried.tar for retried in retry_failed(made, 0) if retried.trouble] == lacking
    for tar in lacking:  # as Snakemake does
        make(made, STAGES[tar.parent.name], tar.name)
    list(retry_failed(made, 0))
    assert tree(made) == tree(build(tmp_path / "b/made"))
    assert in_order(made)


def test_other_software_makes_the_whole_shard_again(tmp_path: Path, world: World):
    world.faults = {("flow", "ape-000001"): "no memory"}
    made = build(tmp_path / "a/made")
    world.faults, world.compiler, world.asked = {}, 2, []
    list(retry_failed(made, 0))
    assert {key for stage, key in world.asked if stage == "flow"} == {
        f"{video}-{n:06d}" for video in ("ape", "bee") for n in range(FRAMES - 1)
    }
    assert Record.read(made / "flow/000000.json").provenance == {"compiler": 2}
    assert Record.read(made / "flow/000001.json").provenance == {"compiler": 1}, "nothing failed there"


def test_a_video_that_is_away_keeps_the_samples_it_has(tmp_path: Path, world: World):
    world.faults = {("frames", "ape-000003"): "cut", ("flow", "cat-000000"): "no memory"}
    made = build(tmp_path / "made")
    before = tree(made / "frames")
    world.faults = {("frames", "ape"): "cannot be read: Input/output error"}
    lines = [str(retried) for retried in retry_failed(made, 0)]
    assert lines == [
        f"{made}/frames/000000.tar: stays as it is, for ape would lose all its samples: cannot be read: "
        "Input/output error",
        f"{made}/flow/000001.tar: 1 failed, none still does",
    ]
    assert tree(made / "frames") == before


def test_too_few_successes_leave_the_shard_as_it_is(tmp_path: Path, world: World):
    world.faults = {("flow", "cat-000000"): "cut", ("flow", "cat-000001"): "no memory"}
    made = build(tmp_path / "made")
    before = tree(made)
    del world.faults["flow", "cat-000001"]
    [line] = map(str, retry_failed(made, 0.9))
    assert line.startswith(f"{made}/flow/000001.tar: flow: 1 of 3 failed, and min_success is 0.9:\n  1 x cut")
    assert tree(made) == before
    assert [(retried.failed, retried.left) for retried in retry_failed(made, 0.5)] == [(2, 1)]


def raised(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "STAGES", STAGES | {"flow": replace(STAGES["flow"], version=2)})


def gone(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for suffix in ("tar", "json"):
        (made / f"flow/000000.{suffix}").unlink()


def grown(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing(made, uri="moved/")


def flipped(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = made / "flow/000000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"ape", b"apE", 1))


def strange(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made / "flow/000000.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"options": {"colour": 1}}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (raised, "flow/000000.tar: was made by version 1, now it is 2: run `snakemake` instead"),
        (gone, "flow/000000.tar: is not there: run `snakemake` to make it"),
        (grown, "frames/000000.tar: was made from other videos than the catalog has now: run `snakemake` instead"),
        (flipped, "flow/000000.tar: its bytes changed since it was written"),
        (strange, "flow/000000.tar: its record's options are not what flow takes: "),
    ],
)
def test_what_is_snakemakes_to_make_is_said(
    change: Any, says: str, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
):
    world.faults = {("flow", "ape-000001"): "no memory"}
    made = build(tmp_path / "made")
    world.faults = {}
    change(made, monkeypatch)
    before = tree(made)
    lines = [retried.trouble for retried in retry_failed(made, 0) if retried.trouble]
    assert lines[0].startswith(f"{made}/{says}")
    assert tree(made) == before


def test_an_adopted_dataset_is_refused(tmp_path: Path):
    write_adopted(tmp_path, Adopted(("000000",), ("flow",)))
    with pytest.raises(UserError, match="was adopted"):
        list(retry_failed(tmp_path, 0))


def test_a_folder_without_columns_and_one_that_is_locked_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no dataset that was made here"):
        list(retry_failed(tmp_path, 0))
    made = build(tmp_path / "results/made")
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    with pytest.raises(UserError, match="snakemake --unlock"):
        list(retry_failed(made, 0))


def test_what_became_of_a_shard_is_a_line():
    assert str(Retried(Path("a/frames/000000.tar"), 3, 1)) == "a/frames/000000.tar: 3 failed, 1 still does"
