"""A Snakemake whose jobs strike."""

import subprocess
from pathlib import Path

from tests.support.strikes import Strike, environment
from tests.support.workspace import Workspace


def disturbed(
    workspace: Workspace, struck: Path, strikes: dict[str, Strike], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake, in a session of its own, until it ends or is killed; every strike has to take place."""
    with subprocess.Popen(
        workspace.command(*arguments),
        cwd=workspace.folder,
        env=environment(struck, strikes),
        stdout=subprocess.DEVNULL,
        stderr=(workspace.folder / "said").open("w"),
        start_new_session=True,
    ) as run:
        run.wait()
    assert set(strikes) <= {note.name for note in struck.iterdir()}
    return subprocess.CompletedProcess(run.args, run.returncode, "", (workspace.folder / "said").read_text())
