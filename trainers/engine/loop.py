"""The training loop of every method: Lightning Fabric has the devices, the precision and the processes.

A run can be killed at any moment and goes on from its last checkpoint as if nothing had happened: samples, learning
rate and random numbers are functions of the seed and the iteration, and the checkpoint has the rest.

Nothing in a step waits for the device: losses are read every few steps, and before anything is kept.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.tensorboard import TensorBoardLogger
from lightning.fabric.wrappers import _FabricModule, _FabricOptimizer
from timm.utils.model_ema import ModelEmaV3
from torch import nn
from torch.utils.data import DataLoader, Dataset

from common_fate.errors import UserError
from common_fate.progress import progress
from common_fate.shards.files import write_atomic
from trainers.engine.best import Best
from trainers.engine.checkpoints import CHECKPOINT, read_checkpoint, unusable, write_checkpoint
from trainers.engine.devices import start_fabric
from trainers.engine.history import Curve, NotFinite, Pass, columns, read_losses, sum_of
from trainers.engine.loaders import Collate, training_batches, validation_batches
from trainers.engine.optimizers import create_optimizer, set_rate
from trainers.engine.options import Machine, TrainingOptions
from trainers.engine.schedules import learning_rates
from trainers.engine.task import Batch, Task

READ_EVERY = 10  # steps: so long a loss that is not finite may go unnoticed
RUN = "run.json"
"""In a run's folder: what it is a run of."""
FLUSH_EVERY = 5  # seconds: so old is what whoever watches a run may see of it
IDLE = 100  # iterations, or all where there are fewer: where a task's `idle` says what a loss of 0 means


class Run(TypedDict):
    """What came out of a training run, beside the weights.

    `rows` of the curve; the `seconds` that it took, and which share of them it was `waiting` for data.
    """

    rows: list[dict[str, float]]
    seconds: float
    waiting: float


