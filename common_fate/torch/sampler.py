"""The order of an epoch: a permutation that any number of ranks and workers share, and that can be taken up midway."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from torch.utils.data import Sampler

Uneven = Literal["keep", "pad", "drop"]


class EpochSampler(Sampler[tuple[int, int]]):
    """`(epoch, index)` of each sample that this rank reads in what is left of the epoch.

    The order is one permutation of all samples, drawn from `(seed, epoch)` alone; rank r of W takes every W-th of what
    is left of it, from the r-th on. So the state, `position`, counts samples over all ranks, and W may change between
    runs.

    Args:
        length: samples in the dataset.
        uneven: where the ranks do not divide the samples. `"keep"`: each sample exactly once, some ranks get one more
            (evaluation; one process). `DistributedDataParallel` hangs when a rank has no batch left while others train
            on: `"pad"` gives every rank as many, repeating fewer than W samples; `"drop"` leaves out fewer than W,
            other ones each epoch.

    Iterating does not move `position`: a loader asks for samples long before the trainer sees them. Call `advance` for
    what was handed out, or let `EpochLoader` do so.
    """

    def __init__(self, length: int, *, seed: int, rank: int = 0, world_size: int = 1, uneven: Uneven = "keep") -> None:
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is not one of {world_size}")
        if uneven not in ("keep", "pad", "drop"):
            raise ValueError(f"uneven is 'keep', 'pad' or 'drop', not {uneven!r}")
        self.length, self.seed = length, seed
        self.rank, self.world_size, self.uneven = rank, world_size, uneven
        self.epoch = 0
        self.position = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        left = order[self.position :]
        extra = len(left) % self.world_size
        if extra and self.uneven == "pad":
            left = np.append(left, np.resize(order, self.world_size - extra))
        elif extra and self.uneven == "drop":
            left = left[:-extra]
        epoch = self.epoch
        return ((epoch, int(index)) for index in left[self.rank :: self.world_size])

    def __len__(self) -> int:
        """This rank's samples in a whole epoch, however much of this one is left."""
        share, extra = divmod(self.length, self.world_size)
        one_more = {"keep": self.rank < extra, "pad": extra > 0, "drop": False}
        return share + one_more[self.uneven]

    def advance(self, samples: int) -> None:
        """Notes that each rank was handed so many samples more."""
        self.position = min(self.position + samples * self.world_size, self.length)

    def set_epoch(self, epoch: int) -> None:
        """Moves to the start of an epoch; nothing changes if it is the present one."""
        if epoch != self.epoch:
            self.epoch, self.position = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Returns where it is in which order; the same on every rank."""
        return {"length": self.length, "seed": self.seed, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken.

        Raises:
            ValueError: the state is of another dataset or seed, so that its position means nothing here.
        """
        for name in ("length", "seed"):
            if state[name] != getattr(self, name):
                raise ValueError(f"cannot resume: the {name} was {state[name]} and is {getattr(self, name)} now")
        self.epoch, self.position = state["epoch"], state["position"]
