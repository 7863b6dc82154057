"""Flow estimators on the command line: checked, as plans do; measured; their weights fetched."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from common_fate.cli import RESULTS
from common_fate.errors import UserError
from pipeline.columns.flow.estimator_families import DIS_PRESETS, MOST_SCALES, MOST_STEPS

CHECKPOINTS = "checkpoints"


def check_estimator(
    estimator: Annotated[
        str, typer.Argument(help="As config.yaml has it: dis, network, matching, ptlflow:NAME, network:PATH.")
    ],
    checkpoint: Annotated[str | None, typer.Option(help="flow.checkpoint: a file, or a published name.")] = None,
    checkpoint_dir: Annotated[str, typer.Option(help="flow.checkpoint_dir: where checkpoints lie.")] = CHECKPOINTS,
) -> None:
    """Check that there is such a flow estimator and that its weights are there; what is wrong is one line."""
    from pipeline.columns.flow.estimator_families import check_estimator

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # what ptlflow's models say as they are imported
        check_estimator(estimator, checkpoint=checkpoint, checkpoint_dir=checkpoint_dir)


def fetch_weights(
    estimator: Annotated[str, typer.Argument(help="ptlflow:NAME")],
    checkpoint: Annotated[str, typer.Argument(help="The published checkpoint's name, such as things.")],
    directory: Annotated[Path, typer.Option(help="Where checkpoints lie.")] = Path(CHECKPOINTS),
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read whose weights these are.")
    ] = False,
) -> None:
    """Download a flow estimator's weights, whose licence is their authors'."""
    from pipeline.columns.flow.networks.weights import fetch_weights

    typer.echo(fetch_weights(estimator, checkpoint, directory, accept_licence))


def flow_error(
    datasets: Annotated[list[Path], typer.Argument(help="Datasets (results/NAME) whose exact flow is known.")],
    estimator: Annotated[
        list[str] | None,
        typer.Option(
            help="Run it on the frames, too: dis, network, matching, ptlflow:NAME, network:PATH; again for others."
        ),
    ] = None,
    dis: Annotated[
        list[str] | None, typer.Option(help="Run OpenCV's DIS with a preset, too: ultrafast, fast, medium.")
    ] = None,
    refinement: Annotated[
        int | None, typer.Option(min=0, max=MOST_STEPS, help="Steps of refinement after each --estimator, not its own.")
    ] = None,
    scales: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_SCALES, help="Sizes of the frames that each --estimator runs at, not its own."),
    ] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Of ptlflow models: a file, or a published name.")] = None,
    checkpoint_dir: Annotated[str, typer.Option(help="Where published checkpoints lie.")] = CHECKPOINTS,
    to: Annotated[Path | None, typer.Option(help="An HTML page to write the table to.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="A PNG to draw pairs in: of the first estimator, or the column's.")
    ] = None,
    pictured: Annotated[int, typer.Option(min=1, help="How many pairs of all datasets together to draw.")] = 6,
) -> None:
    """Compare flow with the exact one: the datasets' own, and that of any estimator, beside no motion."""
    from common_fate.cli import print_table
    from common_fate.datasets.show import spread
    from common_fate.shards.files import write_atomic
    from pipeline.columns.flow.estimator_families import at_its_path
    from pipeline.scores.flow.datasets import error_table, known_pairs, measure_dataset, named
    from pipeline.scores.flow.gallery import gallery

    if picture and picture.suffix != ".png":
        raise UserError(f"--picture {picture}: should end in .png")
    for preset in dis or ():
        if preset not in DIS_PRESETS:
            raise UserError(f"--dis {preset}: should be one of {', '.join(DIS_PRESETS)}")
    for name, value in (("refinement", refinement), ("scales", scales)):
        if value is not None and not estimator:
            raise UserError(f"--{name} {value} is of what --estimator names: name one")
    options = {"checkpoint": checkpoint, "checkpoint_dir": checkpoint_dir}
    run = [
        named(at_its_path(name, RESULTS), refinement, scales, preset="medium", **options) for name in estimator or ()
    ]
    run += [named("dis", preset=preset) for preset in dis or ()]
    known = [known_pairs(dataset) for dataset in datasets]
    shown = spread([one.count for one in known], pictured if picture else 0)
    measured = [(one, measure_dataset(one, run, shown.get(place, []))) for place, one in enumerate(known)]
    print_table(error_table(measured), to)
    if picture:
        examples = [example for _, one in measured for example in one.examples]
        who = run[0].name if run else known[0].column
        write_atomic(picture, gallery(f"{who}: {len(examples)} of {sum(one.count for one in known):,} pairs", examples))


def export_flow(
    dataset: Annotated[Path, typer.Argument(help="The dataset's folder, results/NAME, with a column flow.")],
    to: Annotated[Path, typer.Option(help="The folder to write; of Sintel, the same one for clean and final.")],
    server: Annotated[str, typer.Option(help="sintel, kitti2015, kitti2012 or middlebury.")],
) -> None:
    """Write a dataset's flow as a benchmark's server takes it, at the size of the original frames."""
    from pipeline.scores.flow.submission import SERVERS
    from pipeline.scores.flow.submission import export_flow as run

    if server not in SERVERS:
        raise UserError(f"--server {server}: should be one of {', '.join(SERVERS)}")
    files = run(dataset, to, server)
    typer.echo(f"{to}: {files:,} file{'s' * (files != 1)}")
