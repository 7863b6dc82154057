"""Snakemake or its jobs are killed at work; then one command ends in what an undisturbed run leaves, byte for byte."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.disturbed import disturbed
from tests.support.strikes import Strike
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.faults]

SOURCE = {"kind": "synthetic", "videos": 1, "frames": 4, "height": 48, "width": 64, "objects": 1}
DATASETS: dict[str, Any] = {
    "one": {"source": SOURCE},
    "parts": {"source": SOURCE, "frames": {"triplets": True}, "views": ["grouping", "selflow"]},
}
COMMANDS = {  # each with a file that it makes, none of which another one needs that comes later
    "frames": "results/one/frames/000000.tar",
    "flow": "results/one/flow/000000.tar",
    "truth": "results/one/truth/000000.tar",
    "guidance": "results/one/guidance/000000.tar",
    "regions": "results/parts/regions/000000.tar",
    "superpixels": "results/parts/superpixels/000000.tar",
    "view": "results/one/shards/cmp/000000.tar",
    "manifest": "results/one/shards/cmp/samples.parquet",
}
TARGETS = list(COMMANDS.values())
STEPS = 9  # of the shortest job, in writing what it makes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed"))
    workspace.configure(DATASETS)
    workspace.make(*TARGETS)
    return workspace.tree()


@pytest.fixture
def struck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("struck")


def test_workers_are_killed_at_any_step_of_every_stage(
    workspace: Workspace, struck: Path, undisturbed: dict[str, bytes]
):
    """With retries, as on a cluster, the run goes on by itself."""
    workspace.configure(DATASETS)
    dice = random.Random(1)
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    strikes = {
        command: Strike(dice.randint(1, STEPS), signals[number % 3], "worker", pause=1)
        for number, command in enumerate(COMMANDS)
    }
    done = disturbed(workspace, struck, strikes, "--retries", "1", "--", *TARGETS)
    assert done.returncode == 0, done.stderr[-4000:]
    assert workspace.tree() == undisturbed


def test_schedulers_are_killed_at_any_step_of_every_stage(
    workspace: Workspace, struck: Path, undisturbed: dict[str, bytes]
):
    """Every other one with its worker; the other workers live on, and end or not before the next scheduler comes."""
    workspace.configure(DATASETS)
    dice = random.Random(2)
    for number, (command, target) in enumerate(COMMANDS.items()):
        strike = Strike(dice.randint(1, STEPS), signal.SIGKILL, ("both", "scheduler")[number % 2], dice.uniform(0, 3))
        assert disturbed(workspace, struck, {command: strike}, target).returncode == -signal.SIGKILL
        if number == 0:
            again = workspace.snakemake(target)
            assert again.returncode != 0
            assert "It can be removed with the --unlock argument." in again.stderr
            assert workspace.snakemake("--unlock").returncode == 0
        shutil.rmtree(workspace.folder / ".snakemake/locks", ignore_errors=True)  # as that does, but seconds faster
    workspace.make(*TARGETS)
    assert workspace.tree() == undisturbed


def test_a_worker_that_outlives_its_scheduler_is_waited_for(
    workspace: Workspace, struck: Path, undisturbed: dict[str, bytes]
):
    workspace.configure(DATASETS)
    target = COMMANDS["frames"]
    disturbed(workspace, struck, {"frames": Strike(STEPS, signal.SIGKILL, "scheduler", pause=300)}, target)
    assert workspace.snakemake("--unlock").returncode == 0
    log = workspace.folder / "logs/frames/one/000000.log"
    said = workspace.folder / "said"
    with subprocess.Popen(workspace.command(target), cwd=workspace.folder, stderr=said.open("w")) as run:
        while run.poll() is None and "another process is writing it: waiting until it is done" not in log.read_text():
            time.sleep(0.05)
        assert run.poll() is None, said.read_text() + log.read_text()
        (struck / "go").touch()
    assert run.returncode == 0
    assert workspace.tree() == {path: data for path, data in undisturbed.items() if path in workspace.tree()}
    assert "one/frames/000000.json" in workspace.tree()


def test_a_scheduler_that_is_told_to_stop_leaves_no_lock(
    workspace: Workspace, struck: Path, undisturbed: dict[str, bytes]
):
    """By SIGTERM, as a cluster or a shutdown does, and by SIGINT, which Ctrl-C sends to its jobs as well."""
    workspace.configure(DATASETS)
    target = COMMANDS["flow"]
    for command, number, whom in (("frames", signal.SIGTERM, "scheduler"), ("flow", signal.SIGINT, "both")):
        # A busy machine's scheduler takes its time to hear it: its last job must not have ended by then.
        stopped = disturbed(workspace, struck, {command: Strike(5, number, whom, pause=8)}, target)
        assert stopped.returncode not in (0, -number)
    workspace.make(target)
    assert workspace.tree() == {path: data for path, data in undisturbed.items() if path in workspace.tree()}
    assert "one/flow/000000.json" in workspace.tree()
