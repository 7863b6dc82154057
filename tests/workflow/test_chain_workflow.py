"""From video to shards to weights and back to shards, in one run: what learns flow makes flow to learn from.

Killed while it trains and while its flow is estimated, the same command ends in what an undisturbed run leaves.
"""

import json
import os
import shutil
import signal
import subprocess
from typing import Any

import pytest

from tests.support.disturbed import disturbed
from tests.support.strikes import Strike
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.faults]

SOURCE = {"kind": "synthetic", "videos": 3, "frames": 4, "height": 64, "width": 64, "objects": 1}
DATASETS: dict[str, Any] = {
    "clips": {"source": SOURCE, "frames": {"triplets": True}, "views": ["selflow", "flow"]},
    "more": {"source": SOURCE | {"seed": 1}, "flow": {"estimator": "network:experiments.tuned"}},
}
SHORT = {"iterations": 4, "batch_size": 2, "validate_every": 4, "checkpoint_every": 1}
FLOW: dict[str, Any] = {
    "method": "selflow",
    "train": ["clips"],
    "validation": {"share": 0.5},
    "network": {"name": "small", "frames": 2},
    "transforms": {"crop": 64},
    "training": SHORT,
    "workers": 0,
}
EXPERIMENTS: dict[str, Any] = {
    "teacher": FLOW | {"loss": {"kind": "noc", "warmup": 3}},
    "student": FLOW | {"loss": {"kind": "occ", "warmup": 3}, "start": "teacher", "teacher": "teacher"},
    "tuned": FLOW | {"loss": {"kind": "supervised"}, "start": "student"},
    "propagation": {
        "method": "cmp",
        "recipe": "demo",
        "train": ["more"],
        "validation": {"share": 0.5},
        "model": {"strides": [1]},
        "guidance": {"kernel_size": 9, "grid_stride": 16},
        "transforms": {"shorter_side": 48, "crop": 32},
        "training": SHORT,
        "workers": 0,
    },
}
TARGET = ("--cores", "1", "results/experiments/propagation/model.safetensors")
STRIKES = {
    "train": Strike(3, signal.SIGKILL, "both", only="replace *last.ckpt*"),  # its third checkpoint
    "flow": Strike(5, signal.SIGKILL, "both"),
}


def left(workspace: Workspace) -> dict[str, bytes]:
    """Every result but the runs' own files, and how long each took."""
    tree = {path: data for path, data in workspace.tree().items() if "/runs/" not in path}
    for path in [path for path in tree if path.endswith("train.json")]:
        facts = json.loads(tree[path])
        tree[path] = json.dumps(facts | {"seconds": 0, "waiting_for_data": 0}).encode()
    return tree


def test_the_circle_ends_in_the_same_bytes_wherever_it_is_killed(workspace: Workspace, tmp_path_factory: Any):
    workspace.configure(DATASETS, EXPERIMENTS)
    workspace.make("results/clips/shards/selflow/samples.parquet", "results/clips/shards/flow/samples.parquet")
    struck = Workspace(tmp_path_factory.mktemp("struck") / "copy")
    subprocess.run(["cp", "-a", str(workspace.folder), str(struck.folder)], check=True)
    made = workspace.make(*TARGET)
    assert (made["train"], made["flow_shard_on_gpu"], made["guidance_shard"], made["view_shard"]) == (4, 1, 1, 1)

    notes = tmp_path_factory.mktemp("notes")
    for command, strike in STRIKES.items():
        killed = disturbed(struck, notes, {command: strike}, *TARGET)
        assert killed.returncode == -signal.SIGKILL, killed.stderr[-4000:]
        shutil.rmtree(struck.folder / ".snakemake/locks", ignore_errors=True)  # as --unlock does, but seconds faster
    log = (struck.folder / "logs/train/teacher.log").read_text()
    assert log.lstrip().startswith("train: 2 of 4"), "it was taken up in its middle"
    again = struck.make(*TARGET)
    assert (again["train"], again["flow_shard_on_gpu"]) == (1, 1), "what was finished stands"
    expected = left(workspace)
    assert left(struck) == expected
    curves = expected["experiments/teacher/curves.csv"].decode().splitlines()
    assert curves[0] == "iteration,learning_rate,loss,validation.photometric,validation.visible"
    record = json.loads(expected["more/flow/000000.json"])
    assert record["provenance"]["network"] == "small"
    assert os.path.basename(record["provenance"]["checkpoint"]) == "model.safetensors"
