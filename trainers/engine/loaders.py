"""Batches of a run: this process's passes of each step, and its share of the samples that are held out."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import torch
from lightning.fabric import Fabric
from torch.utils.data import DataLoader, Dataset

from common_fate.errors import UserError
from trainers.data.steps import StepSampler
from trainers.engine.options import Machine, TrainingOptions
from trainers.engine.task import Batch

Collate = Callable[[list[Any]], Batch]
"""Joins the samples of a pass."""


class TrainingBatches(Iterator[Batch]):
    """The batches of the passes of a run, one after the other; `waited` is for how many seconds so far."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.waited = 0.0
        self._batches = one_line_errors(batches)

    def __next__(self) -> Batch:
        asked = time.monotonic()
        try:
            return next(self._batches)
        finally:
            self.waited += time.monotonic() - asked


def training_batches(
    train: Dataset[Any],
    options: TrainingOptions,
    machine: Machine,
    fabric: Fabric,
    start: int,
    collate: Collate | None = None,
) -> TrainingBatches:
    """Returns the batches of all passes from step `start` on, read ahead.

    Raises:
        UserError: there are too few samples, or a step cannot be shared out; later, what a sample's reading raises.
    """
    samples, world = len(train), fabric.world_size  # type: ignore[arg-type]
    if samples < options.batch_size:
        raise UserError(
            f"training.batch_size is {options.batch_size}, and there are {samples} samples to train on: take a smaller "
            "batch or more data"
        )
    try:
        options.check_devices(world)
    except ValueError as error:
        raise UserError(f"training.{error}") from error
    sampler = StepSampler(
        samples,
        seed=options.seed,
        iterations=options.iterations,
        batch_size=options.batch_size,
        accumulation=options.accumulation,
        start=start,
        rank=fabric.global_rank,
        world_size=world,
    )
    return TrainingBatches(iter(_loader(train, machine, fabric, batch_sampler=sampler, collate_fn=collate)))


def validation_batches(
    data: Dataset[Any], options: TrainingOptions, machine: Machine, fabric: Fabric, collate: Collate | None = None
) -> DataLoader[Any]:
    """Returns this process's share of the held-out samples, in their own order, in batches as large as a pass."""
    share = range(fabric.global_rank, len(data), fabric.world_size)  # type: ignore[arg-type]
    size = options.batch_size // (fabric.world_size * options.accumulation)
    return _loader(data, machine, fabric, batch_size=size, sampler=share, collate_fn=collate)


def _loader(data: Dataset[Any], machine: Machine, fabric: Fabric, **how: Any) -> DataLoader[Any]:
    return DataLoader(
        data,
        num_workers=machine.workers,
        pin_memory=fabric.device.type == "cuda",
        worker_init_fn=_one_thread,
        prefetch_factor=4 if machine.workers else None,
        **how,
    )


def one_line_errors(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yields the batches; what the user can put right comes from a worker with its traceback, which is left out."""
    try:
        yield from batches
    except UserError as error:
        raise UserError(re.sub(r"(?s)^Caught .*\ncommon_fate\.errors\.\w+: ", "", str(error)).strip()) from error


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
