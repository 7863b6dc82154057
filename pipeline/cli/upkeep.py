"""Looking after finished datasets, on the command line: `retry-failed` and `gc`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from common_fate.datasets.download_records import DOWNLOADED
from common_fate.errors import UserError
from common_fate.shards.folders import alone
from pipeline.cli.downloads import CONFIG, Config, downloading_of
from pipeline.upkeep.snakemake_lock import check_unlocked


def retry_failed(
    dataset: Annotated[Path, typer.Argument(help="The dataset's folder: results/NAME.")],
    min_success: Annotated[
        float, typer.Option(help="The share of a shard's samples that must be made, or it stays as it is.")
    ] = 0.0,
    configfile: Config = CONFIG,
) -> None:
    """Make failed samples again, and nothing else, through every column and view.

    Of a dataset from the web, first fetch what did not come for a passing reason.
    """
    from pipeline.upkeep.retry import retry_failed as run
    from pipeline.upkeep.retry import told

    results = []
    downloading = downloading_of(dataset, configfile) if (dataset / DOWNLOADED).is_dir() else None
    for retried in run(dataset, min_success, downloading):
        typer.echo(retried)
        results.append(retried)
    troubled = sum(bool(retried.trouble) for retried in results)
    failed, left = sum(retried.failed for retried in results), sum(retried.left for retried in results)
    if failed or not troubled:
        typer.echo(f"{dataset}: {told(failed, left)}" if failed else f"{dataset}: nothing failed")
    if troubled:
        raise UserError(f"{dataset}: {troubled} shard{'s' * (troubled > 1)} not retried: the lines above say why")


def gc(
    folder: Annotated[Path, typer.Argument(help="results, or one dataset of it.")],
    delete: Annotated[bool, typer.Option("--delete", help="Delete what is listed.")] = False,
    older_than: Annotated[
        float, typer.Option(min=0, help="Hours since a file was last written: what runs are writing is younger.")
    ] = 24,
    despite_lock: Annotated[
        bool, typer.Option("--despite-lock", help="Delete although Snakemake's lock says that a run is going on.")
    ] = False,
) -> None:
    """List what nothing needs: temporary files and folders of runs that were killed, shards that no plan names."""
    from pipeline.upkeep import gc as collecting

    if delete and not despite_lock:
        is_dataset = (folder / collecting.PLAN).is_file()
        check_unlocked(folder.absolute().parent if is_dataset else folder, ", or add --despite-lock")
    count = size = 0
    with alone(*(collecting.datasets_of(folder) if delete else [])):
        for leftover in list(collecting.leftovers(folder, time.time() - 3600 * older_than)):
            typer.echo(leftover)
            if delete:
                collecting.delete(leftover)
            count, size = count + 1, size + leftover.bytes
    files = f"{count:,} file{'s' * (count != 1)}, {size:,} bytes"
    if delete:
        typer.echo(f"{folder}: deleted {files}")
    else:
        typer.echo(f"{folder}: {files}" + (": nothing is deleted without --delete" if count else ""))
