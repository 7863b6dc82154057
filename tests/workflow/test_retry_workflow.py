"""`retry-failed` on a dataset that Snakemake built, and what Snakemake makes of it afterwards."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workspace import ROOT, Workspace

from tests.sources.clips import write_clip

pytestmark = pytest.mark.slow

DATASET: dict[str, Any] = {
    "source": {"kind": "videos", "path": "clips/*"},
    "frames": {"select": "all", "triplets": True, "shorter_side": 48},
    "flow": {"backward": True},
    "views": ["cmp", "grouping", "selflow"],
    "videos_per_shard": 3,
    "min_success": 0,
}
CLIPS = ("a1.mp4", "a2.mjpeg", "a3.mp4", "b1.mp4", "b2.mp4", "b3.mp4", "c1.mp4")
TARGETS = ("--", "shards", "frames", "flow", "guidance", "regions", "superpixels")


def film(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in CLIPS:
        codec = "mjpeg" if name.endswith("mjpeg") else "libx264"
        write_clip(folder / name, 6, codec, (64, 48))
    (folder / "b3.mp4").write_bytes(b"no video at all")  # and never will be


def spoil(folder: Path) -> None:
    """Files of the same size that cannot be read, or not all of them."""
    whole = folder / "a1.mp4"
    whole.write_bytes(np.random.default_rng(0).bytes(whole.stat().st_size))
    data = bytearray((folder / "a2.mjpeg").read_bytes())
    frames = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xd8"]
    data[frames[3] : frames[4]] = bytes(frames[4] - frames[3])
    (folder / "a2.mjpeg").write_bytes(data)


def retry(workspace: Workspace) -> subprocess.Popen[str]:
    """`retry-failed`, started."""
    command = [sys.executable, "-m", "pipeline", "retry-failed", "results/films"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=workspace.folder, env=environment, **pipes)


def repair(workspace: Workspace, repaired: Workspace) -> None:
    subprocess.run(["cp", "-a", f"{repaired.folder}/clips", str(workspace.folder)], check=True)


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The dataset as a full run makes it of the whole files."""
    workspace = Workspace(tmp_path_factory.mktemp("whole"))
    film(workspace.folder / "clips")
    workspace.configure({"films": DATASET})
    workspace.make(*TARGETS)
    return workspace


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The dataset as a run makes it of the spoilt files."""
    workspace = Workspace(tmp_path_factory.mktemp("spoilt"))
    film(workspace.folder / "clips")
    spoil(workspace.folder / "clips")
    workspace.configure({"films": DATASET})
    workspace.make(*TARGETS)
    return workspace


@pytest.fixture
def workspace(spoilt: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `spoilt`, with Snakemake's notes."""
    subprocess.run(["cp", "-a", str(spoilt.folder), str(tmp_path / "copy")], check=True)
    return Workspace(tmp_path / "copy")


def test_repaired_files_and_a_retry_give_what_a_full_run_gives(workspace: Workspace, repaired: Workspace):
    before = workspace.tree()
    assert before != repaired.tree()
    repair(workspace, repaired)
    run = retry(workspace)
    said, _ = run.communicate()
    assert run.returncode == 0
    assert said.splitlines()[-1].startswith("results/films: ")
    assert workspace.tree() == repaired.tree()
    assert not workspace.planned(*TARGETS), "Snakemake finds nothing to do"


def test_killed_at_any_moment_and_run_again(workspace: Workspace, repaired: Workspace):
    repair(workspace, repaired)
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
    assert workspace.tree() == repaired.tree()
    assert not workspace.planned(*TARGETS)
