"""Routes of a part of the page that are made when one of them is first asked for.

Some of them import torch, which takes seconds and half a gigabyte: who looks at datasets alone waits for neither.
"""

import asyncio

from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from trainers.declarations import entry_point
from trainers.page.site import Site
from trainers.page.tool import Tool


class LateRoutes:
    """An ASGI application of a tool's routes."""

    def __init__(self, tool: Tool, site: Site) -> None:
        self._tool, self._site = tool, site
        self._router: Router | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._turn:
            if self._router is None:
                self._router = await asyncio.to_thread(self._made)
        await self._router(scope, receive, send)

    def _made(self) -> Router:
        return Router(routes=list(entry_point(self._tool.routes)(self._site)))
