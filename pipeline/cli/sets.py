"""Datasets from datasets, on the command line: `merge` and `split`."""

from pathlib import Path
from typing import Annotated

import typer

from common_fate.manifest.shards import read_shards

RESULTS = Path("results")


def merge(
    views: Annotated[list[Path], typer.Argument(help="The views, two or more: results/DATASET/shards/VIEW.")],
    dataset: Annotated[str, typer.Option(help="The new dataset's name: it comes to results/NAME.")],
) -> None:
    """Copy the same view of several datasets into one of a new dataset; ids get their dataset's name in front."""
    from common_fate.datasets import merge as merging

    made = merging.merge(views, RESULTS / dataset)
    for line in merging.differences(views):
        typer.echo(f"options differ (each shard's record has its own): {line}")
    typer.echo(_described(made))


def split(
    view: Annotated[Path, typer.Argument(help="The view: results/DATASET/shards/VIEW.")],
    train: Annotated[str, typer.Option(help="The name of the dataset to train on: it comes to results/NAME.")],
    val: Annotated[str, typer.Option(help="The name of the dataset to validate on.")],
    hold_out: Annotated[float, typer.Option(help="The share of videos to validate on.")] = 0.1,
) -> None:
    """Copy a view into one to train on and one to validate on, by video, as `data: {hold_out: ...}` divides it."""
    from common_fate.datasets import split as splitting

    for made in splitting.split(view, RESULTS / train, RESULTS / val, hold_out):
        typer.echo(_described(made))


def _described(view: Path) -> str:
    table = read_shards(view)
    samples, size = (sum(table[name].to_pylist()) for name in ("samples", "bytes"))
    counts = [
        f"{count:,} {what}{'s' * (count != 1)}" for count, what in ((samples, "sample"), (table.num_rows, "shard"))
    ]
    return f"wrote {view}: {' in '.join(counts)}, {size:,} bytes"
