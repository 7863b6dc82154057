"""The web server: the page's own files, its tools' routes, and errors in words."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from common_fate.errors import UserError
from trainers.page.access import Access
from trainers.page.answers import Json, body_of, error_answer, jpeg
from trainers.page.late import LateRoutes
from trainers.page.pictures import MOST_BYTES
from trainers.page.site import Site
from trainers.page.tool import Tool

STATIC = Path(__file__).parent / "static"
_log = logging.getLogger(__name__)


def create_app(
    site: Site, tools: Sequence[Tool], token: str, cookie: str = "common-fate", hosts: tuple[str, ...] = ()
) -> Starlette:
    """Returns the page as an ASGI application.

    Args:
        tools: its parts.
        token, cookie, hosts: as for `Access`.
    """
    shown = sorted(tools, key=lambda tool: (tool.order, tool.name))

    async def index(request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def about(request: Request) -> Response:
        return Json(
            {
                "results": site.results.name,
                "readOnly": site.read_only,
                "tools": [{"name": tool.name, "title": tool.title, "about": tool.about} for tool in shown],
            }
        )

    async def models(request: Request) -> Response:
        methods = tuple(request.query_params.getlist("method"))
        names = await asyncio.to_thread(site.models.names, methods)
        return Json([{"name": name, "method": method} for name, method in names.items()])

    async def pictures(request: Request) -> Response:
        found = [
            {"id": f"folder/{i}", "name": path.name}
            for i, path in enumerate(await asyncio.to_thread(site.pictures.files))
        ]
        return Json(found)

    async def picture(request: Request) -> Response:
        return jpeg(await site.compute(site.pictures.small, request.path_params["name"]), 85)

    async def send(request: Request) -> Response:
        data = await body_of(request, MOST_BYTES)
        name = await site.compute(site.pictures.add, data)
        return Json({"id": name})

    return Starlette(
        routes=[
            Route("/", index),
            Route("/api/site", about),
            Route("/api/models", models),
            Route("/api/pictures", pictures),
            Route("/api/pictures", send, methods=["POST"]),
            Route("/api/pictures/{name:path}", picture),
            *(Mount(f"/api/{tool.name}", LateRoutes(tool, site)) for tool in shown),
            *(Mount(f"/tools/{tool.name}", StaticFiles(directory=tool.static)) for tool in shown),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Access, token=token, cookie=cookie, hosts=hosts)],
        exception_handlers={
            **{UserError: _said, OSError: _of_disk, ClientDisconnect: _gone},
            **{Exception: _unexpected, 404: _missing},
        },
    )


async def _said(request: Request, error: Exception) -> Response:
    return error_answer(str(error))


async def _of_disk(request: Request, error: Exception) -> Response:
    """A file that goes, or a disk that fails, while it is looked at."""
    name, said = getattr(error, "filename", None), getattr(error, "strerror", None)
    return error_answer(f"{name or 'a file'}: {said or error}")


async def _gone(request: Request, error: Exception) -> Response:
    return error_answer("what was sent was broken off")  # nobody reads it


async def _missing(request: Request, error: Exception) -> Response:
    return error_answer("there is nothing at this address", 404)


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return error_answer(f"{type(error).__name__}: see the terminal that the page was started in", 500)
