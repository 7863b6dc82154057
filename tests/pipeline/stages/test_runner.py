"""The runner, with a small stage of its own over columns made here."""

import errno
import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from common_fate.datasets.catalog import Video, write_catalog, write_listing, write_plan
from common_fate.datasets.share.share import share
from common_fate.datasets.split import split
from common_fate.datasets.stats import stats
from common_fate.datasets.verify import verify
from common_fate.errors import SampleError, ShardError, UserError
from common_fate.manifest.croissant import Publication
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.column import Shard
from common_fate.shards.keys import frame_key
from common_fate.shards.record import Record
from common_fate.shards.writer import write_shard
from common_fate.torch import ShardDataset
from pipeline.cli.app import stage_command
from pipeline.stages.runner import run_stage
from pipeline.stages.stage import Dropped, Failure, Items, Outcomes, Sample, Stage, each, in_batches
from pipeline.views import View, build_view

JPEG = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()


@dataclass(frozen=True)
class Options:
    factor: int = 2
    batch_size: int = 2


def column(folder: Path, stage: str, samples: dict[str, dict[str, Any]]) -> Path:
    """A finished shard of a made-up column."""
    encoded = ((key, {ext: encode(ext, value) for ext, value in members.items()}) for key, members in samples.items())
    facts = {"stage": stage, "version": 1, "options": {}, "inputs": {}}
    write_shard(folder / stage / "000000.tar", encoded, lambda: facts)
    return folder / stage / "000000.tar"


def numbers(count: int, **more: Any) -> dict[str, dict[str, Any]]:
    return {f"v-{i:06d}": {"x.npy": np.array([i]), "json": {"frame": i} | more} for i in range(count)}


def doubled(sample: Sample, options: Options) -> Sample | None:
    value = sample["x.npy"]
    if value[0] == 3:
        raise SampleError("three is refused")
    return None if value[0] == 4 else {"y.npy": value * options.factor}


DOUBLE = Stage("double", 1, ("numbers",), Options, each(doubled), measure=lambda s: {"y": float(s["y.npy"][0])})


def made(tar: Path) -> dict[str, int]:
    with Shard(tar) as shard:
        return {key: int(shard[key]["y.npy"][0]) for key in shard}


def test_a_sample_that_fails_is_a_row_and_one_outside_the_domain_is_not(tmp_path: Path):
    tar = tmp_path / "double/000000.tar"
    record = run_stage(DOUBLE, {"numbers": column(tmp_path, "numbers", numbers(6))}, tar, Options(), 0.5)
    assert made(tar) == {"v-000000": 0, "v-000001": 2, "v-000002": 4, "v-000005": 10}
    assert record.failures == [{"key": "v-000003", "stage": "double", "reason": "three is refused"}]
    assert record.statistics == {"y": {"mean": 4.0, "min": 0.0, "max": 10.0}}
    assert Record.read(tar.with_suffix(".json")) == record


