"""Processes that are forks of one that has imported what commands import, and has no threads.

Importing takes a command half of its time. A fork of the tests' own process may wait for ever: it has the locks that
threads of OpenCV or PyArrow held, and not the threads that would give them back.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload(["tests.support.sharing_commands", "snakemake.cli", "snakemake.report", "jsonschema"])
ROOT = Path(__file__).resolve().parents[2]
OURS = ("common_fate", "pipeline", "trainers")


def snakemake(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake in a folder: `python -m snakemake ARGUMENTS`."""
    with tempfile.TemporaryDirectory() as said:
        paths = [f"{said}/stdout", f"{said}/stderr"]
        process = CLEAN.Process(target=_snakemake, args=(arguments, folder, dict(os.environ), paths))
        process.start()
        process.join()
        texts = [Path(path).read_text() for path in paths]
    return subprocess.CompletedProcess(arguments, process.exitcode or 0, *texts)


def _snakemake(arguments: Sequence[str], folder: Path, environment: dict[str, str], said: Sequence[str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for descriptor, path in enumerate(said, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]  # a Snakefile elsewhere has its own
    sys.path[:] = [str(folder), *(path for path in sys.path if path != str(ROOT))]
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    main()
