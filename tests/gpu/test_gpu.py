"""A few steps of every method and every evaluation on a GPU come out as on the CPU (`make test-gpu`).

Whatever the registry has is run through the command line, on a small synthetic dataset with the views that it needs.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.support.boxed_shapes import shapes, write_coco
from tests.support.detectors import SMALL
from tests.support.pointed_view import make_pointed_view
from tests.support.workspace import ROOT, Workspace
from trainers.declarations import OWN
from trainers.engine.options import build
from trainers.evaluations.options import evaluation_options
from trainers.registry import EVALUATIONS, METHODS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU on this machine"),
]

SPLIT = {"validation_share": 0.3}
TRAINING = {"iterations": 3, "batch_size": 2, "validate_every": 3, "checkpoint_every": 3, "warmup": 0}
TRANSFORMS = {"shorter_side": None, "crop": 64}
MORE: Mapping[str, Mapping[str, Any]] = {"selflow": {"loss": {"warmup": 2}}}  # before which nothing is left out
# TensorFloat-32 off, so that what is left is the order of sums. Weights and momentum carry it from step to step.
DEVICES: Mapping[str, Mapping[str, str]] = {"gpu": {"NVIDIA_TF32_OVERRIDE": "0"}, "cpu": {"CUDA_VISIBLE_DEVICES": ""}}
FIRST_LOSS, LATER = 1e-3, 5e-2  # relative

Reports = dict[str, Path]


def options_of(method: str) -> dict[str, Any]:
    known = {one.name for one in fields(METHODS[method].options)}
    return {
        "training": TRAINING,
        **({"transforms": TRANSFORMS} if "transforms" in known else {}),
        **MORE.get(method, {}),
    }


def view_of(method: str) -> str:
    return METHODS[method].view_for(build(METHODS[method].options, options_of(method)))


def called(device: str, *arguments: object) -> None:
    command = [sys.executable, "-m", "trainers", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | DEVICES[device], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the views that there are, of six videos of three frames."""
    workspace = Workspace(tmp_path_factory.mktemp("gpu"))
    needed = {one.view for one in EVALUATIONS.values() if one.view not in (None, OWN)} | set(map(view_of, METHODS))
    source = {"kind": "synthetic", "videos": 6, "frames": 3, "height": 64, "width": 96, "objects": 2}
    dataset = {"source": source, "frames": {"triplets": True}, "views": sorted(needed), "videos_per_shard": 6}
    workspace.configure({"small": dataset})
    workspace.make("shards", "truth")
    return workspace.folder / "results/small/shards"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Six images whose left and right are of two classes, and their masks: what an evaluation by fine-tuning takes."""
    folder = tmp_path_factory.mktemp("masked")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(6):
        image = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        image[:, 32:] //= 4
        mask = np.zeros((64, 64), np.uint8)
        mask[:, 32:] = 1
        cv2.imwrite(str(folder / f"images/{number}.png"), image)
        cv2.imwrite(str(folder / f"masks/{number}.png"), mask)
    paths = {name: str(folder / name) for name in ("images", "masks")}
    return {"kind": "folder", **paths, "classes": ["light", "dark"], "hold_out": 0.4}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Twelve images of two classes, light and dark."""
    folder = tmp_path_factory.mktemp("labelled")
    for number in range(12):
        name = ("light", "dark")[number % 2]
        (folder / name).mkdir(exist_ok=True)
        image = np.random.default_rng(number).integers(0, 64 if number % 2 else 255, (64, 64, 3), np.uint8)
        cv2.imwrite(str(folder / name / f"{number}.png"), image)
    return {"path": str(folder), "hold_out": 0.4}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A video of a bright square that slides over noise, and its masks."""
    folder = tmp_path_factory.mktemp("videos")
    for name in ("images", "masks"):
        (folder / name / "slide").mkdir(parents=True)
    for number in range(4):
        image = np.random.default_rng(0).integers(0, 100, (64, 96, 3), np.uint8)
        mask = np.zeros((64, 96), np.uint8)
        mask[16:48, 16 + 2 * number : 48 + 2 * number] = 1
        image[mask > 0] += 120
        cv2.imwrite(str(folder / f"images/slide/{number}.png"), image)
        cv2.imwrite(str(folder / f"masks/slide/{number}.png"), mask)
    return {"kind": "folder"} | {name: str(folder / name) for name in ("images", "masks")}


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Images of shapes with boxes and masks."""
    root = write_coco(tmp_path_factory.mktemp("boxed"), train2017=shapes(4), val2017=shapes(8)[4:])
    return {"kind": "coco", "path": str(root)}