def fit(
    task: Task,
    train: Dataset[Any],
    validation: Dataset[Any] | None,
    options: TrainingOptions,
    run: Path,
    machine: Machine,
    collate: Collate | None = None,
    about: Mapping[str, Any] | None = None,
) -> Run:
    """Trains `task` in place, or goes on training it from the run's last checkpoint.

    At the end `task.net` has the weights to use: with `ema` the averaged ones, and with `keep` the best of them.

    Args:
        task: it has the same weights on every rank.
        train, validation: samples ready to collate, with their `key`.
        run: the folder of the checkpoint and of TensorBoard's events. Another training takes another folder.
        collate: joins samples that do not stack, images of several sizes; None: they do.
        about: what it is a run of, for whoever looks at it while it goes on: written to its folder, as JSON.

    Raises:
        UserError: there are too few samples, a step cannot be shared out, the loss is not finite, nothing is learnt
            (`Task.idle`), nothing says which weights are best, or the checkpoint cannot be read.
    """
    fabric = start_fabric(options, machine)
    saved = read_checkpoint(run)
    start = saved["iteration"] if saved else 0
    batches = training_batches(train, options, machine, fabric, start, collate)
    held_out = None
    if validation is not None and task.metrics():
        held_out = validation_batches(validation, options, machine, fabric, collate)
    best = Best.of(task, held_out is not None) if options.keep == "best" else None
    net, optimizer, average = _set_up(task, options, fabric)
    curve = Curve(options.iterations)
    began = time.monotonic()
    if saved:
        try:
            task.load_state_dict(saved["task"])
            optimizer.load_state_dict(saved["optimizer"])
            if average:
                average.module.load_state_dict(saved["average"])
            if best:
                best.load_state_dict(saved["best"])
            curve.rows, curve.losses = saved["rows"], saved["losses"]
            batches.waited, began = saved["waited"], began - saved["seconds"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise unusable(run, error) from error
    logger = None
    if fabric.is_global_zero:
        if about is not None:
            write_atomic(run / RUN, (json.dumps(about, indent=1) + "\n").encode())
        logger = TensorBoardLogger(run, name="", version="", purge_step=start, flush_secs=FLUSH_EVERY)

    rate = learning_rates(options)
    unread: list[Pass] = []
    steps: Iterable[int] = range(start, options.iterations)
    if fabric.is_global_zero:
        steps = progress(steps, options.iterations, "train", done=start, note=curve.note)
    for step in steps:
        set_rate(optimizer.param_groups, rate(step))
        unread += _step(step, net, optimizer, batches, options, fabric)
        done = step + 1
        with torch.no_grad():
            task.stepped(done)
        if average:
            average.update(task.net)

        last = done == options.iterations
        saves = done % options.checkpoint_every == 0 or last
        validates = done % options.validate_every == 0 or last
        if not (saves or validates or done % READ_EVERY == 0):
            continue
        known = len(curve.rows)
        try:
            for iteration, losses in read_losses(unread, fabric).items():
                curve.add_losses(iteration + 1, losses, rate(iteration))
        except NotFinite as error:
            raise UserError(_not_finite(error, run)) from error
        unread = []
        if task.idle and (zeros := curve.zeros()) >= min(IDLE, options.iterations):
            raise UserError(f"the loss is exactly 0 since iteration {done - zeros}, so nothing is learnt: {task.idle}")
        if held_out is not None and validates:
            measured = average.module if average else task.net
            found = _measured(task, measured, held_out, fabric)
            curve.add_validation(done, found)
            if best:
                best.add(found, measured)
        if logger:
            for row in curve.rows[known:]:
                values = {name: value for name, value in row.items() if name != "iteration"}
                logger.log_metrics(values, int(row["iteration"]))
        if saves and fabric.is_global_zero:
            _check_weights(task, done, run)
            state = {"iteration": done, "task": task.state_dict(), "optimizer": optimizer.state_dict()}
            state |= {"average": average.module.state_dict()} if average else {}
            state |= {"best": best.state_dict()} if best else {}
            state |= {"rows": curve.rows, "losses": curve.losses}
            write_checkpoint(run, state | {"seconds": time.monotonic() - began, "waited": batches.waited})
    if logger:
        logger.finalize("success")
    if average:
        task.net.load_state_dict(average.module.state_dict())
    if best:
        best.restore(task.net)
    seconds = time.monotonic() - began
    return {"rows": curve.rows, "seconds": seconds, "waiting": batches.waited / seconds}


def _step(
    step: int,
    net: _FabricModule,
    optimizer: _FabricOptimizer,
    batches: Iterator[Batch],
    options: TrainingOptions,
    fabric: Fabric,
) -> list[Pass]:
    """One step of the optimizer: what its passes lost, still on the device."""
    passes = []
    for number in range(options.accumulation):
        batch = next(batches)
        # So that dropout is the same whether the run was taken up or not.
        torch.manual_seed(_seed(options.seed, step, number, fabric.global_rank))
        with fabric.no_backward_sync(net, enabled=number < options.accumulation - 1):
            losses = net(fabric.to_device(batch))
            fabric.backward(sum_of(losses) / options.accumulation)
        passes.append(Pass(step, batch["key"], columns(losses, options.accumulation)))
    if options.clip_norm is not None:
        nn.utils.clip_grad_norm_(net.parameters(), options.clip_norm)
    optimizer.step()
    optimizer.zero_grad()
    return passes


def _set_up(
    task: Task, options: TrainingOptions, fabric: Fabric
) -> tuple[_FabricModule, _FabricOptimizer, ModelEmaV3 | None]:
    """The task on its device, what optimises it, and the average of its network, if any."""
    task.train()
    if options.channels_last:
        task.to(memory_format=torch.channels_last)
    optimizer = create_optimizer(task, options, fused=fabric.device.type == "cuda")
    net, wrapped = cast(tuple[_FabricModule, _FabricOptimizer], fabric.setup(task, optimizer))
    average = ModelEmaV3(task.net, decay=options.ema) if options.ema is not None else None
    if options.compile:
        # Not the loss: unrolled over the samples it would take minutes to compile.
        for part in (task.net, task.teacher):
            if part is not None:
                part.compile()
    return net, wrapped, average


def _measured(task: Task, net: nn.Module, held_out: DataLoader[Any], fabric: Fabric) -> dict[str, float]:
    """The task's metrics over all held-out samples, of all processes."""
    task.eval()
    if fabric.world_size > 1:
        # Each process has normalised its own samples; the network that is kept is the first one's.
        for buffer in net.buffers():
            torch.distributed.broadcast(buffer, src=0)
    metrics = {name: metric.to(fabric.device) for name, metric in task.metrics().items()}
    with torch.no_grad(), fabric.autocast():
        for batch in held_out:
            task.measure(net, fabric.to_device(batch), metrics)
    task.train()
    return {f"validation.{name}": float(metric.compute()) for name, metric in metrics.items()}


def _seed(*parts: int) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7])


def _check_weights(task: Task, done: int, run: Path) -> None:
    """A finite loss may have had a gradient that was not; no checkpoint is written of what came of it."""
    if not torch.stack([weights.isfinite().all() for weights in task.parameters()]).all():
        raise UserError(f"the weights are not finite after iteration {done - 1}: {_advice(run)}")


def _not_finite(error: NotFinite, run: Path) -> str:
    keys = error.keys
    where = ", ".join(keys[:8]) if keys else "samples of another process"
    more = f" and {len(keys) - 8} more" if len(keys) > 8 else ""
    return f"the loss is not finite at iteration {error.iteration}, on {where}{more}: {_advice(run)}"


def _advice(run: Path) -> str:
    kept = run / CHECKPOINT
    return "lower training.learning_rate, which starts a new run" + (
        f"; the last good state is kept in {kept}" if kept.exists() else ""
    )