def test_too_many_failures_fail_the_shard_with_the_reasons_by_count(tmp_path: Path):
    tar = tmp_path / "double/000000.tar"
    with pytest.raises(UserError, match=r"1 of 4 failed, and min_success is 0\.9:\s+1 x three is refused"):
        run_stage(DOUBLE, {"numbers": column(tmp_path, "numbers", numbers(4))}, tar, Options(), 0.9)
    assert list(tar.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        # Nine of thirteen videos cannot be opened; of the others there are more samples than min_success needs.
        ([Failure(f"v{video}", "empty", None) for video in range(9)], "9 of 13 videos failed, .*:\n  9 x empty$"),
        ([Failure("v0", "cut; the rest of the video is lost with it", 500)], "500 of 900 failed, .*:\n  1 x cut"),
        ([Failure("v0", "one frame only", None), Failure("v0", "again", None)], None),
    ],
)
def test_what_is_lost_with_a_video_counts(tmp_path: Path, outcomes: list[Failure], says: str | None):
    videos = [f"v{video}" for video in range(13)]
    write_listing(tmp_path, [Video(video, "videos", video) for video in videos], [videos])
    samples = [(f"v12-{number:06d}", {"json": {}}) for number in range(400)]
    stage = Stage("f", 1, ("source",), Options, lambda items, options: iter([*outcomes, *samples]))
    refused = pytest.raises(UserError, match=f"^f: {says}") if says else nullcontext()
    with refused:
        run_stage(stage, {"source": tmp_path / "plan.json"}, tmp_path / "f/000000.tar", Options(), 0.9)
    assert (tmp_path / "f/000000.tar").exists() == (says is None)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path):
    source = column(tmp_path, "numbers", numbers(6))
    for name in ("a", "b"):
        run_stage(DOUBLE, {"numbers": source}, tmp_path / name / "000000.tar", Options(), 0)
    for file in ("000000.tar", "000000.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_bug_in_a_stage_is_a_reason_with_its_type(tmp_path: Path):
    broken = Stage("broken", 1, ("numbers",), Options, each(lambda sample, options: {"y.npy": 1 / 0}))
    record = run_stage(
        broken, {"numbers": column(tmp_path, "numbers", numbers(1))}, tmp_path / "b/000000.tar", Options(), 0
    )
    assert [failure["reason"] for failure in record.failures] == ["ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EIO, "as the disk says"), "v-000000: Input/output error: see to the disk it lies on"),
        (MemoryError(), "v-000000: memory ran out: give the job more"),
    ],
)
@pytest.mark.parametrize("batched", [False, True])
def test_a_machine_that_fails_is_no_failure_of_a_sample(tmp_path: Path, error: Exception, says: str, batched: bool):
    """A row would stay when the machine is well again."""

    def fail(*given: Any) -> Any:
        raise SampleError("cannot be read") from error

    stage = Stage("f", 1, ("numbers",), Options, in_batches(fail, lambda sample: (1,)) if batched else each(fail))
    with pytest.raises(UserError, match=says):
        run_stage(stage, {"numbers": column(tmp_path, "numbers", numbers(2))}, tmp_path / "f/000000.tar", Options(), 0)
    assert not list((tmp_path / "f").iterdir())


def test_columns_are_joined_by_key_and_json_is_merged(tmp_path: Path):
    inputs = {
        "numbers": column(tmp_path, "numbers", numbers(3)),
        "more": column(tmp_path, "more", {"v-000001": {"z.npy": np.array([7]), "json": {"frame": 9, "extra": 5}}}),
    }
    seen: list[tuple[Any, ...]] = []

    def look(sample: Sample, options: Options) -> Sample:
        seen.append((int(sample["x.npy"][0]), int(sample["z.npy"][0]), sample["json"]))
        return {"y.npy": sample["x.npy"]}

    run_stage(
        Stage("join", 1, ("numbers", "more"), Options, each(look)), inputs, tmp_path / "j/000000.tar", Options(), 0
    )
    assert seen == [(1, 7, {"frame": 9, "extra": 5})]


def test_a_neighbour_is_joined_and_frames_without_one_are_left_out(tmp_path: Path):
    frames = numbers(4)
    for i, sample in enumerate(frames.values()):
        sample["json"]["next"] = (2, 3, None, None)[i]
    source = column(tmp_path, "frames", frames)
    stage = Stage(
        "difference",
        1,
        ("frames",),
        Options,
        in_batches(lambda samples, _: [{"y.npy": s["next.x.npy"] - s["x.npy"]} for s in samples], lambda s: (1,)),
        follow=("next",),
    )
    run_stage(stage, {"frames": source}, tmp_path / "d/000000.tar", Options(), 1)
    assert made(tmp_path / "d/000000.tar") == {"v-000000": 2, "v-000001": 2}


def test_one_bad_sample_of_a_batch_costs_only_itself(tmp_path: Path):
    def batch(samples: list[Sample], options: Options) -> list[Sample]:
        assert len(samples) <= options.batch_size
        if any(sample["x.npy"][0] == 1 for sample in samples):
            raise SampleError("one is refused")
        return [{"y.npy": sample["x.npy"]} for sample in samples]

    stage = Stage("batch", 1, ("numbers",), Options, in_batches(batch, lambda sample: (1,)))
    record = run_stage(
        stage, {"numbers": column(tmp_path, "numbers", numbers(5))}, tmp_path / "b/000000.tar", Options(), 0
    )
    assert record.keys == ["v-000000", "v-000002", "v-000003", "v-000004"]
    assert [failure["key"] for failure in record.failures] == ["v-000001"]


