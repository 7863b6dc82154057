"""Splitting a view by video, as a training run holds videos out."""

import os
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from common_fate.datasets.catalog import Video, read_catalog, read_plan, write_catalog, write_plan
from common_fate.datasets.holdout import in_share
from common_fate.datasets.split import split
from common_fate.datasets.verify import verify
from common_fate.errors import UserError
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.column import Shard
from common_fate.shards.record import Record
from common_fate.shards.writer import write_shard
from common_fate.torch import ShardDataset
from pipeline.cli.app import app
from tests.support.made_dataset import make_dataset
from trainers.data.split import Split
from trainers.data.views import open_views

VIEW = "shards/cmp"
VIDEOS = [f"video{number:02d}" for number in range(40)]
PLAN = [VIDEOS[start : start + 8] for start in range(0, len(VIDEOS), 8)]
FAILED = "video03-000002"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of five shards with eight videos each, of three samples; one sample and one video failed."""
    results = tmp_path_factory.mktemp("split") / "results"
    whole = results / "whole"
    write_catalog(whole / "catalog.parquet", [Video(video, "videos", f"{video}.mp4", "CC0") for video in VIDEOS])
    write_plan(whole / "plan.json", PLAN)
    for number, videos in enumerate(PLAN):
        keys = [f"{video}-{n:06d}" for video in videos for n in range(3) if video != videos[-1]]
        failures = [
            {"key": videos[-1], "stage": "frames", "reason": "the file is empty"},
            *({"key": key, "stage": "flow", "reason": "not finite"} for key in keys if key == FAILED),
        ]
        facts = {"stage": "cmp", "version": 1, "options": {"frames": {}}, "inputs": {}, "failures": failures}
        facts["dropped"] = {
            "still pair": [f"{video}-000003" for video in videos],
            "black frame": [f"{videos[0]}-000004"],
        }
        names = ("width", "magnitude_mean", "points", "not_in_the_samples")
        measured = {name: {"mean": 1.0, "min": 1, "max": 1} for name in names}
        samples = [(key, sample(key)) for key in keys if key != FAILED]
        write_shard(whole / VIEW / f"{number:06d}.tar", samples, lambda f=facts, m=measured: f | {"statistics": m})
    write_manifest(whole / VIEW, [f"{number:06d}" for number in range(len(PLAN))], "whole (cmp)")
    return results


def sample(key: str) -> dict[str, bytes]:
    video, _, frame = key.rpartition("-")
    points = np.zeros((int(frame) + 1, 3), np.float32)
    facts = {"video": video, "width": 8, "height": 6, "magnitude_mean": VIDEOS.index(video) / 3}
    return {name: encode(name, value) for name, value in (("guidance.npy", points), ("json", facts))}


def sides(results: Path, folder: Path, hold_out: float) -> tuple[Path, Path]:
    return split(results / "whole" / VIEW, folder / "train", folder / "val", hold_out)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_dropped_goes_with_its_video(results: Path, tmp_path: Path):
    found: dict[str, list[str]] = {"still pair": [], "black frame": []}
    for view in sides(results, tmp_path, 0.3):
        planned = read_plan(view.parents[1] / "plan.json")
        assert not verify(view.parents[1], full=True)
        for number, videos in enumerate(planned):
            for reason, keys in Record.read(view / f"{number:06d}.json").dropped.items():
                assert keys
                assert {key.partition("-")[0] for key in keys} <= set(videos)
                found[reason] += keys
    assert sorted(found["still pair"]) == [f"{video}-000003" for video in VIDEOS]
    assert sorted(found["black frame"]) == [f"{videos[0]}-000004" for videos in PLAN]


@pytest.mark.parametrize("hold_out", [0.1, 0.3, 0.9])
def test_a_split_on_disk_and_hold_out_in_training_agree(results: Path, tmp_path: Path, hold_out: float):
    for side, view in zip(("train", "held out"), sides(results, tmp_path, hold_out), strict=True):
        chosen = open_views([results / "whole" / VIEW], None, Split(validation_share=hold_out), side, needs=())
        assert ShardDataset(view, check_sums=True).keys.to_pylist() == chosen.keys
        assert verify(view.parents[1], full=True) == []


def test_each_video_with_its_samples_and_failures_is_on_one_side(results: Path, tmp_path: Path):
    train, val = sides(results, tmp_path, 0.3)
    plans = [list(chain.from_iterable(read_plan(view.parents[1] / "plan.json"))) for view in (train, val)]
    assert plans == [[v for v in VIDEOS if not in_share(0.3, v)], [v for v in VIDEOS if in_share(0.3, v)]]
    for view, videos in zip((train, val), plans, strict=True):
        assert [video.video for video in read_catalog(view.parents[1] / "catalog.parquet")] == videos
        failed = [row["key"] for path in sorted(view.glob("0*.json")) for row in Record.read(path).failures]
        lost = [videos[-1] for videos in PLAN] + [FAILED]
        assert sorted(failed) == sorted(key for key in lost if key.partition("-")[0] in videos)
        for tar in view.glob("*.tar"):
            with Shard(tar) as shard:
                assert all(shard[key].encoded == sample(key) for key in shard)


def test_records_say_what_they_are_of_and_measure_what_they_hold(results: Path, tmp_path: Path):
    _, val = sides(results, tmp_path, 0.3)
    for path in sorted(val.glob("0*.json")):
        record = Record.read(path)
        origin = record.provenance["from"]
        assert (origin["dataset"], origin["hold_out"], origin["side"]) == ("whole", 0.3, "val")
        source = Record.read(results / "whole" / VIEW / f"{origin['shard']}.json")
        assert record.inputs == {"cmp": source.sha256}
        assert set(record.keys) < set(source.keys)
        if record.samples:
            speeds = [VIDEOS.index(key.partition("-")[0]) / 3 for key in record.keys]
            assert list(record.statistics) == ["width", "magnitude_mean", "points"]
            assert record.statistics["points"] == {"mean": 2.0, "min": 1.0, "max": 3.0}
            assert record.statistics["magnitude_mean"] == {
                "mean": pytest.approx(np.mean(speeds), abs=1e-6),
                "min": min(speeds),
                "max": max(speeds),
            }


def test_run_twice_or_killed_in_between_the_trees_are_the_same(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sides(results, tmp_path / "whole", 0.3)
    whole = tree(tmp_path / "whole")
    real = os.replace

    class Killed(BaseException):
        pass

    for moment in (0, 1, 2, 5, 13, 25):
        left = iter(range(moment))

        def replaced(*paths: Any, left: Any = left) -> None:
            if next(left, None) is None:
                raise Killed
            real(*paths)

        monkeypatch.setattr(os, "replace", replaced)
        with pytest.raises(Killed):
            sides(results, tmp_path / str(moment), 0.3)
        monkeypatch.setattr(os, "replace", real)
        sides(results, tmp_path / str(moment), 0.3)
        assert tree(tmp_path / str(moment)) == whole


def test_neighbouring_frames_come_with_their_sample(tmp_path: Path):
    """Members under `next.` are bytes of the sample itself: they go where its video goes."""
    whole = tmp_path / "results/whole"
    videos = ["video00", next(video for video in VIDEOS if in_share(0.3, video))]
    write_catalog(whole / "catalog.parquet", [Video(video, "videos", "") for video in videos])
    write_plan(whole / "plan.json", [videos])
    members = {video: {"jpg": b"1", "next.jpg": video.encode(), "json": b"{}"} for video in videos}
    facts = {"stage": "selflow", "version": 1, "options": {}, "inputs": {}}
    tar = whole / "shards/selflow/000000.tar"
    write_shard(tar, [(f"{video}-000001", members[video]) for video in videos], lambda: facts)
    made = split(tar.parent, tmp_path / "results/train", tmp_path / "results/val", 0.3)
    for view, video in zip(made, videos, strict=True):
        with Shard(view / "000000.tar") as shard:
            assert {key: shard[key].encoded for key in shard} == {f"{video}-000001": members[video]}


def test_the_command_line_says_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_dataset(tmp_path / "results/made")
    monkeypatch.chdir(tmp_path)

    def run(train: str, val: str) -> Result:
        names = ("--train", train, "--val", val, "--hold-out", "0.4")
        return CliRunner().invoke(app, ["split", f"results/made/{VIEW}", *names])

    lines = run("a", "b").stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"wrote results/a/{VIEW}", f"wrote results/b/{VIEW}"]
    for names in (("made", "new"), ("new", "made")):
        with pytest.raises(UserError, match="results/made: is a dataset of other videos: choose another name"):
            raise run(*names).exception or AssertionError("not refused")
    assert not (tmp_path / "results/new").exists()


@pytest.mark.parametrize(
    ("train", "val", "hold_out", "says"),
    [
        ("a", "a", 0.3, "--train and --val are both a"),
        ("a", "b", 0, "--hold-out 0: a share of the videos, more than 0 and less than 1"),
        ("a", "b", 1, "more than 0 and less than 1"),
        ("a", "b", 1e-9, "none of 40 videos held out: raise --hold-out 1e-09"),
        ("a", "b", 1 - 1e-9, "all of 40 videos held out: lower --hold-out"),
        ("a-", "b", 0.3, "--train: 'a-' cannot be a dataset's name"),
        ("a", "experiments", 0.3, "--val: 'experiments' cannot be a dataset's name"),
    ],
)
def test_what_cannot_be_split_is_one_line(
    results: Path, tmp_path: Path, train: str, val: str, hold_out: float, says: str
):
    with pytest.raises(UserError, match=says):
        split(results / "whole" / VIEW, tmp_path / train, tmp_path / val, hold_out)
    assert list(tmp_path.iterdir()) == []
