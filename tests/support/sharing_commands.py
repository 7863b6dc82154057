"""The command line in this process: starting another one takes longer than what it is asked to do."""

import contextlib
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from common_fate.errors import UserError
from pipeline.cli.app import app


class Done(NamedTuple):
    """How a command ended; `stderr` has its one line where it refused."""

    returncode: int
    stdout: str
    stderr: str


def pipeline(place: Path, *arguments: object) -> Done:
    """`python -m pipeline ARGUMENTS` in the folder `place`."""
    with contextlib.chdir(place):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, UserError | SystemExit):
        raise done.exception  # which would be a traceback
    return Done(done.exit_code, done.stdout, f"error: {done.exception}" if done.exit_code else "")


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(path: Path, byte: int) -> None:
    """Damages one bit."""
    data = bytearray(path.read_bytes())
    data[byte] ^= 0x10
    path.write_bytes(data)
