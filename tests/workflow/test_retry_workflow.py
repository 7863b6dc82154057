"""`retry-failed` on a dataset that Snakemake built, and what Snakemake makes of it afterwards."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from common_fate.datasets.catalog import read_catalog, read_plan
from common_fate.datasets.verify import verify
from common_fate.manifest.tables import write_manifest
from common_fate.shards.record import Record
from pipeline.registry import STAGES, VIEWS
from pipeline.stages.runner import run_stage
from pipeline.upkeep.retry import retry_failed
from pipeline.views import View, build_view
from tests.support.clips import write_clip
from tests.support.workspace import ROOT, Workspace

pytestmark = pytest.mark.slow

DATASET: dict[str, Any] = {
    "source": {"kind": "videos", "path": "clips/*"},
    "frames": {"select": "all", "triplets": True},
    "flow": {"backward": True},
    "views": ["cmp"],
    "videos_per_shard": 3,
    "min_success": 0,
}
CLIPS = ("a1.mp4", "a2.mp4", "a3.mp4", "b1.mp4")
TARGETS = ("--", "frames", "flow", "guidance", "shards")


def film(folder: Path) -> None:
    """Four clips of six frames, of which one cannot be read and never will."""
    folder.mkdir(parents=True)
    for name in CLIPS:
        write_clip(folder / name, 6, "mjpeg", (64, 48))
    (folder / "a3.mp4").write_bytes(b"no video at all")


def spoil(folder: Path) -> None:
    """Damage that leaves the files' sizes as they were: to all of a clip, and to one frame of another."""
    whole = folder / "a1.mp4"
    whole.write_bytes(np.random.default_rng(0).bytes(whole.stat().st_size))
    with av.open(str(folder / "a2.mp4")) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][3]
        start, end = packet.pos, packet.pos + packet.size
    data = bytearray((folder / "a2.mp4").read_bytes())
    data[start:end] = bytes(end - start)
    (folder / "a2.mp4").write_bytes(data)


def retry(workspace: Workspace) -> subprocess.Popen[str]:
    """`retry-failed`, started."""
    command = [sys.executable, "-m", "pipeline", "retry-failed", "results/films"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=workspace.folder, env=environment, **pipes)


def rebuilt(results: Path, to: Path, views: list[View]) -> Path:
    """A dataset from nothing, with the options that its records have: what a full run makes."""
    for name in ("catalog.parquet", "plan.json"):
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(results / name, to)
    shards = [f"{number:06d}" for number in range(len(read_plan(to / "plan.json")))]
    videos = read_catalog(to / "catalog.parquet")
    for shard, (name, stage) in product(shards, STAGES.items()):
        if (results / name).is_dir():
            inputs = {other: to / other / f"{shard}.tar" for other in stage.reads} | {"source": to / "plan.json"}
            options = stage.options(**Record.read(results / name / f"{shard}.json").options)
            run_stage(stage, inputs, to / name / f"{shard}.tar", options, 0)
    for view in views:
        for shard in shards:
            columns = {name: to / name / f"{shard}.tar" for name in view.columns}
            build_view(view, columns, to / "shards" / view.name / f"{shard}.tar")
        write_manifest(to / "shards" / view.name, shards, f"{to.name} ({view.name})", videos)
    return to


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The dataset as Snakemake makes it of the spoilt files."""
    workspace = Workspace(tmp_path_factory.mktemp("spoilt"))
    film(workspace.folder / "clips")
    spoil(workspace.folder / "clips")
    workspace.configure({"films": DATASET})
    workspace.make(*TARGETS)
    return workspace


@pytest.fixture
def workspace(spoilt: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of `spoilt`, with Snakemake's notes, in which the files are whole again."""
    subprocess.run(["cp", "-a", str(spoilt.folder), str(tmp_path / "copy")], check=True)
    shutil.rmtree(tmp_path / "copy/clips")
    film(tmp_path / "copy/clips")
    monkeypatch.chdir(tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def test_repaired_files_and_a_retry_give_what_a_full_run_gives(workspace: Workspace, tmp_path: Path):
    assert not workspace.planned(*TARGETS), "files that were repaired do not show"
    run = retry(workspace)
    said, _ = run.communicate()
    assert run.returncode == 0
    assert said.splitlines() == [
        "results/films/frames/000000.tar: 3 failed, 1 still does",
        "results/films: 3 failed, 1 still does",
    ]
    films = workspace.folder / "results/films"
    assert tree(films) == tree(rebuilt(films, tmp_path / "films", [VIEWS["cmp"]]))
    assert not workspace.planned(*TARGETS), "Snakemake finds nothing to do"


@pytest.mark.faults
def test_killed_at_any_moment_and_run_again(workspace: Workspace, tmp_path: Path):
    chance = random.Random(3)
    for _ in range(3):
        run = retry(workspace)
        while run.poll() is None and not list(workspace.folder.glob("results/**/.*.tmp")):
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.2))
        run.send_signal(signal.SIGKILL)
        run.communicate()
    retry(workspace).communicate()
    workspace.make(*TARGETS)  # what was killed between a tar and its record
    films = workspace.folder / "results/films"
    assert tree(films) == tree(rebuilt(films, tmp_path / "films", [VIEWS["cmp"]]))
    assert not workspace.planned(*TARGETS)


def test_every_stage_and_view_is_retried(workspace: Workspace, tmp_path: Path):
    films = workspace.folder / "results/films"
    for stage, options in (("regions", {"leaves": 7}), ("superpixels", {"segments": 30})):
        for shard in ("000000", "000001"):
            frames = {"frames": films / f"frames/{shard}.tar"}
            run_stage(STAGES[stage], frames, films / stage / f"{shard}.tar", STAGES[stage].options(**options), 0)
    for view, shard in product((VIEWS["grouping"], VIEWS["selflow"]), ("000000", "000001")):
        columns = {name: films / name / f"{shard}.tar" for name in view.columns}
        build_view(view, columns, films / "shards" / view.name / f"{shard}.tar")
    assert not [retried.trouble for retried in retry_failed(Path("results/films"), 0) if retried.trouble]
    assert tree(films) == tree(
        rebuilt(films, tmp_path / "films", [VIEWS[name] for name in ("cmp", "grouping", "selflow")])
    )
    assert verify(films, full=True) == []
