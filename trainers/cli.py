"""The command line: what trains, what measures and reports on what was trained, and what a method is used for."""

from typing import Any

import typer
from typer.core import TyperGroup

from common_fate.cli import add_version, run
from trainers.declarations import entry_point
from trainers.engine.commands import check_groups, encoder, ship, ship_flow, train
from trainers.evaluations.commands import evaluate
from trainers.page.commands import page
from trainers.registry import METHODS
from trainers.report.commands import compare, home, report


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
for command in (train, check_groups, encoder, ship, ship_flow, evaluate, report, compare, home, page):
    app.command()(command)
add_version(app)


def main() -> None:
    """Runs the command line; what the user can put right is one line, without a traceback."""
    run(app, "python -m trainers")
