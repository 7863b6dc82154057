"""The literal `snakemake --profile slurm all`, on a real SLURM that cancels, preempts and limits its jobs."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.workspace import ROOT, Workspace

pytestmark = pytest.mark.slurm

MINUTE = 60
# More than a minute's, also after it was preempted, and few enough for a slow machine: a core does one or two a second.
ITERATIONS = 150 * (os.cpu_count() or 1)


@dataclass(frozen=True)
class Clone:
    """The repository's files in a folder of their own, with a profile for the test's cluster."""

    folder: Path

    def snakemake(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("snakemake")), "--profile", "slurm", *arguments]
        with (self.folder / "said.txt").open("w") as said:
            return subprocess.Popen(command, cwd=self.folder, stdout=said, stderr=said, text=True)

    def made(self, process: subprocess.Popen[str], minutes: float) -> None:
        """Waits until Snakemake ends well."""
        code = process.wait(minutes * MINUTE)
        assert code == 0, (self.folder / "said.txt").read_text()[-6000:]

    def edit(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.folder / name
        values = yaml.safe_load(path.read_text())
        change(values)
        path.write_text(yaml.safe_dump(values))

    def shards(self) -> dict[str, bytes]:
        """All that is made of the datasets, by path."""
        paths = [path for path in (self.folder / "results").glob("demo*/**/*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


def clone(folder: Path) -> Clone:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    made = Clone(folder)
    made.edit("config.yaml", few_shards_long_training)
    return made


def few_shards_long_training(config: dict[str, Any]) -> None:
    config["datasets"]["demo"]["videos_per_shard"] = 80
    config["experiments"]["demo"].pop("start", None)
    config["experiments"]["demo"] |= {"recipe": "demo", "training": {"iterations": ITERATIONS, "checkpoint_every": 20}}
    for name in ("demo_groups", "demo_arm"):  # one training, which is disturbed and timed
        del config["experiments"][name]
    del config["datasets"]["demo_arm"]


def on_test_cluster(profile: dict[str, Any]) -> None:
    profile["default-resources"].update(slurm_account="lab", slurm_partition="cpu", gpu_partition="gpu")
    profile.update({"jobs": 4, "slurm-init-seconds-before-status-checks": 5})


def too_little_at_first(profile: dict[str, Any]) -> None:
    """A first try of guidance lacks memory, and one of training lacks time."""
    # So little that the job is over it from its first second: SLURM looks at a job once a second.
    profile["set-resources"].setdefault("guidance_shard", {})["mem_mb"] = "40 if attempt == 1 else 4000"
    profile["set-resources"]["train"]["runtime"] = "1 if attempt == 1 else 60"


@dataclass(frozen=True)
class Job:
    id: str
    rule: str
    state: str
    partition: str
    asked: str


def table(*command: str) -> list[list[str]]:
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("|") for line in said.splitlines()]


def rule_of(comment: str) -> str:
    return comment.split("_wildcards")[0].removeprefix("rule_")


def jobs() -> list[Job]:
    """SLURM's account of all its jobs that ended, with each try of one that was requeued."""
    rows = table("sacct", "-n", "-P", "-X", "--duplicates", "-o", "jobid,comment,state,partition,reqtres%100")
    return [
        Job(number, rule_of(comment), state.split()[0], partition, asked)
        for number, comment, state, partition, asked in rows
        if comment
    ]


