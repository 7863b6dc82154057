"""Experiments as jobs: what runs when, and what they are asked. One test trains; in the others a script stands in."""

import copy
import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.workspace import ROOT, SMALL, Workspace, changed
from trainers.engine.options import merged
from trainers.methods.cmp.recipes import RECIPES

pytestmark = pytest.mark.slow

STAND_IN = '''
"""Leaves the files that a command would, empty, and notes what it was asked."""
import sys
from pathlib import Path

command, to = sys.argv[1:], Path(sys.argv[sys.argv.index("--to") + 1])
files = {
    "train": [to / name for name in ("model.safetensors", "curves.csv", "train.json")],
    "report": [Path(command[1]) / "metrics.json", to / "index.html"],
    "compare": [to / "index.html"],
}.get(command[0], [to])
for file in files:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
with open("asked", "a") as asked:
    print(*command, sep="\\t", file=asked)
'''

TINY: dict[str, Any] = {
    "method": "cmp",
    "recipe": "demo",
    "train": ["small"],
    "validation": {"share": 0.3},
    "model": {"strides": [1]},
    "loss": {"bins": 9},
    "guidance": {"kernel_size": 9, "grid_stride": 16},
    "transforms": {"shorter_side": 48, "crop": 32},
    "training": {"iterations": 4, "batch_size": 2, "validate_every": 2, "checkpoint_every": 2},
    "workers": 0,
}
SEGMENTATION: dict[str, Any] = {
    "data": {"kind": "folder", "images": "images", "masks": "masks", "classes": ["a", "b"], "hold_out": 0.5},
    "transforms": {"crop": 32},
    "training": {"iterations": 2, "batch_size": 2},
}
EVALUATIONS: dict[str, Any] = {"propagation": {"pictured": 2}, "segmentation": SEGMENTATION}
GRID = {"nets": {"one": {"model": {"strides": [1]}}, "two": {"model": {"strides": [1, 2]}}}}
ALL: dict[str, Any] = {
    "tiny": TINY | {"evaluate": EVALUATIONS},
    "other": TINY | {"start": "tiny", "training": {**TINY["training"], "seed": 1}},
    "many": TINY | {"grid": GRID},
}


def given(**changes: Any) -> dict[str, Any]:
    """The experiments of ALL with some keys of `tiny` changed; mappings are merged."""
    experiments = copy.deepcopy(ALL)
    experiments["tiny"] = merged(experiments["tiny"], changes)
    return experiments


