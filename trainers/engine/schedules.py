"""How the learning rate falls: functions of the iteration, so that resuming needs no state."""

from trainers.engine.options import TrainingOptions


def rate_at(iteration: int, options: TrainingOptions) -> float:
    """The learning rate of a step, counted from 0.

    `steps`: a tenth after each of `drops`, shares of all iterations (Zhan et al., CVPR 2019, "Training Details": 2/3.5
    and 3/3.5). `polynomial`: `(1 - iteration / iterations) ** power` (Chen et al., "DeepLab", TPAMI 2018).
    """
    if options.schedule == "polynomial":
        return float(options.learning_rate * (1 - iteration / options.iterations) ** options.power)
    dropped = sum(iteration >= share * options.iterations for share in options.drops)
    return options.learning_rate * 0.1**dropped