def wait_until(true: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """What `true` returns, once that is true."""
    end = time.monotonic() + 15 * MINUTE
    while not (value := true()):
        assert process.poll() is None, "Snakemake ended before"
        assert time.monotonic() < end, "nothing goes on"
        time.sleep(0.5)
    return value


def running(rule: str) -> str | None:
    """The id of a job of the rule that runs now."""
    rows = table("squeue", "--noheader", "--states=RUNNING", "--format=%i|%k")
    return next((number for number, comment in rows if rule_of(comment) == rule), None)


@pytest.fixture(scope="session")
def disturbed(slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Everything was made: with a flow job cancelled, and the training preempted."""
    made = clone(tmp_path_factory.mktemp("clone"))
    made.edit("profiles/slurm/config.yaml", on_test_cluster)
    made.edit("profiles/default/config.yaml", too_little_at_first)
    process = made.snakemake("all")
    try:
        subprocess.run(["scancel", wait_until(lambda: running("flow_shard"), process)], check=True)
        wait_until(
            lambda: running("train") and any(made.folder.glob("results/experiments/demo/runs/*/last.ckpt")), process
        )
        urgent = ["--partition=urgent", "--account=lab", "--nodes=2", "--exclusive", "--output=/dev/null"]
        subprocess.run(["sbatch", *urgent, "--wrap=sleep 1"], check=True, capture_output=True)
        made.made(process, minutes=30)
    finally:
        process.kill()  # asked kindly, it would wait for its jobs
        process.wait()
    return made


def test_what_was_cancelled_or_had_too_little_was_tried_again(disturbed: Clone):
    ended: dict[str, Counter[str]] = {}
    for job in jobs():
        ended.setdefault(job.rule, Counter())[job.state] += 1
    assert ended["flow_shard"] == {"CANCELLED": 1, "COMPLETED": 2}
    assert ended["guidance_shard"] == {"FAILED": 2, "COMPLETED": 2}  # killed for its memory
    assert ended["train"]["PREEMPTED"] == ended["train"]["TIMEOUT"] == ended["train"]["COMPLETED"] == 1
    assert ended["regions_shard"] == {"COMPLETED": 1}
    assert ended["manifest"] == {"COMPLETED": 3}


def test_shards_are_those_of_an_undisturbed_run_without_slurm(disturbed: Clone, tmp_path: Path):
    plain = clone(tmp_path)
    Workspace(plain.folder, plain.folder).make("--", "shards", "truth")
    expected = plain.shards()
    assert len(expected) > 40
    assert disturbed.shards() == expected


def test_training_went_on_from_its_checkpoint(disturbed: Clone):
    (run,) = (disturbed.folder / "results/experiments/demo/runs").iterdir()
    # A purge in TensorBoard's events stands for each time that the run was taken up again.
    assert len(list(run.glob("events.*"))) == 3
    metrics = json.loads((disturbed.folder / "results/experiments/demo/metrics.json").read_text())
    assert metrics["training"]["iterations"] == ITERATIONS


def test_shards_are_arrays_and_training_is_on_the_gpu_partition(disturbed: Clone):
    frames, train = ([job for job in jobs() if job.rule == rule] for rule in ("frames_shard", "train"))
    assert {job.id.split("_")[1] for job in frames} == {"1", "2", "3"}
    assert {job.partition for job in frames} == {"cpu"}
    assert {job.partition for job in train} == {"gpu"}
    assert all("gres/gpu=1" in job.asked for job in train)


def test_a_second_run_has_no_jobs(disturbed: Clone):
    before = len(jobs())
    disturbed.made(disturbed.snakemake("all"), minutes=5)
    assert "Nothing to be done" in (disturbed.folder / "said.txt").read_text()
    assert len(jobs()) == before


def test_more_shards_than_jobs_in_the_queue_come_to_an_end(slurm: None, tmp_path: Path):
    made = clone(tmp_path)
    source = {"kind": "synthetic", "videos": 6, "frames": 2, "height": 32, "width": 32}
    small = {"datasets": {"small": {"source": source, "videos_per_shard": 1}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(small))
    made.edit("profiles/slurm/config.yaml", on_test_cluster)
    made.edit("profiles/slurm/config.yaml", lambda profile: profile.update(jobs=2))
    made.made(made.snakemake("frames"), minutes=10)
    assert len(list(tmp_path.glob("results/small/frames/*.tar"))) == 6


def test_several_nodes_train_together(disturbed: Clone):
    def one_on_two_nodes(config: dict[str, Any]) -> None:
        training = {"iterations": 4, "batch_size": 4, "checkpoint_every": 4, "validate_every": 4}
        config["experiments"]["two"] = config["experiments"]["demo"] | {"nodes": 2, "workers": 0, "training": training}

    disturbed.edit("config.yaml", one_on_two_nodes)
    disturbed.made(disturbed.snakemake("results/experiments/two/model.safetensors"), minutes=10)
    assert ["torchrun", "COMPLETED", "2", "2"] in table("sacct", "-n", "-P", "-o", "jobname,state,nnodes,ntasks")
    facts = json.loads((disturbed.folder / "results/experiments/two/train.json").read_text())
    assert facts["device"] == "2 x CPU"
