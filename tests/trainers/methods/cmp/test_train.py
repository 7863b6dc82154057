"""Training through the command line: killed and taken up, in two processes, and refused."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from common_fate.manifest.tables import write_manifest
from tests.support.made_dataset import SHARDS, make_dataset
from trainers.data.split import Split
from trainers.engine.options import Machine, build
from trainers.engine.train import train
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.options import CMPOptions
from trainers.models.saving import load_model

ROOT = Path(__file__).resolve().parents[4]
OPTIONS = {
    "model": {"encoder": "resnet18"},
    "loss": {"bins": 21},
    "guidance": {"kernel_size": 9, "grid_stride": 16},
    "transforms": {"shorter_side": 32, "crop": 32},
    "training": {"iterations": 8, "batch_size": 4, "validate_every": 3, "checkpoint_every": 2},
}
SPLIT = Split(validation_share=0.4)  # one of the three videos
RESULTS = ("model.safetensors", "curves.csv")


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "small") / "shards" / "cmp"


def started(
    view: Path, to: Path, *launch: str, share: float = SPLIT.validation_share, **changed: object
) -> subprocess.Popen[str]:
    command = [sys.executable, *launch, "-m", "trainers", "train", "cmp", str(view), "--to", str(to)]
    command += ["--options", json.dumps(OPTIONS | changed), "--split", json.dumps({"validation_share": share})]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command += ["--threads", "1", "--workers", "1"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def trained(view: Path, to: Path, **training: object) -> None:
    options = build(CMPOptions, OPTIONS | {"training": OPTIONS["training"] | training})
    train(METHOD, [view], [], options, SPLIT, to, Machine(workers=0, threads=1))


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
    assert rows[0] == "iteration,learning_rate,loss,validation.epe"
    assert [row.split(",")[0] for row in rows[1:]] == [str(n) for n in range(1, 9)]
    assert [row.split(",")[0] for row in rows[1:] if row.split(",")[3]] == ["3", "6", "8"]


@pytest.mark.slow
def test_two_processes_train_one_model(view: Path, tmp_path: Path):
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    process = started(view, tmp_path / "two", *launch)
    assert process.wait() == 0, process.stderr.read()
    model = load_model(tmp_path / "two" / "model.safetensors")
    assert model.options == build(CMPOptions, OPTIONS)
    assert all(value.isfinite().all() for value in model.net.state_dict().values())
    assert len(list(tmp_path.glob("two/runs/*/last.ckpt"))) == 1


def test_what_comes_out(view: Path, tmp_path: Path):
    trained(view, tmp_path, iterations=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.csv", "model.safetensors", "runs", "train.json"]
    model = load_model(tmp_path / "model.safetensors")
    assert (model.method, model.split) == (METHOD, SPLIT)
    facts = json.loads((tmp_path / "train.json").read_text())
    assert facts["method"] == "cmp"
    assert build(CMPOptions, facts["options"]) == model.options
    assert facts["datasets"] == [str(view)]
    assert (facts["samples"], facts["videos"], facts["iterations"], facts["batch_size"]) == (8, 2, 1, 4)
    parameters = facts["parameters"]
    assert list(parameters) == ["encoder", "reduce", "motion", "decoder", "total"]
    assert parameters["total"] == sum(p.numel() for p in model.net.parameters())
    assert parameters["encoder"] == sum(p.numel() for p in model.net.encoder.parameters())


# Of the first trainer of this repository, whose loop was SGD with a tenth of the rate after each milestone.
LOSSES = (6.080134391784668, 2.5941076278686523, 0.8191253542900085)
LAST_EPE = 3.36692000260523


@pytest.mark.slow
def test_the_numbers_are_those_of_the_first_trainer(view: Path, tmp_path: Path):
    """To the last bit on the machine that they are from; elsewhere kernels add up in other orders."""
    trained(view, tmp_path)
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [float(row["loss"]) for row in rows[:3]] == pytest.approx(LOSSES, rel=1e-3)
    assert float(rows[-1]["validation.epe"]) == pytest.approx(LAST_EPE, rel=0.02)
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([0.1] * 5 + [0.01] * 2 + [0.001])


def test_other_options_start_another_run_and_keep_the_old(view: Path, tmp_path: Path):
    """What the manifest says of the videos starts none."""
    for iterations in (1, 2, 2):
        trained(view, tmp_path, iterations=iterations)
        write_manifest(view, SHARDS, f"after {iterations}")
    runs = sorted(tmp_path.glob("runs/*/last.ckpt"))
    assert sorted(torch.load(run, weights_only=True)["iteration"] for run in runs) == [1, 2]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"training": {"iterations": 8, "batch_size": 50}}, "batch_size is 50, and there are 8 samples"),
        ({"share": 0.999}, "no samples to train on"),
        ({"share": 1}, "--split: validation_share is 1.0: a share of the videos"),
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
