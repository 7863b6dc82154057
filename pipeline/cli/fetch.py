"""Shards on other machines, on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from common_fate.errors import UserError

Address = Annotated[str, typer.Argument(help="A folder's address: https://..., http://... or s3://...")]


def fetch(
    address: Address,
    to: Annotated[Path, typer.Option(help="The folder for the copy.")],
) -> None:
    """Copy a shared folder from another machine; every file is checked, and what is there already stays."""
    from common_fate.datasets.fetch import fetch as run
    from common_fate.remote.download import Patience

    fetched = run(address, to, Patience())
    typer.echo(f"{to}: complete, every sum is right ({fetched} files fetched)")


def verify(address: str, full: bool) -> None:
    """Checks a view at an address by its sizes, and prints what is wrong. Raises `UserError` where something is."""
    from common_fate.datasets.fetch import faults
    from common_fate.remote.cache import Cache

    if full:
        raise UserError(
            f"{address}: --full reads every byte: copy it (python -m pipeline fetch {address} --to DIR), then verify "
            "--full the copy"
        )
    found = faults(address, Cache())
    for fault in found:
        typer.echo(fault)
    if found:
        raise UserError(f"{address}: {len(found)} problem{'s' * (len(found) > 1)}")
    typer.echo(f"{address}: in order (its tables by their sums, its shards by their sizes)")
