"""One evaluation of one start: the entry point of its declaration is run, and its result written."""

import json
import time
from dataclasses import asdict
from pathlib import Path

from common_fate.errors import UserError
from trainers.declarations import Evaluation, entry_point
from trainers.engine.devices import is_main_process
from trainers.evaluations.job import Job
from trainers.evaluations.result import Measurement, Result, write_result

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
        raise UserError(f"{evaluation.name}: measures on views: give some, results/DATASET/shards/{evaluation.view}")
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
