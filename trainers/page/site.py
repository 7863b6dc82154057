"""What a running page knows: its folders, its pictures, its models, and how long work is done beside the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from common_fate.errors import UserError
from trainers.page.links import stays_inside
from trainers.page.models import Models
from trainers.page.pictures import Pictures

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Site:
    """One page: what it shows, and what it may write.

    Args:
        results: the folder of results.
        images: a folder of images to work on, if any.
        annotations: where annotations are written; None: nowhere, as with `read_only`.
        read_only: nothing is written.
    """

    results: Path
    images: Path | None = None
    annotations: Path | None = None
    read_only: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @cached_property
    def models(self) -> Models:
        """The models that can be used."""
        return Models(self.results)

    @cached_property
    def pictures(self) -> Pictures:
        """The images that can be worked on."""
        return Pictures(self.images)

    async def compute(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what takes long in a thread, one at a time, so that the page goes on answering.

        Where nobody waits for it any more, it is done all the same before the next begins: a thread cannot be stopped.
        """
        await self._turn.acquire()
        running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
        running.add_done_callback(self._done)
        return await asyncio.shield(running)

    def _done(self, ran: asyncio.Future[Any]) -> None:
        self._turn.release()
        if not ran.cancelled():
            ran.exception()  # or one that nobody waits for would be noted on the terminal

    def inside(self, path: Path) -> Path:
        """Returns a path under the folder of results with its links resolved.

        Raises:
            UserError: it is not there, or leads out of the folder.
        """
        if not stays_inside(path, self.results.resolve()):
            raise UserError(f"{path.name}: lies outside {self.results}")
        found = path.resolve()
        if not found.exists():
            raise UserError(f"{path.name}: is not there (any more)")
        return found
