"""How the learning rate falls: timm's schedules as functions of the iteration, so that resuming needs no state."""

import math
from collections.abc import Callable

import torch
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.multistep_lr import MultiStepLRScheduler
from timm.scheduler.poly_lr import PolyLRScheduler
from timm.scheduler.scheduler import Scheduler

from trainers.engine.options import TrainingOptions


def learning_rates(options: TrainingOptions) -> Callable[[int], float]:
    """Returns what gives the learning rate of a step, counted from 0.

    Over `warmup` = w iterations of T the rate rises as i / w. Then it is

    - `multistep`: `gamma` to the power of how many of the `milestones`, shares of T, are reached (Zhan et al., CVPR
      2019, "Training Details": 2/3.5 and 3/3.5),
    - `polynomial`: (1 - (i - w) / (T - w)) ** `power` (Chen et al., "DeepLab", TPAMI 2018),
    - `cosine`: (1 + cos(pi (i - w) / (T - w))) / 2 (Loshchilov and Hutter, "SGDR", ICLR 2017),
    - `constant`: 1,

    all times `learning_rate`.
    """
    # timm's schedules write into an optimizer; this one is only there to be read.
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=options.learning_rate)
    schedule = _schedule(optimizer, options)

    def rate(iteration: int) -> float:
        schedule.step_update(iteration)
        return float(optimizer.param_groups[0]["lr"])

    return rate


def _schedule(optimizer: torch.optim.Optimizer, options: TrainingOptions) -> Scheduler:
    falling = options.iterations - options.warmup
    if options.schedule == "polynomial":
        return PolyLRScheduler(
            optimizer, falling, power=options.power, warmup_t=options.warmup, warmup_prefix=True, t_in_epochs=False
        )
    if options.schedule == "cosine":
        return CosineLRScheduler(optimizer, falling, warmup_t=options.warmup, warmup_prefix=True, t_in_epochs=False)
    milestones = options.milestones if options.schedule == "multistep" else ()
    # timm's milestone m counts from iteration m - 1 on.
    reached = [math.ceil(share * options.iterations) + 1 for share in milestones]
    return MultiStepLRScheduler(
        optimizer, reached, options.gamma, warmup_t=options.warmup, warmup_prefix=False, t_in_epochs=False
    )
