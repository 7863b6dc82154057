"""Experiments as jobs: what runs when, and what they are asked. One test trains; in the others a script stands in."""

import copy
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.workspace import ROOT, SMALL, Workspace, changed
from trainers.methods.cmp.recipes import RECIPES

pytestmark = pytest.mark.slow

STAND_IN = '''
"""Leaves the files that a command would, empty, and notes what it was asked."""
import sys
from pathlib import Path

command, to = sys.argv[1:], Path(sys.argv[sys.argv.index("--to") + 1])
files = {
    "train": [to / name for name in ("model.safetensors", "encoder.safetensors", "curves.csv", "train.json")],
    "evaluate": [to, to.parent / "samples.png"],
    "segmentation": [to],
    "report": [Path(command[1]) / "metrics.json", to / "curves.svg", to / "flow.html", to / "segmentation.html"],
    "compare": [to / "comparison.html", to / "comparison.svg"],
}[command[1] if command[0] == "cmp" else command[0]]
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
    "data": {"hold_out": 0.3},
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
GRID = {"nets": {"one": {"model": {"strides": [1]}}, "two": {"model": {"strides": [1, 2]}}}}
ALL: dict[str, Any] = {
    "tiny": TINY | {"segmentation": SEGMENTATION},
    "other": TINY | {"training": {**TINY["training"], "seed": 1}},
    "many": TINY | {"grid": GRID},
}


def given(**changes: Any) -> dict[str, Any]:
    """The experiments of ALL with some keys of `tiny` changed; mappings are merged."""
    experiments = copy.deepcopy(ALL)
    for key, value in changes.items():
        old = experiments["tiny"].get(key)
        experiments["tiny"][key] = {**old, **value} if isinstance(old, dict) else value
    return experiments


@pytest.fixture(scope="module")
def trained(made: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Experiments on `made`'s dataset as Snakemake leaves them, by a copy of the code in which a script stands in."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("pipeline", "trainers", "workflow", "profiles"):
        shutil.copytree(ROOT / name, folder / "code" / name)
    shutil.copy(ROOT / "Snakefile", folder / "code")
    (folder / "code/trainers/__main__.py").write_text(STAND_IN)
    subprocess.run(["cp", "-a", str(made.folder), str(folder / "work")], check=True)
    workspace = Workspace(folder / "work", folder / "code")
    for name in ("images", "masks"):
        (workspace.folder / name).mkdir()
    workspace.configure({"small": SMALL}, ALL)
    ran = workspace.make()
    assert not {"frames_shard", "view_shard", "manifest"} & set(ran), "the dataset was there"
    assert ran == {
        **{"train": 4, "evaluate": 4, "segmentation": 2},
        **{"experiment_report": 3, "segmentation_report": 1, "grid_report": 1},
    }
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
    lines = {Path(option(line, "--to")).name: line for line in asked(experiments, "cmp", "train")}
    assert set(lines) == {"tiny", "other", "many-nets-one", "many-nets-two"}
    assert lines["tiny"][0] == "results/small/shards/cmp"
    assert "--validate" not in lines["tiny"]
    assert option(lines["tiny"], "--workers") == "0"
    assert option(lines["tiny"], "--threads") == "2", "all cores of this run"
    options = json.loads(option(lines["many-nets-two"], "--options"))
    assert options["model"] == {"encoder": "resnet18", "decoder": "plain", "strides": [1, 2]}
    assert options["training"]["learning_rate"] == RECIPES["demo"]["training"]["learning_rate"]


def test_the_held_out_videos_are_evaluated(experiments: Workspace):
    for line in asked(experiments, "cmp", "evaluate"):
        model, view = line[:2]
        assert model == str(Path(option(line, "--to")).parent / "model.safetensors")
        assert (view, option(line, "--side")) == ("results/small/shards/cmp", "held out")


def test_segmentation_starts_from_the_encoder_and_from_scratch(experiments: Workspace):
    lines = {option(line, "--start"): line for line in asked(experiments, "segmentation")}
    assert set(lines) == {"encoder", "scratch"}
    assert option(lines["encoder"], "--weights") == "results/experiments/tiny/encoder.safetensors"
    assert "--weights" not in lines["scratch"]
    for start, line in lines.items():
        assert option(line, "--encoder") == "resnet18"
        assert option(line, "--to") == f"results/experiments/tiny/segmentation/{start}.json"
        assert json.loads(option(line, "--options"))["training"]["iterations"] == 2


def test_a_grids_variants_are_compared_in_their_order(experiments: Workspace):
    (line,) = asked(experiments, "compare")
    assert line[:2] == ["results/experiments/many-nets-one", "results/experiments/many-nets-two"]
    assert option(line, "--to") == "results/report/experiments/many"


def test_nothing_to_do_means_no_jobs(experiments: Workspace):
    assert not experiments.planned()


def test_other_devices_and_workers_redo_nothing(experiments: Workspace):
    experiments.configure({"small": SMALL}, given(devices=2, workers=5))
    assert not experiments.planned()


def test_a_changed_option_redoes_that_experiment_and_what_follows(experiments: Workspace):
    experiments.configure({"small": SMALL}, given(guidance={"kernel_size": 11}))
    wanted = {"train": 1, "evaluate": 1, "segmentation": 1, "segmentation_report": 1}
    assert experiments.planned() == wanted, "from scratch, there is nothing new"
    experiments.make()
    assert not experiments.planned()


def test_a_changed_variant_redoes_that_one_and_the_comparison(experiments: Workspace):
    changes = given()
    changes["many"]["grid"]["nets"]["two"]["model"]["strides"] = [1, 4]
    experiments.configure({"small": SMALL}, changes)
    assert experiments.planned() == {"train": 1, "evaluate": 1, "experiment_report": 1, "grid_report": 1}


def test_changed_fine_tuning_trains_nothing_again(experiments: Workspace):
    training = {**SEGMENTATION["training"], "iterations": 3}
    experiments.configure({"small": SMALL}, given(segmentation={"training": training}))
    assert experiments.planned() == {"segmentation": 2, "segmentation_report": 1}


def test_another_start_runs_alone(experiments: Workspace):
    (experiments.folder / "imagenet.pth").touch()
    starts = ["encoder", "scratch", "imagenet.pth"]
    experiments.configure({"small": SMALL}, given(segmentation={"start": starts}))
    assert experiments.make() == {"segmentation": 1, "segmentation_report": 1}
    line = asked(experiments, "segmentation")[-1]
    assert (option(line, "--start"), "--weights" in line) == ("imagenet.pth", False)
    assert option(line, "--to") == "results/experiments/tiny/segmentation/imagenet.json"


def test_more_videos_train_again(experiments: Workspace):
    experiments.configure(changed(source={"videos": 4}), ALL)
    planned = experiments.planned()
    assert planned["frames_shard"] == 1
    assert planned["train"] == 4


def test_a_new_option_of_a_dataset_is_made_before_it_is_trained_on(experiments: Workspace):
    experiments.configure(changed(guidance={"kernel_size": 15}), {"tiny": ALL["tiny"]})
    planned = experiments.planned()
    assert (planned["guidance_shard"], planned["manifest"], planned["train"]) == (3, 1, 1)


def test_several_devices_start_as_many_processes(experiments: Workspace):
    experiments.configure({"small": SMALL}, given(devices=2, guidance={"kernel_size": 11}))
    said = experiments.snakemake("--dry-run", "--printshellcmds")
    assert "torchrun --standalone --nproc-per-node 2 -m -- trainers cmp train results/small/shards/cmp" in said.stdout
    assert "--workers 0 --threads 1 " in said.stdout
    assert "gpu=2" in said.stdout


def test_other_datasets_are_made_and_evaluated_whole(experiments: Workspace):
    other = changed(source={"seed": 5, "videos": 1})["small"]
    experiments.configure({"small": SMALL, "more": other}, {"tiny": TINY | {"validate": ["more"]}})
    ran = experiments.make()
    assert (ran["manifest"], ran["train"], ran["evaluate"]) == (1, 1, 1)
    training, evaluation = asked(experiments, "cmp", "train")[-1], asked(experiments, "cmp", "evaluate")[-1]
    assert training[:1] == ["results/small/shards/cmp"]
    assert option(training, "--validate") == "results/more/shards/cmp"
    assert (evaluation[1], option(evaluation, "--side")) == ("results/more/shards/cmp", "all")


def test_a_run_that_was_killed_keeps_its_checkpoint(experiments: Workspace):
    checkpoint = experiments.folder / "results/experiments/tiny/runs/0123/last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"steps")
    assert not experiments.planned()
    experiments.configure({"small": SMALL}, given(guidance={"kernel_size": 11}))
    assert experiments.make()["train"] == 1
    assert checkpoint.read_bytes() == b"steps"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"train": ["smal"]},
            "config.yaml: experiments.tiny.train[0]: there is no dataset 'smal': should be one of small",
        ),
        ({"data": {"hold_out": 0}}, "config.yaml: experiments.tiny: nothing is left to measure it on"),
        ({"recipe": "resnet"}, "config.yaml: experiments.tiny.recipe is 'resnet': should be one of alexnet"),
        ({"loss": {"bins": 10}}, "config.yaml: experiments.tiny.loss.bins is 10: odd"),
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


def test_experiments_train_and_are_measured(made: Workspace, tmp_path: Path):
    subprocess.run(["cp", "-a", str(made.folder), str(tmp_path / "copy")], check=True)
    workspace = Workspace(tmp_path / "copy")
    masked_images(workspace.folder)
    workspace.configure({"small": SMALL}, {"tiny": ALL["tiny"], "many": ALL["many"]})
    assert workspace.make() == Counter(
        {
            **{"train": 3, "evaluate": 3, "segmentation": 2},
            **{"experiment_report": 2, "segmentation_report": 1, "grid_report": 1},
        }
    )
    files = workspace.tree()
    metrics = json.loads(files["experiments/tiny/metrics.json"])
    assert metrics["training"]["iterations"] == 4
    assert {(row["dataset"], row["flow"]) for row in metrics["flow"]} == {("small", "estimated"), ("small", "exact")}
    assert all(row["epe"] > 0 for row in metrics["flow"])
    assert set(metrics["segmentation"]) == {"encoder", "scratch"}
    assert files["experiments/tiny/samples.png"].startswith(b"\x89PNG")
    for name in ("tiny/curves.svg", "many/comparison.svg"):
        assert b"<svg" in files[f"report/experiments/{name}"]
    assert not workspace.planned()
    bound = workspace.snakemake("--report", "report.html")
    assert bound.returncode == 0, bound.stderr
    page = (workspace.folder / "report.html").read_text()
    for path in ("experiments/tiny/samples.png", "report/experiments/many/comparison.svg"):
        assert path in page
