import subprocess
from pathlib import Path

import pytest

from tests.support.workspace import SMALL, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A small synthetic dataset, built once from nothing; tests copy it and change the copy."""
    workspace = Workspace(tmp_path_factory.mktemp("made"))
    workspace.configure({"small": SMALL})
    workspace.make()
    return workspace


@pytest.fixture
def built(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `made`, time stamps and Snakemake's own notes included."""
    subprocess.run(["cp", "-a", str(made.folder), str(tmp_path / "copy")], check=True)
    return Workspace(tmp_path / "copy")
