"""The training loop of every method: Lightning Fabric has the devices, the precision and the processes.

A run can be killed at any moment and goes on from its last checkpoint as if nothing had happened: samples, learning
rate and random numbers are functions of the seed and the iteration, and the checkpoint has the rest.
"""

import hashlib
import io
import logging
import math
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.tensorboard import TensorBoardLogger
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from common_fate.errors import UserError
from common_fate.progress import progress
from common_fate.shards.files import write_atomic
from trainers.data.steps import StepSampler
from trainers.engine.options import Machine, TrainingOptions
from trainers.engine.schedules import rate_at

logging.getLogger("lightning.fabric").setLevel(logging.WARNING)  # it announces each process and its precision

CHECKPOINT = "last.ckpt"
MAX_ROWS = 1000  # of the curve: a longer run averages its loss over several iterations

Batch = dict[str, Any]


class Task(nn.Module):
    """What a method brings: a module whose call is the loss of a batch, and what validation measures.

    A batch is a dict: `key` is a list, the other members are stacked tensors.
    """

    measures: tuple[str, ...] = ()

    def forward(self, batch: Batch) -> Tensor:
        """The loss, a scalar."""
        raise NotImplementedError

    def measure(self, batch: Batch) -> Tensor:
        """For each of `measures` a sum and a weight, `(M, 2)`; a set's measure is the one over the other."""
        raise NotImplementedError


@dataclass
class Curve:
    """What was measured when: a row has `iteration` and some of `loss`, `learning_rate` and the task's measures."""

    rows: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # since the last row with a loss

    def mean_loss(self) -> float:
        return sum(self.losses) / len(self.losses)

    def note(self) -> str:
        """The newest of each measure, for the progress bar."""
        newest = {name: value for row in self.rows for name, value in row.items()}
        return ", ".join(
            f"{name} {newest[name]:.4g}" for name in sorted(newest) if name not in ("iteration", "learning_rate")
        )


def fit(
    task: Task,
    train: Dataset[Any],
    validation: Dataset[Any] | None,
    options: TrainingOptions,
    run: Path,
    machine: Machine,
) -> dict[str, Any]:
    """Trains `task` in place, or goes on training it from the run's last checkpoint.

    Args:
        task: it has the same weights on every rank.
        train, validation: samples ready to collate, with their `key`.
        run: the folder of the checkpoint and of TensorBoard's events. Another training takes another folder.

    Returns:
        `rows` of the curve; `seconds` since the run was last taken up, and which share of them was `waiting` for data.

    Raises:
        UserError: there are too few samples, a step cannot be shared out, the loss is not finite, or the checkpoint
            cannot be read.
    """
    fabric = _fabric(options, machine)
    checkpoint = _read_checkpoint(run / CHECKPOINT)
    start = checkpoint["iteration"] if checkpoint else 0
    sampler = _sampler(train, options, fabric, start)
    curve = Curve()
    if checkpoint:
        task.load_state_dict(checkpoint["task"])
        curve = Curve(checkpoint["rows"], checkpoint["losses"])
    net, optimizer = _set_up(task, options, fabric)
    if checkpoint:
        optimizer.load_state_dict(checkpoint["optimizer"])
    batches = iter(_loader(train, machine, fabric, batch_sampler=sampler))
    held_out = validation and _validation_loader(validation, sampler.device_batch, machine, fabric)
    logger = TensorBoardLogger(run, name="", version="", purge_step=start) if fabric.is_global_zero else None

    waiting, began = 0.0, time.monotonic()
    every = math.ceil(options.iterations / MAX_ROWS)
    steps: Iterable[int] = range(start, options.iterations)
    if fabric.is_global_zero:
        steps = progress(steps, options.iterations, "train", done=start, note=curve.note)
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, options)
        total = 0.0
        for number in range(sampler.passes):
            asked = time.monotonic()
            batch = _next(batches)
            waiting += time.monotonic() - asked
            # So that dropout is the same whether the run was taken up or not.
            torch.manual_seed(_seed(options.seed, step, number, fabric.global_rank))
            with fabric.no_backward_sync(net, enabled=number < sampler.passes - 1):
                loss = net(fabric.to_device(batch)) / sampler.passes
                if not math.isfinite(loss.item()):
                    raise UserError(_not_finite(step, batch["key"], run))
                fabric.backward(loss)
            total += loss.item()
        optimizer.step()
        optimizer.zero_grad()
        curve.losses.append(_sum(torch.tensor(total), fabric).item() / fabric.world_size)
        done, row = step + 1, {}
        last = done == options.iterations
        if done % every == 0 or last:
            row = {"loss": curve.mean_loss(), "learning_rate": rate_at(step, options)}
            curve.losses = []
        if held_out and (done % options.validate_every == 0 or last):
            row |= _measured(task, held_out, fabric)
        if row:
            curve.rows.append({"iteration": done} | row)
            if logger:
                logger.log_metrics(row, done)
        if fabric.is_global_zero and (done % options.checkpoint_every == 0 or last):
            _write_checkpoint(run / CHECKPOINT, task, optimizer, done, curve)
    if logger:
        logger.finalize("success")
    seconds = time.monotonic() - began
    return {"rows": curve.rows, "seconds": seconds, "waiting": waiting / seconds}


