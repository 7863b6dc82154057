"""The page on the command line."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from common_fate.errors import UserError

LOCAL = ("127.0.0.1", "localhost", "::1")


def page(
    results: Annotated[Path, typer.Argument(help="The folder of results.")] = Path("results"),
    images: Annotated[Path | None, typer.Option(help="A folder of images to move, annotate and compare.")] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Where annotations are written; by default RESULTS/annotations.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show, and write nothing.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen at; others than this machine's let others in.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any that is free.")] = 8000,
    token: Annotated[
        str | None, typer.Option(help="The secret of the address, so that it stays; by default another each time.")
    ] = None,
) -> None:
    """Look at datasets and trainings, pull at images and annotate them, in a browser. It runs until interrupted."""
    for name, folder in (("RESULTS", results), ("--images", images)):
        if folder is not None and not folder.is_dir():
            raise UserError(f"{name} {folder}: there is no such folder")
    if token is not None and not (token.isascii() and token.isalnum() and len(token) >= 8):
        raise UserError("--token: should have 8 or more letters and digits and nothing else")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads of torch leave the cores to the answers
    typer.echo("Loading libraries, which takes some seconds", err=True)
    from trainers.page.serve import serve
    from trainers.page.site import Site

    written = None if read_only else annotations or results / "annotations"
    serve(Site(results, images, written, read_only), host, port, token or secrets.token_urlsafe(16))
