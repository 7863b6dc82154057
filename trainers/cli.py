"""The command line: `cmp` and the methods to come, what measures them, and what reports on them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from common_fate.cli import add_version
from common_fate.errors import UserError
from trainers.evaluations.segmentation.cli import segmentation
from trainers.methods.cmp.cli import app as cmp

app = typer.Typer(
    help="Trains and evaluates models on the shards. Snakemake calls these commands; you can, too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
add_version(app)
app.add_typer(cmp, name="cmp")
app.command()(segmentation)

Experiment = Annotated[Path, typer.Argument(help="An experiment's folder: results/experiments/NAME.")]


def main() -> None:
    """Runs the command line; what the user can put right is one line, without a traceback."""
    try:
        app(prog_name="python -m trainers")
    except UserError as error:
        sys.exit(f"error: {error}")


@app.command()
def report(
    experiment: Experiment,
    to: Annotated[Path, typer.Option(help="A folder for tables (HTML) and curves (SVG).")],
    segmentation: Annotated[list[Path] | None, typer.Option(help="One of its segmentation/START.json.")] = None,
) -> None:
    """Collect what an experiment measured: metrics.json beside it, tables and curves."""
    from trainers.report import summarise

    summarise(experiment, segmentation or [], to)


@app.command()
def compare(
    experiments: Annotated[list[Path], typer.Argument(help="The experiments of a grid: results/experiments/NAME-*.")],
    to: Annotated[Path, typer.Option(help="A folder for the table (HTML) and the plot (SVG).")],
    title: Annotated[str, typer.Option(help="What stands over them.")] = "Ablation",
) -> None:
    """Compare the experiments of a grid in one table and one plot."""
    from trainers.report import compare as draw

    draw(experiments, to, title)
