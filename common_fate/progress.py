"""Progress: a bar on a terminal, a plain line now and then in a log."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LOG_SECONDS = 30.0


def progress(
    items: Iterable[T], total: int, what: str, done: int = 0, note: Callable[[], str] | None = None
) -> Iterator[T]:
    """Passes items on, showing how many of `total` have gone by, `done` of them before, and the newest `note`."""
    terminal = sys.stderr.isatty()
    bar = tqdm(
        desc=what,
        total=total,
        initial=done,
        mininterval=0.1 if terminal else LOG_SECONDS,
        miniters=1,  # by the clock alone
        ascii=not terminal,
        bar_format=None if terminal else "{desc}: {n_fmt} of {total_fmt} in {elapsed}{postfix}\n",
    )
    with bar:
        for item in items:
            yield item
            if note:
                bar.set_postfix_str(note(), refresh=False)
            bar.update()
