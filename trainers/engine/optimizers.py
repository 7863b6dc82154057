"""Optimizers of torch.optim, and which parameters decay and learn how fast."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from common_fate.errors import UserError
from trainers.engine.options import GroupOptions, TrainingOptions

NET = "net."


def create_optimizer(task: nn.Module, options: TrainingOptions, fused: bool) -> torch.optim.Optimizer:
    """Returns the optimizer of all parameters of a task that are not frozen.

    Args:
        fused: one kernel for all parameters, on a GPU.

    Raises:
        UserError: see `parameter_groups`.
    """
    groups = parameter_groups(task, options)
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, options.momentum, weight_decay=decay, fused=fused)
    adam = torch.optim.Adam if options.optimizer == "adam" else torch.optim.AdamW
    return adam(groups, rate, options.betas, weight_decay=decay, amsgrad=options.amsgrad, fused=fused)


def parameter_groups(task: nn.Module, options: TrainingOptions) -> list[dict[str, Any]]:
    """Returns the parameters that are not frozen, together where they decay and learn alike, for an optimizer.

    A group has `params`, `weight_decay` and `factor`, of the learning rate. `training.groups` has the names of the
    parameters in `task.net`; those of the task beside it go by their full names. With `decay_norms` false, whatever
    has one dimension or none (normalisations and biases) does not decay, be it in a group or not.

    Raises:
        UserError: no parameter's name begins as one of `training.groups`, or nothing is left to train.
    """
    parameters = {n.removeprefix(NET): p for n, p in task.named_parameters() if p.requires_grad}
    if not parameters:
        raise UserError("training: every parameter is frozen, and nothing is left to train")
    for beginning in options.groups:
        if not any(_begins(name, beginning) for name in parameters):
            parts = dict.fromkeys(name.partition(".")[0] for name in parameters)
            raise UserError(
                f"training.groups.{beginning}: no parameter's name begins so: they begin with {', '.join(parts)}"
            )
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        group = _group(name, options)
        decay = options.weight_decay if group.weight_decay is None else group.weight_decay
        if not options.decay_norms and parameter.ndim <= 1:
            decay = 0.0
        groups.setdefault((group.learning_rate, decay), []).append(parameter)
    return [{"params": params, "factor": factor, "weight_decay": decay} for (factor, decay), params in groups.items()]


def set_rate(groups: Iterable[dict[str, Any]], rate: float) -> None:
    """Sets the learning rate of each group: `rate` times the group's factor."""
    for group in groups:
        group["lr"] = rate * group["factor"]


def _group(name: str, options: TrainingOptions) -> GroupOptions:
    """The group of a parameter's name: that with the longest beginning."""
    fitting = [beginning for beginning in options.groups if _begins(name, beginning)]
    return options.groups[max(fitting, key=len)] if fitting else GroupOptions()


def _begins(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(f"{beginning}.")
