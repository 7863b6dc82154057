"""The command line: `cmp` and the methods to come, what measures them, and what reports on them."""

import sys

import typer

from common_fate.errors import UserError
from trainers.evaluations.commands import evaluate
from trainers.methods.cmp.cli import app as cmp
from trainers.report.commands import compare, home, report

app = typer.Typer(
    help="Trains and evaluates models on the shards. Snakemake calls these commands; you can, too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cmp, name="cmp")
for command in (evaluate, report, compare, home):
    app.command()(command)


def main() -> None:
    """Runs the command line; what the user can put right is one line, without a traceback."""
    try:
        app(prog_name="python -m trainers")
    except UserError as error:
        sys.exit(f"error: {error}")
