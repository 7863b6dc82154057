"""Batches of a dataset, and the state to take them up midway."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset

from common_fate.torch.sampler import EpochSampler


class EpochLoader:
    """A `DataLoader` that knows what it has handed out.

    Each iteration is what is left of the sampler's epoch, and then moves the sampler to the next epoch. A loop that
    resumes:

        loader.load_state_dict(checkpoint["data"])  # the sequence of batches goes on as if nothing had happened
        while loader.sampler.epoch < epochs:
            for batch in loader:
                ...  # at any point: checkpoint["data"] = loader.state_dict()

    Args:
        options: of `DataLoader`; any number of workers gives the same batches.
    """

    def __init__(self, dataset: Dataset[Any], batch_size: int, sampler: EpochSampler, **options: Any) -> None:
        self.sampler = sampler
        self._batch_size = batch_size
        self._loader: DataLoader[Any] = DataLoader(dataset, batch_size, sampler=sampler, **options)

    def __iter__(self) -> Iterator[Any]:
        epoch = self.sampler.epoch
        for batch in self._loader:
            self.sampler.advance(self._batch_size)
            yield batch
        self.sampler.set_epoch(epoch + 1)

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        return len(self._loader)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state after the batches handed out so far, whatever the workers have prepared beyond them."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on, in the next iteration, where `state` was taken. Raises `ValueError` for another dataset's state."""
        self.sampler.load_state_dict(state)
