"""`python -m trainers report | compare | home`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    experiment: Annotated[Path, typer.Argument(help="An experiment's folder: results/experiments/NAME.")],
    to: Annotated[Path, typer.Option(help="A folder for the page, index.html.")],
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="One of its evaluations/EVALUATION/START.json; as often as there are.")
    ] = None,
) -> None:
    """Report on an experiment: one page, and metrics.json beside the experiment."""
    from trainers.report.summary import summarise

    summarise(experiment, evaluation or [], to)


def compare(
    experiments: Annotated[list[Path], typer.Argument(help="A grid's experiments: results/experiments/NAME-*.")],
    to: Annotated[Path, typer.Option(help="A folder for the page, index.html.")],
    title: Annotated[str, typer.Option(help="What stands over it.")] = "Ablation",
) -> None:
    """Compare the experiments of a grid on one page: a table and plots."""
    from trainers.report.comparison import compare as draw

    draw(experiments, to, title)


def home(
    files: Annotated[
        list[Path], typer.Argument(help="metrics.json of experiments, and contact sheets (.png) of datasets.")
    ],
    to: Annotated[Path, typer.Option(help="The page to write: results/report/index.html.")],
    title: Annotated[str, typer.Option(help="What stands over it.")] = "Common Fate",
) -> None:
    """Draw up the overview: the best pictures and numbers of everything, on one page."""
    from trainers.report.home import overview

    overview(files, to, title)
