"""Training through the command line: killed and taken up, in two processes, and refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from common_fate.manifest.tables import write_manifest
from tests.support.made_dataset import SHARDS, make_dataset
from trainers.engine.options import Machine, build
from trainers.methods.cmp.model import load_model
from trainers.methods.cmp.options import CMPOptions
from trainers.methods.cmp.train import train

ROOT = Path(__file__).resolve().parents[4]
# Of the three videos, hold_out takes one.
OPTIONS = {
    "model": {"encoder": "resnet18"},
    "loss": {"bins": 21},
    "guidance": {"kernel_size": 9, "grid_stride": 16},
    "transforms": {"shorter_side": 32, "crop": 32},
    "training": {"iterations": 8, "batch_size": 4, "validate_every": 3, "checkpoint_every": 2},
    "data": {"hold_out": 0.4},
}
RESULTS = ("model.safetensors", "encoder.safetensors", "curves.csv")


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "small") / "shards" / "cmp"


def started(view: Path, to: Path, *launch: str, **changed: object) -> subprocess.Popen[str]:
    command = [sys.executable, *launch, "-m", "trainers", "cmp", "train", str(view), "--to", str(to)]
    command += ["--options", json.dumps(OPTIONS | changed), "--threads", "1", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_run_ends_as_the_undisturbed_one(view: Path, tmp_path: Path):
    undisturbed = started(view, tmp_path / "undisturbed")
    killed = started(view, tmp_path / "killed")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("killed/runs/*/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    again = started(view, tmp_path / "killed")
    for process in (undisturbed, again):
        assert process.wait() == 0, process.stderr.read()
    for name in RESULTS:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes(), name
    rows = (tmp_path / "killed" / "curves.csv").read_text().splitlines()
    assert rows[0] == "iteration,loss,learning_rate,epe"
    assert [row.split(",")[0] for row in rows[1:]] == [str(n) for n in range(1, 9)]
    assert [row.split(",")[0] for row in rows[1:] if row.split(",")[3]] == ["3", "6", "8"]


@pytest.mark.slow
def test_two_processes_train_one_model(view: Path, tmp_path: Path):
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    process = started(view, tmp_path / "two", *launch)
    assert process.wait() == 0, process.stderr.read()
    net, options = load_model(tmp_path / "two" / "model.safetensors")
    assert options == build(CMPOptions, OPTIONS)
    assert all(value.isfinite().all() for value in net.state_dict().values())
    assert len(list(tmp_path.glob("two/runs/*/last.ckpt"))) == 1


def test_what_comes_out(view: Path, tmp_path: Path):
    options = build(CMPOptions, OPTIONS | {"training": OPTIONS["training"] | {"iterations": 1}})
    train([view], [], options, tmp_path, Machine(workers=0))
    net, _ = load_model(tmp_path / "model.safetensors")
    encoder = load_file(tmp_path / "encoder.safetensors")
    assert encoder.keys() == net.encoder.state_dict().keys()
    assert all(torch.equal(encoder[name], value) for name, value in net.encoder.state_dict().items())
    facts = json.loads((tmp_path / "train.json").read_text())
    assert facts["samples"] == 8
    assert facts["videos"] == 2
    assert facts["parameters"]["total"] == sum(p.numel() for p in net.parameters())
    assert facts["parameters"]["encoder"] == sum(p.numel() for p in net.encoder.parameters())


def test_other_options_start_another_run_and_keep_the_old(view: Path, tmp_path: Path):
    """What the manifest says of the videos starts none."""
    for iterations in (1, 2, 2):
        training = OPTIONS["training"] | {"iterations": iterations}
        train([view], [], build(CMPOptions, OPTIONS | {"training": training}), tmp_path, Machine(workers=0))
        write_manifest(view, SHARDS, f"after {iterations}")
    runs = sorted(tmp_path.glob("runs/*/last.ckpt"))
    assert sorted(torch.load(run, weights_only=True)["iteration"] for run in runs) == [1, 2]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"training": {"iterations": 8, "batch_size": 50}}, "batch_size is 50, and there are 8 samples"),
        ({"data": {"hold_out": 0.999}}, "no samples to train on"),
        ({"model": {"encoder": "resnet"}}, "--options: model.encoder is 'resnet': should be one of"),
    ],
)
def test_what_cannot_be_trained_is_one_line(view: Path, tmp_path: Path, changed: dict[str, object], message: str):
    process = started(view, tmp_path / "refused", **changed)
    _, said = process.communicate()
    assert process.returncode == 1
    assert said.startswith("error: ")
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "refused").exists()
