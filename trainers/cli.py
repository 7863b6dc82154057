"""The command line: what trains, what measures and reports on what was trained, and what a method is used for."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from common_fate.errors import UserError
from trainers.declarations import entry_point
from trainers.engine.commands import encoder, train
from trainers.evaluations.segmentation.cli import segmentation
from trainers.registry import METHODS


class Commands(TyperGroup):
    """The commands below, and each method's own, imported when they are called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *(name for name, method in METHODS.items() if method.apps)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        method = METHODS.get(cmd_name)
        if method and method.apps:
            return typer.main.get_command(entry_point(method.apps))
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=Commands,
    help="Trains and evaluates models on the shards. Snakemake calls these commands; you can, too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(train)
app.command()(encoder)
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
