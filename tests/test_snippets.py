"""The Python in README.md and docs/training.md runs as it stands there, on results as small as a test makes them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.made_dataset import make_dataset
from trainers.models.encoders import create_encoder, save_encoder

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/training.md")
SNIPPETS = [
    pytest.param(snippet, id=f"{page}, {number}")
    for page in PAGES
    for number, snippet in enumerate(re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S), 1)
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `results` that the snippets read."""
    folder = tmp_path_factory.mktemp("snippets")
    make_dataset(folder / "results/demo")
    experiment = folder / "results/experiments/mine"
    experiment.mkdir(parents=True)
    save_encoder(experiment / "encoder.safetensors", create_encoder("resnet50"))
    return folder


def shapes_of(snippet: str) -> str:
    """Code that fails unless shapes are those that comments give in numbers: `images = ...  # (4, 3, 48, 48)`."""
    said = re.findall(r"^ *(\w+) = .*# (\(\d+(?:, \d+)+\))$", snippet, re.M)
    return "".join(f"assert tuple({name}.shape) == {shape}, {name}.shape\n" for name, shape in said)


def test_the_batch_s_shapes_are_looked_at():
    assert sum("images.shape" in shapes_of(str(parameter.values[0])) for parameter in SNIPPETS) == 1


def test_each_page_has_some():
    assert {str(parameter.id).split(",")[0] for parameter in SNIPPETS} == set(PAGES)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_runs(results: Path, snippet: str):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", snippet + shapes_of(snippet)]
    done = subprocess.run(command, cwd=results, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
