"""Making the next thing while the present one is being used."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def one_ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Yields what is made of each item, in order; a thread makes the next one meanwhile. Raises what `make` raises."""
    coming: Future[Made] | None = None
    for item in items:
        present, coming = coming, _started(make, item)
        if present:
            yield present.result()
    if coming:
        yield coming.result()


def _started(make: Callable[[Item], Made], item: Item) -> Future[Made]:
    future: Future[Made] = Future()

    def work() -> None:
        try:
            future.set_result(make(item))
        except BaseException as error:  # whoever asks for the result gets it
            future.set_exception(error)

    # A daemon: a reader that stops early does not wait for a shard that nobody will read.
    threading.Thread(target=work, daemon=True).start()
    return future
