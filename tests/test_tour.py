"""The tour, docs/tour.ipynb: its cells run, and show what the notebook says they show."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support.notebook import FREE
from tests.support.workspace import ROOT

pytestmark = pytest.mark.slow

TOUR = ROOT / "docs/tour.ipynb"
MOST_BYTES = 200_000  # or nobody's browser shows it at once


def test_the_cells_run_and_show_what_stands_there(tmp_path: Path):
    command = [sys.executable, "-m", "tests.support.notebook", str(TOUR), str(tmp_path / "run.ipynb")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    told, run = (nbformat.read(path, 4) for path in (TOUR, tmp_path / "run.ipynb"))
    cells = [cell for cell in run.cells if cell.cell_type == "code"]
    for cell, made in zip((cell for cell in told.cells if cell.cell_type == "code"), cells, strict=True):
        kinds = [sorted(output.get("data", {"text": ""})) for output in made.outputs]
        assert kinds == [sorted(output.get("data", {"text": ""})) for output in cell.outputs]
        assert FREE in cell.metadata.get("tags", ()) or made.outputs == cell.outputs
    assert "image/jpeg" in {kind for cell in cells for output in cell.outputs for kind in output.get("data", {})}
    losses = [line for line in cells[-2].outputs[0].text.splitlines() if line.startswith("iteration")]
    assert len(losses) == 8
    (folder,) = tmp_path.glob("tour_*")
    assert (folder / "results/experiments/tour/encoder.safetensors").exists()


def test_it_is_a_notebook_of_a_size_that_is_read():
    nbformat.validate(nbformat.read(TOUR, 4))
    assert TOUR.stat().st_size < MOST_BYTES
