"""Nearest neighbours among more than is kept: whatever is added is compared and forgotten."""

import numpy as np
import torch
from numpy.typing import NDArray

BLOCK = 2**24  # distances in memory at a time


class Nearest:
    """The nearest of all that was added, to each of Q queries.

    Attributes:
        distances: `(Q, count)`, ascending; infinite where fewer were added.
        rows: `(Q, count)`, their numbers, in the order in which they were added; -1 where fewer were.
    """

    def __init__(self, queries: NDArray[np.float32], count: int, device: torch.device) -> None:
        self._queries = torch.from_numpy(queries).to(device)
        self.distances = torch.full((len(queries), count), torch.inf, device=device)
        self.rows = torch.full((len(queries), count), -1, device=device)
        self._added, self._waiting = 0, list[NDArray[np.float32]]()

    def add(self, descriptors: NDArray[np.float32]) -> None:
        """Adds `(N, C)`."""
        self._waiting.append(descriptors)
        if sum(map(len, self._waiting)) * len(self._queries) >= BLOCK:
            self.compare()

    def compare(self) -> None:
        """Takes what was added into account, all of it."""
        if not self._waiting:
            return
        block = torch.from_numpy(np.concatenate(self._waiting)).to(self._queries.device)
        self._waiting = []
        distances = torch.cdist(self._queries[None], block[None])[0]
        rows = torch.arange(self._added, self._added + len(block), device=block.device).expand_as(distances)
        self._added += len(block)
        both = torch.cat([self.distances, distances], dim=1)
        self.distances, places = both.topk(self.distances.shape[1], largest=False)
        self.rows = torch.cat([self.rows, rows], dim=1).gather(1, places)


def voted(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Returns the class that most labels of a row `(Q, k)` have, `(Q,)`; of several, the first; -1 is no label."""
    votes = np.zeros((len(labels), classes), np.int64)
    for column in labels.T:
        there = np.flatnonzero(column >= 0)
        votes[there, column[there]] += 1
    # A label counts for as much as its votes; the first of the best decides.
    worth = np.where(labels >= 0, np.take_along_axis(votes, np.maximum(labels, 0), axis=1), -1)
    return np.take_along_axis(labels, worth.argmax(axis=1)[:, None], axis=1)[:, 0]
