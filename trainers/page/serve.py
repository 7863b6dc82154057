"""Serves a page until it is interrupted."""

import os
import signal
import socket

import typer
import uvicorn

from common_fate.errors import UserError
from trainers.declarations import entry_point
from trainers.page.commands import LOCAL
from trainers.page.server import create_app
from trainers.page.site import Site
from trainers.page.tool import Tool
from trainers.registry import METHODS

TOOLS: tuple[str, ...] = (
    "trainers.page.datasets.tool:TOOL",
    "trainers.page.experiments.tool:TOOL",
    "trainers.page.embeddings.tool:TOOL",
)
"""The entry points of the tools that are no method's own."""

MOST_AT_ONCE = 512
"""Connections, so that files can be opened beside them; who comes when there are more is told to come later."""


def all_tools() -> list[Tool]:
    """Returns the tools of the page, and those of methods."""
    return [entry_point(where) for where in (*TOOLS, *(one for method in METHODS.values() for one in method.tools))]


def serve(site: Site, host: str, port: int, token: str) -> None:
    """Serves a page, and prints its address.

    Raises:
        UserError: the port is taken, or the host is none of this machine's.
    """
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        said = os.strerror(error.errno or 0)
        raise UserError(f"--host {host} --port {port}: {said}: give another, --port 0 for any") from error
    with listening:
        port = listening.getsockname()[1]
        hosts = LOCAL if host in LOCAL else ()
        app = create_app(site, all_tools(), token, f"common-fate-{port}", hosts)
        name = f"[{host}]" if ":" in host else host
        # From the address on, one may end it. Python's own KeyboardInterrupt is lost where it falls into a callback of
        # an import, and would look through all of torch for seconds; nothing is left to be done but answers, which are
        # uvicorn's.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        typer.echo(f"Open http://{name}:{port}/?token={token}   (Ctrl+C ends it)")
        if host not in LOCAL:
            typer.echo("note: whoever reaches this machine and has this address is let in", err=True)
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=2, ws="none", limit_concurrency=MOST_AT_ONCE
        )
        uvicorn.Server(config).run(sockets=[listening])