def test_the_source_gives_videos_and_each_sample_its_video(tmp_path: Path):
    videos = [Video("v", "videos", "v.mp4"), Video("w", "videos", "w.mp4")]
    write_catalog(tmp_path / "catalog.parquet", videos)
    write_plan(tmp_path / "plan.json", [["v"], ["w"]])
    alone = Stage("alone", 1, ("source",), Options, each(lambda sample, _: {"json": {"uri": sample["video"].uri}}))
    run_stage(alone, {"source": tmp_path / "plan.json"}, tmp_path / "a/000001.tar", Options(), 0)
    with Shard(tmp_path / "a/000001.tar") as shard:
        assert {key: shard[key]["json"] for key in shard} == {"w": {"uri": "w.mp4"}}
    beside = Stage("b", 1, ("numbers", "source"), Options, each(lambda sample, _: {"json": {"v": sample["video"].uri}}))
    inputs = {"numbers": column(tmp_path, "numbers", numbers(1)), "source": tmp_path / "plan.json"}
    run_stage(beside, inputs, tmp_path / "b/000000.tar", Options(), 0)
    with Shard(tmp_path / "b/000000.tar") as shard:
        assert shard["v-000000"]["json"] == {"v": "v.mp4"}


def test_a_shard_that_is_not_planned_is_refused(tmp_path: Path):
    write_plan(tmp_path / "plan.json", [["v"]])
    stage = Stage("alone", 1, ("source",), Options, each(lambda sample, _: {}))
    with pytest.raises(UserError, match="there is no shard 000007"):
        run_stage(stage, {"source": tmp_path / "plan.json"}, tmp_path / "a/000007.tar", Options(), 0)


def test_damage_does_not_travel(tmp_path: Path):
    source = column(tmp_path, "numbers", numbers(3))
    damaged = bytearray(source.read_bytes())
    damaged[700] ^= 1
    source.write_bytes(damaged)
    with pytest.raises(ShardError, match=r"numbers/000000\.tar: its bytes changed"):
        run_stage(DOUBLE, {"numbers": source}, tmp_path / "d/000000.tar", Options(), 0)


def test_the_record_holds_no_path_time_or_host(tmp_path: Path):
    tar = tmp_path / "double/000000.tar"
    run_stage(DOUBLE, {"numbers": column(tmp_path, "numbers", numbers(2))}, tar, Options(), 0)
    record = json.loads(tar.with_suffix(".json").read_text())
    assert str(tmp_path) not in json.dumps(record)
    assert not {"time", "seconds", "host", "date"} & set(record)


def looked_around(sample: Sample, options: Options) -> Sample:
    seen = [int(sample[name][0]) for name in ("previous.x.npy", "x.npy", "next.x.npy") if name in sample]
    return {"json": {"seen": seen}}


AROUND = Stage(
    *("around", 1, ("frames",), Options, each(looked_around)),
    follow=lambda options: ("previous", "next")[2 - options.factor :],
)


def frames(**facts: dict[str, int | None]) -> dict[str, dict[str, Any]]:
    nothing = {"previous": None, "next": None}
    return {f"v-{i:06d}": {"x.npy": np.array([i]), "json": nothing | facts[f"f{i}"]} for i in range(len(facts))}


def test_the_neighbours_may_follow_from_the_options(tmp_path: Path):
    made = frames(f0={"next": 1}, f1={"next": 2, "previous": 0}, f2={})
    source = column(tmp_path, "frames", made)
    for count, seen in ((1, {"v-000000": [0, 1], "v-000001": [1, 2]}), (2, {"v-000001": [0, 1, 2]})):
        tar = tmp_path / f"around{count}/000000.tar"
        run_stage(AROUND, {"frames": source}, tar, Options(factor=count), 1)
        with Shard(tar) as shard:
            assert {key: shard[key]["json"]["seen"] for key in shard} == seen


