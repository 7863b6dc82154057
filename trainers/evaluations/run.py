"""One evaluation of one start: the entry point of its declaration is run, and its result written."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import torch

from common_fate.errors import UserError
from trainers.declarations import OWN, Evaluation, entry_point
from trainers.engine.devices import is_main_process
from trainers.evaluations.job import Job
from trainers.evaluations.result import Measurement, Result, write_result
from trainers.registry import METHODS

SIDES = ("held out", "all")


def run(evaluation: Evaluation, job: Job, to: Path) -> None:
    """Runs an evaluation and writes its `START.json`; of several processes, the first writes.

    Raises:
        UserError: the job does not fit the evaluation, or see the evaluation.
    """
    if job.side not in SIDES:
        raise UserError(f"--side {job.side}: should be one of {', '.join(map(repr, SIDES))}")
    if evaluation.methods and job.method not in evaluation.methods:
        raise UserError(
            f"{evaluation.name}: cannot read the network of {job.method}: give an experiment of "
            f"{', '.join(evaluation.methods)}"
        )
    if evaluation.view and not job.views:
        view = METHODS[job.method].view_for(job.method_options) if evaluation.view == OWN else evaluation.view
        raise UserError(f"{evaluation.name}: measures on views: give some, results/DATASET/shards/{view}")
    if job.machine.threads:
        torch.set_num_threads(job.machine.threads)
    began = time.monotonic()
    result: Result = entry_point(evaluation.run)(job)
    if not is_main_process():
        return
    measurement = Measurement(
        evaluation=evaluation.name,
        version=evaluation.version,
        experiment=job.experiment,
        start=job.start,
        options=json.loads(json.dumps(asdict(job.options))),
        side=job.side,
        views=job.views,
        result=result,
        seconds=time.monotonic() - began,
    )
    write_result(to, measurement)
