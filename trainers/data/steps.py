"""The samples of a training run as a pure function of the iteration: what makes a run resumable without any state."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class StepSampler(Sampler[list[tuple[int, int]]]):
    """Batches of `(epoch, index)` for the passes of the steps `start` to `iterations`, on this rank.

    The run is one sequence of samples, a permutation of all of them after the other, each drawn from `(seed, epoch)`
    alone; step i takes the samples from `i * batch_size` on. So a step has the same samples however many devices and
    passes share it, and every sample comes once in each epoch.

    Args:
        length: samples in the dataset.
        batch_size: samples of a step.
        accumulation: passes of a step; with the ranks they divide `batch_size`.

    Raises:
        ValueError: they do not.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int,
        iterations: int,
        batch_size: int,
        accumulation: int = 1,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size % (accumulation * world_size):
            raise ValueError(
                f"batch_size {batch_size} is not a multiple of {world_size} devices times {accumulation} passes"
            )
        self.length, self.seed, self.start, self.iterations = length, seed, start, iterations
        self.batch_size, self.accumulation = batch_size, accumulation
        self.rank, self.world_size = rank, world_size
        self.device_batch = batch_size // (accumulation * world_size)

    def __len__(self) -> int:
        return (self.iterations - self.start) * self.accumulation

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        drawn, order = -1, np.empty(0, np.int64)
        for step in range(self.start, self.iterations):
            for number in range(self.accumulation):
                first = step * self.batch_size + (number * self.world_size + self.rank) * self.device_batch
                batch = []
                for position in range(first, first + self.device_batch):
                    epoch, place = divmod(position, self.length)
                    if epoch != drawn:
                        drawn, order = epoch, np.random.default_rng((self.seed, epoch)).permutation(self.length)
                    batch.append((epoch, int(order[place])))
                yield batch