def test_frames_that_were_made_without_the_frame_before_are_refused_where_it_is_read(tmp_path: Path):
    members = {key: encode_all(sample) for key, sample in frames(f0={"next": 1}, f1={}).items()}
    facts = {"stage": "frames", "version": 1, "options": {"triplets": False}, "inputs": {}}
    write_shard(tmp_path / "frames/000000.tar", members.items(), lambda: facts)
    inputs = {"frames": tmp_path / "frames/000000.tar"}
    with pytest.raises(UserError, match=r"around: reads the frame before each, too: set frames\.triplets: true"):
        run_stage(AROUND, inputs, tmp_path / "around/000000.tar", Options(factor=2), 1)
    assert run_stage(AROUND, inputs, tmp_path / "around/000000.tar", Options(factor=1), 1).samples == 1


def encode_all(members: dict[str, Any]) -> dict[str, bytes]:
    return {extension: encode(extension, value) for extension, value in members.items()}


def long_videos(items: Items, options: Options) -> Outcomes:
    """Of each video every fifth frame, of which two are kept; every second other one is dropped, and others fail."""
    for video, _ in items:
        yield Failure(video, "no pair")
        for frame in range(0, 500_000, 5):
            key = frame_key(video, frame)
            if frame in (100_005, 400_000):
                yield key, {"jpg": JPEG, "json": {"frame": frame}}
            else:
                yield Dropped(key, "still") if frame % 2 else Failure(key, "torn")


def test_a_record_does_not_grow_with_what_failed_or_was_left_out(tmp_path: Path):
    """300,000 frames of a shard that may have 131,072 samples, from the stage to the view and all who read it."""
    home = tmp_path / "results/long"
    videos = [Video(name, "videos", f"/{name}.mp4", "CC0", 1) for name in ("a", "b", "c")]
    write_catalog(home / "catalog.parquet", videos)
    write_plan(home / "plan.json", [["a", "b", "c"]])
    stage = Stage("frames", 1, ("source",), Options, long_videos)
    record = run_stage(stage, {"source": home / "plan.json"}, home / "frames/000000.tar", Options(), 0)
    assert Record.read(home / "frames/000000.json") == record
    assert (record.samples, record.failed) == (6, 150_000)
    assert record.failures[:3] == [
        {"key": "a", "stage": "frames", "reason": "no pair"},
        {"key": "a-000000..399990:10", "stage": "frames", "reason": "torn"},
        {"key": "a-400010..499990:10", "stage": "frames", "reason": "torn"},
    ]
    assert record.dropped["still"][:2] == ["a-000005..099995:10", "a-100015..499995:10"]
    assert (home / "frames/000000.json").stat().st_size < 4000

    build_view(
        View("cut", 1, "frames", {"frames": ("jpg", "json")}),
        {"frames": home / "frames/000000.tar"},
        home / "shards/cut/000000.tar",
    )
    write_manifest(home / "shards/cut", ["000000"], "long (cut)", videos)
    assert verify(home, full=True) == []
    assert len(ShardDataset(home / "shards/cut")) == 6
    parts, _, failures, dropped = stats(home)
    assert [row[3] for row in parts.rows] == [150_000, 150_000]
    assert sorted(failures.rows) == [["frames", "no pair", 3, "a"], ["frames", "torn", 149_997, "a-000000"]]
    assert dropped.rows == [["still", 149_997, "a-000005"]]
    shared = share([home / "shards/cut"], tmp_path / "shared", False, Publication())
    assert shared.parts == ("cut",)
    assert verify(tmp_path / "shared", full=True) == []
    for view in split(home / "shards/cut", home.with_name("train"), home.with_name("val"), 0.5):
        assert verify(view.parents[1], full=True) == []
        (video, *_) = Record.read(view / "000000.json").keys[0]
        assert f"{video}-000005..099995:10" in Record.read(view / "000000.json").dropped["still"]


def test_a_stage_s_command_makes_its_column(tmp_path: Path):
    """What a line in the registry gives: a command that takes the options as JSON, which the rules call."""
    source = column(tmp_path, "numbers", numbers(3))
    app = typer.Typer()
    app.command(DOUBLE.name)(stage_command(DOUBLE))
    tar = tmp_path / "double/000000.tar"
    done = CliRunner().invoke(app, [str(source), "--to", str(tar), "--options", '{"factor": 5}'])
    assert done.exit_code == 0, done.output
    assert made(tar) == {"v-000000": 0, "v-000001": 5, "v-000002": 10}
    done = CliRunner().invoke(app, ["--help"])
    assert "Make one shard of the column `double` from numbers." in done.output
