"""Flow estimators on the command line: `check-estimator`, which plans call, and `fetch-weights` for people."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

CHECKPOINTS = "checkpoints"


def check_estimator(
    estimator: Annotated[
        str, typer.Argument(help="As flow.estimator of config.yaml: dis, network, ptlflow:NAME, network:PATH.")
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
