"""One training run of any method, from views to weights, curve and facts."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from common_fate.errors import UserError
from common_fate.manifest.sums import SUMS
from common_fate.remote.cache import Cache
from common_fate.shards.files import write_atomic
from common_fate.shards.folders import alone
from common_fate.shards.record import file_sha256
from common_fate.torch.dataset import ShardDataset
from trainers.data.split import Split
from trainers.data.views import open_views
from trainers.declarations import Method, entry_point
from trainers.engine.devices import is_main_process
from trainers.engine.loop import fit
from trainers.engine.optimizers import parameter_groups
from trainers.engine.options import Machine
from trainers.engine.task import Task
from trainers.models.saving import load_model, load_start, save_model

MODEL = "model.safetensors"


def train(
    method: Method,
    views: Sequence[str | Path],
    validate: Sequence[str | Path],
    options: Any,
    split: Split,
    to: Path,
    machine: Machine,
    *,
    start: Path | None = None,
    teacher: Path | None = None,
    cache: Cache | None = None,
) -> None:
    """Trains, or takes a killed run up again, and writes what the experiment is used by.

    Writes `model.safetensors`, `curves.csv` and `train.json` into `to`. The run itself (checkpoint, TensorBoard) is in
    `to/runs`, one folder for each set of options, shards and weights, with its `run.json`: changed ones start a new run
    and leave the old one as it is.

    Args:
        views: folders, or addresses of folders on other machines, whose shards are copied into `cache`.
        validate: views to measure on, whole; without any, the videos of `views` that `split` holds out.
        options: the method's own dataclass.
        start: the weights to start from, see `load_start`; by default those that the options' seed draws.
        teacher: the `model.safetensors` of another experiment, of one of the method's `teachers`.

    Raises:
        UserError: weights or views cannot be read or lack what is needed, or see `trainers.engine.loop.fit`.
    """
    # By the main process alone: a job that outlives its Snakemake trains on, and the next one waits and takes it up.
    with alone(*([to] if is_main_process() else []), wait=True):
        task = create_task(method, options, start, teacher)
        varied, centred = task.samples(train=True), task.samples(train=False)
        samples = open_views(views, varied, split, "train", needs=varied.needs, reads=varied.needs, cache=cache)
        task.check_samples(len(samples))
        held_out = None
        if validate:
            held_out = open_views(
                validate, centred, split, "all", needs=centred.needs, reads=centred.needs, cache=cache
            )
        elif split.validation_share:
            held_out = open_views(
                views, centred, split, "held out", needs=centred.needs, reads=centred.needs, cache=cache
            )
        read = [*samples.views, *(held_out.views if held_out and validate else [])]
        digest = _digest([method.name, method.version, asdict(options), asdict(split)], read, [start, teacher])
        about = {"method": method.name, "options": asdict(options)}
        run = fit(task, samples, held_out, options.training, to / "runs" / digest, machine, about=about)
        if not is_main_process():
            return
        task.finished()
        save_model(to / MODEL, task.net, method, options, split)
        facts = {
            "method": method.name,
            "options": asdict(options),
            "start": start and file_sha256(start),
            "teacher": teacher and file_sha256(teacher),
            "datasets": [str(view) for view in views],
            "validation": [str(view) for view in validate],
            "samples": len(samples),
            "videos": len({key.rpartition("-")[0] for key in samples.keys}),
            "parameters": _parameters(task.net),
            "iterations": options.training.iterations,
            "batch_size": options.training.batch_size,
            "device": _device(),
            "seconds": round(run["seconds"], 1),
            "waiting_for_data": round(run["waiting"], 3),
        }
        write_atomic(to / "train.json", (json.dumps(facts, indent=1) + "\n").encode())
        write_atomic(to / "curves.csv", _table(run["rows"]))


def create_task(method: Method, options: Any, start: Path | None = None, teacher: Path | None = None) -> Task:
    """Returns a method's task with the weights that the options' seed draws, or those of `start`.

    Raises:
        UserError: see `train`.
    """
    try:
        method.check_teacher(options, teacher is not None)
    except ValueError as error:
        raise UserError(str(error)) from error
    taught_by = _teacher(teacher, method, options) if teacher else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.training.seed)
        task: Task = entry_point(method.task)(options, taught_by)
    if start:
        load_start(start, task.net, method, options)
    return task


def check_groups(method: Method, options: Any, teacher: Path | None = None) -> None:
    """Raises `UserError` where no parameter is of one of `training.groups`; the network has no weights for this."""
    with torch.device("cpu" if teacher else "meta"):
        parameter_groups(create_task(method, options, None, teacher), options.training)


def _teacher(path: Path, method: Method, options: Any) -> nn.Module:
    trained = load_model(path)
    if trained.method.name not in method.teachers:
        able = f"takes {', '.join(method.teachers)}" if method.teachers else "takes no teacher"
        raise UserError(f"{path}: {trained.method.name} cannot teach {method.name}, which {able}")
    if trained.method is method and method.teachable:
        try:
            method.teachable(options, trained.options)
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error
    return trained.net


def _digest(facts: list[Any], views: Sequence[ShardDataset], weights: Sequence[Path | None]) -> str:
    """Of all that decides what comes out: options, shards and weights, but not what the manifest says besides."""
    listings = [(view.folder.manifest / SUMS).read_text().splitlines() for view in views]
    sums = [[line for line in lines if line.endswith(".tar")] for lines in listings]
    text = json.dumps([*facts, sums, [path and file_sha256(path) for path in weights]])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _parameters(net: nn.Module) -> dict[str, int]:
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
    return counts | {"total": sum(p.numel() for p in net.parameters())}


def _device() -> str:
    kind = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    processes = int(os.environ.get("WORLD_SIZE", 1))
    return kind if processes == 1 else f"{processes} x {kind}"


def _table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """As CSV: `iteration`, `learning_rate`, `loss`, `loss.NAME` and `validation.METRIC`; empty where not measured."""
    names = dict.fromkeys(name for row in rows for name in row)
    parts = ("iteration", "learning_rate", "loss", "validation")
    columns = sorted(names, key=lambda name: parts.index(name.partition(".")[0]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
