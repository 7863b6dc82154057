"""What an evaluation starts from: the network of an experiment or the image encoder in it, trained or from scratch."""

from typing import Any

import torch
from torch import nn

from common_fate.errors import UserError
from trainers.evaluations.job import Job
from trainers.models.encoders import Encoder, create_encoder, load_encoder
from trainers.models.saving import create_network, load_model
from trainers.registry import METHODS


def encoder_name(job: Job) -> str:
    """Returns the name of the image encoder of the job's experiment.

    Raises:
        UserError: its method has none.
    """
    encoder = METHODS[job.method].encoder
    if encoder is None:
        raise UserError(f"{job.experiment}: {job.method} has no image encoder, which this evaluation needs")
    return encoder(job.method_options)


def load_start_encoder(job: Job, seed: int) -> Encoder:
    """Returns the image encoder with the job's weights; without any, with the architecture's own, drawn by `seed`.

    Raises:
        UserError: see `load_encoder`.
    """
    name = encoder_name(job)
    if job.weights is not None:
        return load_encoder(job.weights, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return create_encoder(name)


def load_start_model(job: Job) -> tuple[nn.Module, Any]:
    """Returns the network in evaluation mode and the options of its method; without weights, drawn by its own seed.

    Raises:
        UserError: the weights cannot be read, or are of a method that is not the job's.
    """
    if job.weights is not None:
        trained = load_model(job.weights)
        if trained.method.name != job.method:
            raise UserError(f"{job.weights}: a network of {trained.method.name}, not of {job.method}")
        return trained.net, trained.options
    return create_network(METHODS[job.method], job.method_options).eval(), job.method_options
