"""Progress: a bar on a terminal, a plain line now and then in a log."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LOG_SECONDS = 30.0


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Passes items on, showing how many of `total` have gone by."""
    terminal = sys.stderr.isatty()
    yield from tqdm(
        items,
        what,
        total,
        mininterval=0.1 if terminal else LOG_SECONDS,
        maxinterval=LOG_SECONDS,
        ascii=not terminal,
        bar_format=None if terminal else "{desc}: {n_fmt} of {total_fmt} in {elapsed}\n",
    )
