"""What evaluations of labelled images do alike around their training."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from common_fate.shards.record import file_sha256
from trainers.declarations import Evaluation
from trainers.engine.devices import is_main_process
from trainers.evaluations.job import Job
from trainers.evaluations.labelled_images.listing import list_images, look_at
from trainers.evaluations.labelled_images.sides import Labelled
from trainers.evaluations.start import encoder_name


def open_images(job: Job) -> tuple[Labelled, Labelled]:
    """Returns the images to train on and those to measure on, after a look at some of each.

    Raises:
        UserError: see `trainers.evaluations.labelled_images.listing.check`.
    """
    train, validation = list_images(job.options.data)
    if is_main_process():
        look_at(train, "train")
        look_at(validation, "validate")
    return train, validation


def run_name(evaluation: Evaluation, job: Job, train: Labelled, shown: Mapping[str, Any]) -> str:
    """Returns the name of the folder of a run: a digest of all that decides what comes out.

    Args:
        shown: the options that decide on pictures alone, with some value that is always the same.
    """
    weights = job.weights and file_sha256(job.weights)
    known = [evaluation.version, encoder_name(job), weights, {**asdict(job.options), **shown}, train.classes]
    digest = hashlib.sha256(json.dumps(known).encode())
    for name in train.names:
        digest.update(f"{name}\n".encode())
    digest.update(train.labels.tobytes())
    return digest.hexdigest()[:12]
