"""Looking after finished datasets, on the command line: `retry-failed` and `gc`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError


def retry_failed(
    dataset: Annotated[Path, typer.Argument(help="The dataset's folder: results/NAME.")],
    min_success: Annotated[
        float, typer.Option(help="The share of a shard's samples that must be made, or it stays as it is.")
    ] = 0.0,
) -> None:
    """Make failed samples again, and nothing else, through every column and view."""
    from pipeline.retry import retry_failed as run

    results = []
    for retried in run(dataset, min_success):
        typer.echo(retried)
        results.append(retried)
    troubled = sum(bool(retried.trouble) for retried in results)
    failed, left = sum(retried.failed for retried in results), sum(retried.left for retried in results)
    typer.echo(f"{dataset}: {failed} failed, {left} still do" if failed else f"{dataset}: nothing failed")
    if troubled:
        raise UserError(f"{dataset}: {troubled} shard{'s' * (troubled > 1)} not retried: the lines above say why")