def is_main_process() -> bool:
    """Whether this process is the one of its run that writes files."""
    return os.environ.get("RANK", "0") == "0"


def _fabric(options: TrainingOptions, machine: Machine) -> Fabric:
    """One process of one device, or of as many as torchrun started."""
    cv2.setNumThreads(1)
    if machine.threads:
        torch.set_num_threads(machine.threads)
    torch.set_float32_matmul_precision("high")
    local, world = (int(os.environ.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision=options.precision,  # type: ignore[arg-type]
        # Said outright: Lightning would take the tasks of a SLURM job for its processes, which torchrun starts here.
        plugins=TorchElasticEnvironment() if "WORLD_SIZE" in os.environ else LightningEnvironment(),
    )
    fabric.launch()
    return fabric


def _sampler(train: Dataset[Any], options: TrainingOptions, fabric: Fabric, start: int) -> StepSampler:
    samples, world = len(train), fabric.world_size  # type: ignore[arg-type]
    if samples < options.batch_size:
        raise UserError(
            f"training.batch_size is {options.batch_size}, and there are {samples} samples to train on: take a smaller "
            "batch or more data"
        )
    if options.batch_size % world:
        raise UserError(
            f"training.batch_size is {options.batch_size}, which {world} devices cannot share evenly: take a multiple"
        )
    try:
        return StepSampler(
            samples,
            seed=options.seed,
            iterations=options.iterations,
            batch_size=options.batch_size,
            device_batch=options.device_batch or options.batch_size // world,
            start=start,
            rank=fabric.global_rank,
            world_size=world,
        )
    except ValueError as error:
        raise UserError(f"training.device_batch: {error}") from error


def _loader(data: Dataset[Any], machine: Machine, fabric: Fabric, **how: Any) -> DataLoader[Any]:
    return DataLoader(
        data,
        num_workers=machine.workers,
        pin_memory=fabric.device.type == "cuda",
        worker_init_fn=_one_thread,
        prefetch_factor=4 if machine.workers else None,
        **how,
    )


def _next(batches: Iterator[Batch]) -> Batch:
    """The next batch. What the user can put right comes from a worker with its traceback, which is left out."""
    try:
        return next(batches)
    except UserError as error:
        raise UserError(re.sub(r"(?s)^Caught .*\ncommon_fate\.errors\.\w+: ", "", str(error)).strip()) from error


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _validation_loader(data: Dataset[Any], batch_size: int, machine: Machine, fabric: Fabric) -> DataLoader[Any]:
    """This rank's share of the held-out samples, in their own order."""
    share = range(fabric.global_rank, len(data), fabric.world_size)  # type: ignore[arg-type]
    return _loader(data, machine, fabric, batch_size=batch_size, sampler=share)


def _set_up(task: Task, options: TrainingOptions, fabric: Fabric) -> tuple[_FabricModule, _FabricOptimizer]:
    task.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        task.parameters(),
        lr=options.learning_rate,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        fused=fabric.device.type == "cuda",
    )
    if options.compile:
        for net in task.children():  # not the loss: unrolled over the samples it would take minutes to compile
            net.compile()
    return cast(tuple[_FabricModule, _FabricOptimizer], fabric.setup(task, optimizer))


def _seed(*parts: int) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7])


def _measured(task: Task, held_out: DataLoader[Any], fabric: Fabric) -> dict[str, float]:
    task.eval()
    sums = torch.zeros(len(task.measures), 2, dtype=torch.float64, device=fabric.device)
    with torch.no_grad(), fabric.autocast():
        for batch in held_out:
            sums += task.measure(fabric.to_device(batch))
    task.train()
    totals, weights = _sum(sums, fabric).T.tolist()
    return {name: t / w if w else math.nan for name, t, w in zip(task.measures, totals, weights, strict=True)}


def _sum(value: Tensor, fabric: Fabric) -> Tensor:
    """Over all ranks."""
    return cast(Tensor, fabric.all_reduce(value.to(fabric.device), reduce_op="sum"))


def _not_finite(iteration: int, keys: list[str], run: Path) -> str:
    kept = run / CHECKPOINT
    return (
        f"the loss is not finite at iteration {iteration}, on {', '.join(keys[:8])}"
        f"{f' and {len(keys) - 8} more' if len(keys) > 8 else ''}: lower training.learning_rate, which starts a new run"
        + (f"; the last good state is kept in {kept}" if kept.exists() else "")
    )


def _write_checkpoint(path: Path, task: Task, optimizer: Any, iteration: int, curve: Curve) -> None:
    buffer = io.BytesIO()
    state = {
        "iteration": iteration,
        "task": task.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rows": curve.rows,
        "losses": curve.losses,
    }
    torch.save(state, buffer)
    write_atomic(path, buffer.getvalue())


def _read_checkpoint(path: Path) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever torch makes of a damaged file
        raise UserError(f"{path}: cannot be read ({error}): remove it to train from the start") from error
    return state
