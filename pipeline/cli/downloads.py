"""Downloads on the command line: `download`, which the rules call, and `downloads` for people."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from common_fate.errors import UserError
from common_fate.tables import text_table
from pipeline.downloads.policy import DownloadPolicy

CONFIG = Path("config.yaml")
Config = Annotated[Path, typer.Option("--configfile", help="The configuration, for its datasets.NAME.download.")]


def download(
    plan: Annotated[Path, typer.Argument(help="The dataset's plan.json.")],
    to: Annotated[Path, typer.Option(help="The record to write: results/NAME/videos/NNNNNN.json.")],
    downloading: Annotated[str, typer.Option(help="datasets.NAME.download of config.yaml, as JSON.")] = "{}",
    min_success: Annotated[float, typer.Option(help="The share of videos that must come.")] = 0.0,
) -> None:
    """Fetch the videos of one shard into the store."""
    import json

    from pipeline.downloads.engine import download_shard

    try:
        policy = DownloadPolicy(**json.loads(downloading))
    except (TypeError, ValueError) as error:
        raise UserError(f"--downloading: {error}") from error
    download_shard(plan, to, policy, min_success)


def downloads(
    dataset: Annotated[Path, typer.Argument(help="The dataset: results/NAME.")], configfile: Config = CONFIG
) -> None:
    """Say what became of a dataset's downloads: outcomes by reason, and where the store is."""
    from common_fate.datasets.download_records import DOWNLOADED
    from pipeline.downloads.outcomes import read_outcomes

    tables = sorted((dataset / DOWNLOADED).glob("[0-9]*.parquet"))
    if not tables:
        raise UserError(f"{dataset}: nothing was downloaded for it: it has no {DOWNLOADED}/NNNNNN.parquet")
    newest = {one.video: one for table in tables for one in read_outcomes(table)}.values()
    counts = Counter((one.outcome, one.reason) for one in newest)
    sizes: Counter[tuple[str, str]] = Counter()
    for one in newest:
        sizes[one.outcome, one.reason] += one.bytes
    rows = [(outcome, reason, count, sizes[outcome, reason]) for (outcome, reason), count in counts.most_common()]
    typer.echo(text_table(("outcome", "reason", "videos", "bytes"), rows))
    typer.echo(f"store: {downloading_of(dataset, configfile).store}")


def downloading_of(dataset: Path, configfile: Path) -> DownloadPolicy:
    """How a dataset's videos are fetched, by its configuration. Raises `UserError` where that does not say."""
    from pipeline.config.load import load
    from pipeline.config.read_yaml import read_yaml

    if not configfile.is_file():
        raise UserError(f"{configfile}: cannot be read: name the one of {dataset} with --configfile")
    name = dataset.absolute().name
    found = load(read_yaml(configfile), str(configfile), dataset.parent).get(name)
    if found is None or found.downloading is None:
        raise UserError(f"{configfile}: has no dataset {name} whose videos are fetched: name its own with --configfile")
    return found.downloading
