"""Passing shards on, on the command line."""

import re
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError


def adopt(
    folder: Annotated[Path, typer.Argument(help="Shards from elsewhere: a view or a column with its manifest.")],
    dataset: Annotated[str, typer.Option(help="What to call it here: it becomes results/NAME.")],
) -> None:
    """Make shards from elsewhere a dataset here, after checking every byte."""
    from pipeline.sharing.adopt import adopt as run

    if not re.fullmatch("[A-Za-z0-9_]+", dataset) or dataset in ("report", "experiments"):
        raise UserError(f"--dataset {dataset}: a name has letters, digits and _, and is not report or experiments")
    place = Path("results") / dataset
    adoption = run(folder, place)
    typer.echo(f"{place}: adopted {_shards(adoption.shards)}")
    if adoption.missing:
        typer.echo(f"not in {folder}, and left out: {_shards(adoption.missing)}")
    typer.echo(f"In config.yaml, under datasets:\n  {dataset}: {{source: {{kind: adopted}}}}")


def _shards(names: list[str]) -> str:
    listed = ", ".join(names) if len(names) <= 8 else f"{names[0]} to {names[-1]}"
    return f"{len(names)} shard{'s' * (len(names) > 1)} ({listed})"