@pytest.fixture(scope="module")
def pointed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A view `objects` with named points, of twelve videos."""
    return make_pointed_view(tmp_path_factory.mktemp("pointed") / "results/pointed/shards/objects", videos=12)


@pytest.fixture(scope="module")
def trained(views: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reports]:
    """The experiment of each method on each device, by both."""
    made: dict[str, Reports] = {}
    for name, method in METHODS.items():
        options = options_of(name)
        for device in DEVICES:
            folder = tmp_path_factory.mktemp(f"{name}_{device}") / name
            of = ("--options", json.dumps(options), "--split", json.dumps(SPLIT), "--workers", 0, "--threads", 2)
            called(device, "train", name, views / view_of(name), *of, "--to", folder)
            if method.encoder:
                called(device, "encoder", folder / "model.safetensors", "--to", folder / "encoder.safetensors")
            made.setdefault(name, {})[device] = folder
    return made


def curve(folder: Path) -> list[dict[str, float]]:
    with (folder / "curves.csv").open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", METHODS)
def test_training_comes_out_as_on_the_cpu(trained: dict[str, Reports], name: str):
    (first, *later), (expected, *expected_later) = (curve(trained[name][device]) for device in ("gpu", "cpu"))
    assert first == pytest.approx(expected, rel=FIRST_LOSS)
    assert later == [pytest.approx(row, rel=LATER) for row in expected_later]
    device = json.loads((trained[name]["gpu"] / "train.json").read_text())["device"]
    assert device != "CPU"


def takes(evaluation: str, method: str) -> bool:
    """Whether an evaluation has a recipe for the encoder of a method as `options_of` has it."""
    recipe, encoder = EVALUATIONS[evaluation].recipe, METHODS[method].encoder
    if recipe is None or encoder is None:
        return True
    try:
        recipe(encoder(build(METHODS[method].options, options_of(method))), {})
    except ValueError:
        return False
    return True


MEASURED = [
    (name, method.name, start)
    for name, evaluation in EVALUATIONS.items()
    for method in METHODS.values()
    if method.name in (evaluation.methods or METHODS)
    and takes(name, method.name)
    and (evaluation.needs == "model" or method.encoder or (evaluation.needs == "features" and method.embeds))
    for start in evaluation.starts
]


@pytest.mark.parametrize(("name", "method", "start"), MEASURED)
def test_an_evaluation_comes_out_as_on_the_cpu(
    trained: dict[str, Reports],
    views: Path,
    images: dict[str, Any],
    videos: dict[str, Any],
    labelled: dict[str, Any],
    boxed: dict[str, Any],
    pointed: Path,
    tmp_path: Path,
    name: str,
    method: str,
    start: str,
):
    """Both measure what the CPU trained."""
    evaluation, model = EVALUATIONS[name], trained[method]["cpu"]
    known = {one.name for one in fields(evaluation.options)}
    data = {
        "tracking": videos,
        **dict.fromkeys(("linear", "classification"), labelled),
        **dict.fromkeys(("detection", "instances"), boxed),
    }.get(name, images)
    options = {"data": data, "training": TRAINING, "transforms": TRANSFORMS, **SMALL}
    options = {one: value for one, value in options.items() if one in known}
    evaluation_options(evaluation, None, options)  # what else has no default is to be given here
    view = view_of(method) if evaluation.view == OWN else evaluation.view
    given = [pointed if view == "objects" else views / view] if view else []
    rows: dict[str, list[dict[str, Any]]] = {}
    for device in DEVICES:
        to = tmp_path / device / f"{start}.json"
        more = ("--options", json.dumps(options), "--workers", 0, "--threads", 2, "--to", to)
        called(device, "evaluate", name, *given, "--model", model, "--start", start, *more)
        rows[device] = json.loads(to.read_text())["rows"]
    assert len(rows["gpu"]) == len(rows["cpu"]) > 0
    for row, expected in zip(rows["gpu"], rows["cpu"], strict=True):
        assert numbers(row) == {name: about(value) for name, value in numbers(expected).items()}
        assert {**row, "value": 0, "baselines": 0} == {**expected, "value": 0, "baselines": 0}


def numbers(row: dict[str, Any]) -> dict[str, float | None]:
    return {"value": row["value"]} | row["baselines"]


def about(value: float | None) -> Any:
    """A share of pixels in percent, of which a few are on the border between two answers, or a mean of errors."""
    return value if value is None else pytest.approx(value, rel=LATER, abs=2)