@pytest.fixture(scope="module")
def trained(made: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Experiments on `made`'s dataset as Snakemake leaves them, by a copy of the code in which a script stands in."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("common_fate", "pipeline", "trainers", "workflow", "profiles"):
        shutil.copytree(ROOT / name, folder / "code" / name)
    shutil.copy(ROOT / "Snakefile", folder / "code")
    (folder / "code/trainers/__main__.py").write_text(STAND_IN)
    subprocess.run(["cp", "-a", str(made.folder), str(folder / "work")], check=True)
    workspace = Workspace(folder / "work", folder / "code")
    masked_images(workspace.folder)
    workspace.configure({"small": SMALL}, ALL)
    ran = workspace.make()
    assert not {"frames_shard", "view_shard", "manifest"} & set(ran), "the dataset was there"
    assert ran == {"train": 4, "encoder": 4, "evaluate": 6, "experiment_report": 4, "grid_report": 1, "home": 1}
    return workspace


@pytest.fixture
def experiments(trained: Workspace, tmp_path: Path) -> Workspace:
    subprocess.run(["cp", "-a", str(trained.folder), str(tmp_path / "copy")], check=True)
    return Workspace(tmp_path / "copy", trained.root)


def asked(workspace: Workspace, *command: str) -> list[list[str]]:
    """What the commands that start so were asked besides."""
    lines = [line.split("\t") for line in (workspace.folder / "asked").read_text().splitlines()]
    return [line[len(command) :] for line in lines if line[: len(command)] == list(command)]


def option(line: list[str], name: str) -> str:
    return line[line.index(name) + 1]


def test_training_is_asked_with_resolved_options(experiments: Workspace):
    lines = {Path(option(line, "--to")).name: line for line in asked(experiments, "train", "cmp")}
    assert set(lines) == {"tiny", "other", "many-nets-one", "many-nets-two"}
    assert lines["tiny"][0] == "results/small/shards/cmp"
    assert not {"--validate", "--start", "--teacher"} & set(lines["tiny"])
    assert option(lines["other"], "--start") == "results/experiments/tiny/model.safetensors"
    assert option(lines["tiny"], "--workers") == "0"
    assert option(lines["tiny"], "--threads") == "2", "all cores of this run"
    assert json.loads(option(lines["tiny"], "--split")) == {"validation_share": 0.3, "train_share": 1.0}
    options = json.loads(option(lines["many-nets-two"], "--options"))
    assert options["model"] == {"encoder": "resnet18", "decoder": "plain", "strides": [1, 2], "width": 128}
    assert options["training"]["learning_rate"] == RECIPES["demo"]["training"]["learning_rate"]


def test_the_held_out_videos_are_evaluated(experiments: Workspace):
    lines = asked(experiments, "evaluate", "propagation")
    assert len(lines) == 4
    for line in lines:
        folder = Path(option(line, "--to")).parents[2]
        assert option(line, "--weights") == str(folder / "model.safetensors")
        assert option(line, "--to") == str(folder / "evaluations/propagation/model.json")
        assert (line[0], option(line, "--side")) == ("results/small/shards/cmp", "held out")
        assert json.loads(option(line, "--split"))["validation_share"] == 0.3


def test_segmentation_starts_from_the_encoder_and_from_scratch(experiments: Workspace):
    lines = {option(line, "--start"): line for line in asked(experiments, "evaluate", "segmentation")}
    assert set(lines) == {"encoder", "scratch"}
    assert option(lines["encoder"], "--weights") == "results/experiments/tiny/encoder.safetensors"
    assert "--weights" not in lines["scratch"]
    for start, line in lines.items():
        assert json.loads(option(line, "--method-options"))["model"]["encoder"] == "resnet18"
        assert option(line, "--to") == f"results/experiments/tiny/evaluations/segmentation/{start}.json"
        assert json.loads(option(line, "--options"))["training"]["iterations"] == 2


def test_a_report_has_the_evaluations_there_are(experiments: Workspace):
    lines = {line[0]: line for line in asked(experiments, "report")}
    folder = "results/experiments/tiny"
    names = ("propagation/model", "segmentation/encoder", "segmentation/scratch")
    assert lines[folder].count("--evaluation") == 3
    assert {f"{folder}/evaluations/{name}.json" for name in names} <= set(lines[folder])
    assert lines["results/experiments/other"].count("--evaluation") == 1


def test_a_grids_variants_are_compared_in_their_order(experiments: Workspace):
    (line,) = asked(experiments, "compare")
    assert line[:2] == ["results/experiments/many-nets-one", "results/experiments/many-nets-two"]
    assert option(line, "--to") == "results/report/experiments/many"


def test_nothing_to_do_means_no_jobs(experiments: Workspace):
    assert not experiments.planned()


@pytest.mark.parametrize("name", ["model.safetensors", "curves.csv", "train.json", "encoder.safetensors"])
def test_a_result_that_is_gone_is_made_again(experiments: Workspace, name: str):
    gone = experiments.folder / "results/experiments/many-nets-one" / name
    gone.unlink()
    rule = "encoder" if name == "encoder.safetensors" else "train"
    assert experiments.planned()[rule] == 1
    experiments.make()
    assert gone.exists()
    assert not experiments.planned()


def test_other_devices_and_workers_redo_nothing(experiments: Workspace, monkeypatch: pytest.MonkeyPatch):
    experiments.configure({"small": SMALL}, given(devices=2, workers=5))
    with_gpus(experiments, monkeypatch, 2)
    assert not experiments.planned()


def test_a_changed_option_redoes_that_experiment_and_what_follows(experiments: Workspace):
    experiments.configure({"small": SMALL}, given(guidance={"kernel_size": 11}))
    planned = experiments.planned()
    # From scratch, there is nothing new; what starts from its weights is trained again, too.
    assert planned == {"train": 2, "encoder": 2, "evaluate": 3, "experiment_report": 2, "home": 1}
    experiments.make()
    assert not experiments.planned()


def test_a_changed_variant_redoes_that_one_and_the_comparison(experiments: Workspace):
    changes = given()
    changes["many"]["grid"]["nets"]["two"]["model"]["strides"] = [1, 4]
    experiments.configure({"small": SMALL}, changes)
    once = ("train", "encoder", "evaluate", "experiment_report", "grid_report", "home")
    assert experiments.planned() == dict.fromkeys(once, 1)


def test_changed_evaluation_trains_nothing_again(experiments: Workspace):
    experiments.configure({"small": SMALL}, given(evaluate={"segmentation": {"training": {"iterations": 3}}}))
    assert experiments.planned() == {"evaluate": 2, "experiment_report": 1, "home": 1}


def test_another_start_runs_alone(experiments: Workspace):
    (experiments.folder / "imagenet.pth").touch()
    starts = ["encoder", "scratch", "imagenet.pth"]
    experiments.configure({"small": SMALL}, given(evaluate={"segmentation": {"start": starts}}))
    assert experiments.make() == {"evaluate": 1, "experiment_report": 1, "home": 1}
    line = asked(experiments, "evaluate", "segmentation")[-1]
    assert (option(line, "--start"), option(line, "--weights")) == ("imagenet", "imagenet.pth")
    assert option(line, "--to") == "results/experiments/tiny/evaluations/segmentation/imagenet.json"


def test_more_videos_train_again(experiments: Workspace):
    experiments.configure(changed(source={"videos": 4}), ALL)
    planned = experiments.planned()
    assert planned["frames_shard"] == 1
    assert planned["train"] == 4


def test_a_new_option_of_a_dataset_is_made_before_it_is_trained_on(experiments: Workspace):
    experiments.configure(changed(guidance={"kernel_size": 15}), {"tiny": ALL["tiny"]})
    planned = experiments.planned()
    assert (planned["guidance_shard"], planned["manifest"], planned["train"]) == (3, 1, 1)


def with_gpus(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A machine whose driver says that it has so many GPUs."""
    driver = workspace.folder / "bin/nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("".join(["#!/bin/sh\n", *(f"echo 'GPU {one}: H200 (UUID: x)'\n" for one in range(number))]))
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{driver.parent}:{os.environ['PATH']}")


def test_several_devices_start_as_many_processes(experiments: Workspace, monkeypatch: pytest.MonkeyPatch):
    with_gpus(experiments, monkeypatch, 2)
    experiments.configure({"small": SMALL}, given(devices=2, guidance={"kernel_size": 11}))
    said = experiments.snakemake("--dry-run", "--printshellcmds")
    assert "torchrun --standalone --nproc-per-node 2 -m -- trainers train cmp results/small/shards/cmp" in said.stdout
    assert "--workers 0 --threads 1 " in said.stdout
    assert "gpu=2" in said.stdout


def test_other_datasets_are_made_and_evaluated_whole(experiments: Workspace):
    other = changed(source={"seed": 5, "videos": 1})["small"]
    experiments.configure({"small": SMALL, "more": other}, {"tiny": TINY | {"validation": {"on": ["more"]}}})
    ran = experiments.make()
    assert (ran["manifest"], ran["train"], ran["evaluate"]) == (1, 1, 1)
    training, evaluation = asked(experiments, "train", "cmp")[-1], asked(experiments, "evaluate", "propagation")[-1]
    assert training[:1] == ["results/small/shards/cmp"]
    assert option(training, "--validate") == "results/more/shards/cmp"
    assert (evaluation[0], option(evaluation, "--side")) == ("results/more/shards/cmp", "all")


def test_a_run_that_was_killed_keeps_its_checkpoint(experiments: Workspace):
    checkpoint = experiments.folder / "results/experiments/tiny/runs/0123/last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"steps")
    assert not experiments.planned()
    experiments.configure({"small": SMALL}, given(guidance={"kernel_size": 11}))
    assert experiments.make()["train"] == 2, "it, and what starts from its weights"
    assert checkpoint.read_bytes() == b"steps"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"train": ["smal"]},
            "config.yaml: experiments.tiny.train[0]: there is no dataset 'smal': should be one of small",
        ),
        ({"validation": {}}, "config.yaml: experiments.tiny.validation is empty"),
        (
            {"validation": {"share": 0.001}},
            "config.yaml: experiments.tiny.validation.share is 0.001: none of 3 videos is held out: should be at least",
        ),
        ({"start": "tiny"}, "config.yaml: experiments.tiny waits for experiments.tiny: none of them could be made"),
        ({"devices": 2}, "config.yaml: experiments.tiny.devices is 2, and this machine has 0 GPUs: should be 1"),
        ({"recipe": "resnet"}, "config.yaml: experiments.tiny.recipe is 'resnet': should be one of alexnet"),
        ({"loss": {"bins": 10}}, "config.yaml: experiments.tiny.loss.bins is 10: odd"),
        (
            {"training": {"groups": {"encodr": {"learning_rate": 0.1}}}},
            "config.yaml: experiments.tiny.training.groups.encodr: no parameter's name begins so: they begin with",
        ),
    ],
)
def test_a_bad_experiment_is_refused_in_one_line_before_any_job(
    workspace: Workspace, changes: dict[str, Any], says: str
):
    workspace.configure({"small": SMALL}, {"tiny": TINY | changes})
    done = workspace.snakemake()
    assert done.returncode != 0
    assert [line for line in (done.stderr + done.stdout).splitlines() if says in line]
    assert "Traceback" not in done.stderr + done.stdout
    assert not (workspace.folder / "results").exists()


def masked_images(folder: Path) -> None:
    """A bright square on dark noise, and where it is."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(8):
        rng = np.random.default_rng(number)
        image, mask = rng.integers(0, 60, (48, 48, 3), np.uint8), np.zeros((48, 48), np.uint8)
        y, x = rng.integers(0, 24, 2)
        image[y : y + 24, x : x + 24] += 180
        mask[y : y + 24, x : x + 24] = 1
        cv2.imwrite(str(folder / f"images/{number}.png"), image)
        cv2.imwrite(str(folder / f"masks/{number}.png"), mask)


def test_masks_that_will_not_do_are_one_line_before_any_job(workspace: Workspace):
    """Their white is 255, which is ignored: the mean IoU over the background alone would be perfect."""
    masked_images(workspace.folder)
    classes = {"data": SEGMENTATION["data"] | {"classes": ["a", "b", "c"]}}
    workspace.configure({"small": SMALL}, {"tiny": TINY | {"evaluate": {"segmentation": SEGMENTATION | classes}}})
    done = workspace.snakemake("--dry-run")
    assert done.returncode == 0
    assert "data: no mask to train on has c, which so is not learnt" in done.stderr
    for path in (workspace.folder / "masks").iterdir():
        cv2.imwrite(str(path), 255 * cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    done = workspace.snakemake()
    assert done.returncode != 0
    where = "error: config.yaml: experiments.tiny.evaluate.segmentation.data: the masks to train on have no class but a"
    [said] = [line for line in done.stderr.splitlines() if line.startswith(where)]
    assert "store what is b as 1" in said
    assert "Traceback" not in done.stderr
    assert not (workspace.folder / "results").exists()


def test_a_key_that_is_written_twice_is_one_line_with_both_lines(workspace: Workspace):
    workspace.configure({"small": SMALL})
    text = (workspace.folder / "config.yaml").read_text()
    (workspace.folder / "config.yaml").write_text(f"{text}datasets: {{}}\n")
    done = workspace.snakemake()
    assert done.returncode != 0
    lines = f"lines 1 and {text.count(chr(10)) + 1}"
    assert f"error: config.yaml: datasets is written twice, in {lines}: leave one out, or join them" in done.stderr
    assert "Traceback" not in done.stderr


def test_weights_that_are_missing_are_one_line_before_any_job(workspace: Workspace):
    for flow, says in (
        ({"estimator": "ptlflow:liteflownet", "checkpoint": "things"}, "checkpoints/liteflownet-things-"),
        ({"estimator": "ptlflow:liteflownat", "checkpoint": "things"}, "ptlflow has no model 'liteflownat': did you"),
        ({"estimator": "network:none.safetensors"}, "there is no file 'none.safetensors'"),
        ({"estimator": "network:experiments.none"}, "there is no experiment 'none'"),
    ):
        workspace.configure(changed(flow=flow))
        done = workspace.snakemake("--dry-run")
        assert done.returncode != 0
        says = f"error: config.yaml: datasets.small.flow: {says}"
        assert [line for line in done.stderr.splitlines() if line.startswith(says)], done.stderr
        assert "Traceback" not in done.stderr


def test_weights_that_are_missing_are_refused_where_other_flow_stands(built: Workspace):
    for flow in (
        {"estimator": "ptlflow:liteflownet", "checkpoint": "things"},
        {"estimator": "ptlflow:liteflownet", "checkpoint": "none.ckpt"},
    ):
        built.configure(changed(flow=flow))
        done = built.snakemake("--dry-run")
        assert done.returncode != 0
        assert "error: config.yaml: datasets.small.flow: " in done.stderr
        assert "Traceback" not in done.stderr


def test_yaml_that_snakemake_would_fail_to_read_is_one_line(workspace: Workspace):
    for text, says in ((b"datasets: &x {a: *x}\n", "line 1 refers to itself"), (b"a: \xff\n", "is no YAML: byte 3")):
        (workspace.folder / "config.yaml").write_bytes(text)
        done = workspace.snakemake("--dry-run")
        assert done.returncode != 0
        assert f"error: config.yaml: {says}" in done.stderr
        assert "Traceback" not in done.stderr


def test_experiments_train_and_are_measured(made: Workspace, tmp_path: Path):
    subprocess.run(["cp", "-a", str(made.folder), str(tmp_path / "copy")], check=True)
    workspace = Workspace(tmp_path / "copy")
    masked_images(workspace.folder)
    workspace.configure({"small": SMALL}, {"tiny": ALL["tiny"]})
    assert workspace.make() == Counter({"train": 1, "encoder": 1, "evaluate": 3, "experiment_report": 1, "home": 1})
    files = workspace.tree()
    metrics = json.loads(files["experiments/tiny/metrics.json"])
    assert metrics["training"]["iterations"] == 4
    rows = metrics["evaluations"]["propagation"]["model"]
    measured = {(row["dataset"], row["metric"], row["subset"]) for row in rows}
    assert measured == {("small", "epe", "estimated flow"), ("small", "epe", "exact flow")}
    assert all(row["value"] > 0 for row in rows)
    assert set(metrics["evaluations"]["segmentation"]) == {"encoder", "scratch"}
    for name in ("experiments/tiny/", ""):
        page = files[f"report/{name}index.html"]
        assert page.startswith(b"<!doctype html>")
        assert b"<svg" in page or not name
    assert not workspace.planned()
    bound = workspace.snakemake("--report", "report.html")
    assert bound.returncode == 0, bound.stderr
    page = (workspace.folder / "report.html").read_text()
    for path in ("report/experiments/tiny/index.html", "report/index.html"):
        assert path in page
