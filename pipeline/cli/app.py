"""The command line: one command a stage, which the rules call, and for people those of `common-fate` and more."""

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer

from common_fate import cli as common_fate_cli
from common_fate.datasets.adopted_record import listing
from common_fate.datasets.catalog import extended, read_catalog, read_plan, write_listing
from common_fate.errors import UserError
from common_fate.manifest.tables import write_manifest
from common_fate.shards.record import Record, record_path
from pipeline.cli import adopt as adopt_cli
from pipeline.cli import downloads as downloads_cli
from pipeline.cli import estimate as estimate_cli
from pipeline.cli import estimators as estimators_cli
from pipeline.cli import filters as filters_cli
from pipeline.cli import segment as segment_cli
from pipeline.cli import upkeep as upkeep_cli
from pipeline.cli import youtube as youtube_cli
from pipeline.downloads.stored_videos import release
from pipeline.registry import STAGES, VIEWS
from pipeline.sources import SOURCES
from pipeline.sources.relisting import relisted
from pipeline.stages.runner import SOURCE, advised, run_stage
from pipeline.stages.stage import Stage
from pipeline.views import build_view

app = typer.Typer(
    help="Raw video to verified, ready-to-train shards. Snakemake calls these commands; you can, too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Inputs = Annotated[list[Path], typer.Argument(help="The shards to read (NNNNNN.tar), or the dataset's plan.json.")]
To = Annotated[Path, typer.Option(help="The shard to write: NNNNNN.tar; its record NNNNNN.json comes beside it.")]
Options = Annotated[str, typer.Option(help="The stage's options as JSON; what is left out has its default.")]
MinSuccess = Annotated[float, typer.Option(help="The share of samples that must succeed, or nothing is written.")]


class KeepVideos(StrEnum):
    """Whether videos from the web stay in the store."""

    yes = "yes"
    no = "no"


def main() -> None:
    """Runs the command line; what the user can put right is one line, without a traceback."""
    cv2.setNumThreads(1)
    common_fate_cli.run(app, "python -m pipeline")


def stage_command(stage: Stage) -> Callable[..., None]:
    """Returns the command that makes one shard of a stage's column."""

    def command(inputs: Inputs, to: To, options: Options = "{}", min_success: MinSuccess = 0.0) -> None:
        run_stage(stage, _by_name(inputs, stage.reads, stage.name), to, _parsed(stage.options, options), min_success)

    command.__doc__ = f"Make one shard of the column `{stage.name}` from {' and '.join(stage.reads)}."
    return command


@app.command()
def frames(
    inputs: Inputs,
    to: To,
    options: Options = "{}",
    min_success: MinSuccess = 0.0,
    store: Annotated[Path, typer.Option(help="Where videos from the web are: download.store.")] = Path("downloads"),
    keep_videos: Annotated[
        KeepVideos, typer.Option(help="no: delete videos from the web once their frames are in the shard.")
    ] = KeepVideos.yes,
) -> None:
    """Make one shard of the column `frames` from source."""
    stage = STAGES["frames"]
    by_name = _by_name(inputs, stage.reads, stage.name)
    run_stage(stage, by_name, to, _parsed(stage.options, options), min_success, store)
    if keep_videos is KeepVideos.no:
        release(by_name[SOURCE].parent, to.stem, store)


for _stage in STAGES.values():
    if _stage.name != "frames":
        app.command(_stage.name)(stage_command(_stage))


@app.command()
def catalog(
    dataset: Annotated[Path, typer.Argument(help="The dataset's folder: results/NAME.")],
    source: Annotated[str, typer.Option(help="The source's keys of config.yaml, as JSON.")],
    videos_per_shard: Annotated[int, typer.Option(min=1, help="How many videos a new shard takes.")] = 64,
) -> None:
    """List a source's videos and extend the plan: catalog.parquet and plan.json."""
    keys = _json(source)
    kind = SOURCES.get(keys.pop("kind", ""))
    if kind is None:
        raise UserError(f"--source: kind should be one of {', '.join(SOURCES)}")
    found = kind.videos(_built(kind.options, keys, "--source"), "--source")
    with listing(dataset):
        videos = relisted(dataset, found, kind)
        plan = extended(read_plan(dataset / "plan.json"), (video.video for video in videos), videos_per_shard)
        write_listing(dataset, videos, plan)


@app.command()
def view(
    name: Annotated[str, typer.Argument(help=f"The view: {', '.join(VIEWS)}.")],
    inputs: Inputs,
    to: To,
) -> None:
    """Join one shard of each column into one shard of a view."""
    if name not in VIEWS:
        raise UserError(f"there is no view {name!r}: it should be one of {', '.join(VIEWS)}")
    build_view(VIEWS[name], _by_name(inputs, tuple(VIEWS[name].columns), name), to)


@app.command()
def manifest(
    folder: Annotated[Path, typer.Argument(help="The view's folder: results/NAME/shards/VIEW.")],
    plan: Annotated[Path, typer.Option(help="The dataset's plan.json: results/NAME/plan.json.")],
) -> None:
    """Write a view's manifest: tables of samples, shards and videos, checksums, and what other libraries look for."""
    planned = read_plan(plan)
    shards = [f"{number:06d}" for number in range(len(planned))]
    videos = read_catalog(plan.with_name("catalog.parquet"), chain.from_iterable(planned))
    write_manifest(folder, shards, f"{plan.parent.name} ({folder.name})", videos)


for _command in (
    segment_cli.segment,
    segment_cli.benchmark_segmentation,
    segment_cli.train_forest,
    estimators_cli.check_estimator,
    estimators_cli.fetch_weights,
    estimators_cli.flow_error,
    estimators_cli.export_flow,
    *common_fate_cli.COMMANDS,
    adopt_cli.adopt,
    upkeep_cli.retry_failed,
    downloads_cli.download,
    downloads_cli.downloads,
    upkeep_cli.gc,
    youtube_cli.youtube8m,
):
    app.command()(_command)
app.command()(estimate_cli.estimate)
common_fate_cli.add_version(app)
app.command()(filters_cli.filters)


def _by_name(inputs: Sequence[Path], names: Sequence[str], reader: str) -> dict[str, Path]:
    """The inputs by what they are: `source` for plan.json, else the column that a shard's record says it is of."""
    found = {SOURCE if path.name == "plan.json" else _column_of(path): path for path in inputs}
    if set(found) != set(names) or len(found) != len(inputs):
        raise UserError(f"{reader} reads one each of {', '.join(names)}, and was given {', '.join(found) or 'nothing'}")
    return found


def _column_of(tar: Path) -> str:
    with advised(tar):
        return Record.read(record_path(tar)).stage


def _parsed(options: type[Any], text: str) -> Any:
    return _built(options, _json(text), "--options")


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UserError(f"{text!r} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{text!r} should be a JSON object")
    if "\\u0000" in text:
        raise UserError(f"{text!r} should have no NUL character")
    return value


def _built(options: type[Any], values: dict[str, Any], where: str) -> Any:
    try:
        return options(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {error}") from error
