"""One training run, from views to weights, curve and facts."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from common_fate.manifest.sums import SUMS
from common_fate.remote.cache import Cache
from common_fate.shards.files import write_atomic
from common_fate.torch.dataset import ShardDataset
from trainers.data.views import open_views
from trainers.engine.loop import fit, is_main_process
from trainers.engine.options import Machine
from trainers.methods.cmp.model import save_model
from trainers.methods.cmp.options import VERSION, CMPOptions
from trainers.methods.cmp.samples import CMPTransform
from trainers.methods.cmp.task import CMP
from trainers.models.encoders import save_encoder

COLUMNS = ("iteration", "loss", "learning_rate", "epe")


def train(
    views: Sequence[str | Path],
    validate: Sequence[str | Path],
    options: CMPOptions,
    to: Path,
    machine: Machine,
    cache: Cache | None = None,
) -> None:
    """Trains, or takes a killed run up again, and writes what the experiment is used by.

    Writes `model.safetensors`, `encoder.safetensors`, `curves.csv` and `train.json` into `to`. The run itself
    (checkpoint, TensorBoard) is in `to/runs`, one folder for each set of options and shards: changed ones start a new
    run and leave the old one as it is.

    Args:
        views: folders, or addresses of folders on other machines, whose shards are copied into `cache`.
        validate: views to measure on, whole; without any, the videos of `views` that are held out.

    Raises:
        UserError: the views cannot be read or lack what is needed, or see `trainers.engine.loop.fit`.
    """
    varied, centred = CMPTransform(options, train=True), CMPTransform(options, train=False)
    samples = open_views(views, varied, options.data, "train", needs=varied.needs, cache=cache)
    held_out = None
    if validate:
        held_out = open_views(validate, centred, options.data, "all", needs=centred.needs, cache=cache)
    elif options.data.hold_out:
        held_out = open_views(views, centred, options.data, "held out", needs=centred.needs, cache=cache)
    task = CMP(options)
    read = [*samples.views, *(held_out.views if held_out and validate else [])]
    run = fit(task, samples, held_out, options.training, to / "runs" / _digest(options, read), machine)
    if not is_main_process():
        return
    save_model(to / "model.safetensors", task.net, options)
    save_encoder(to / "encoder.safetensors", task.net.encoder)
    facts = {
        "samples": len(samples),
        "videos": len({key.rpartition("-")[0] for key in samples.keys}),
        "parameters": _parameters(task.net),
        "iterations": options.training.iterations,
        "batch_size": options.training.batch_size,
        "waiting_for_data": round(run["waiting"], 3),
        "seconds": round(run["seconds"], 1),
    }
    write_atomic(to / "train.json", (json.dumps(facts, indent=1) + "\n").encode())
    write_atomic(to / "curves.csv", _table(run["rows"]))


def _digest(options: CMPOptions, views: Sequence[ShardDataset]) -> str:
    """Of all that decides what comes out: the options and the shards, but not what the manifest says besides."""
    listings = [(view.folder.manifest / SUMS).read_text().splitlines() for view in views]
    sums = [[line for line in lines if line.endswith(".tar")] for lines in listings]
    text = json.dumps([VERSION, asdict(options), sums])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _parameters(net: nn.Module) -> dict[str, int]:
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
    return counts | {"total": sum(counts.values())}


def _table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
