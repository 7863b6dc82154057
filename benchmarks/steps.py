"""Steps of training, without an optimiser: what the benchmarks of several methods measure."""

import resource
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import default_collate


def of_steps(task: Any, samples: Sequence[Mapping[str, Any]], repeats: int) -> tuple[float, float]:
    """Returns samples a second of processor time, at the best of so many steps, and the most memory of the process, MB.

    Args:
        task: a method's, of one loss, in training.
        samples: of a view; a step transforms all of them.
    """
    task.to(memory_format=torch.channels_last)
    transform = task.samples(train=True)
    taken = []
    for _ in range(1 + repeats):  # the first one warms up
        began = time.process_time()
        (loss,) = task(default_collate([transform(sample) for sample in samples])).values()
        loss.backward()
        taken.append(time.process_time() - began)
    return len(samples) / min(taken[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
