"""What is written down twice about versions and packages agrees."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from common_fate import __version__

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ("data", "learning")
WITH_TORCH = ("common_fate/torch/", "pipeline/columns/flow/networks/", "trainers/")
"""What runs in the environment of learning alone; the others import torch where they are asked for it, if ever."""


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split(";")[0].strip().split("==") for line in lines if "==" in line.split("#")[0]]
    return dict(pins)


def packages_of(environment: str) -> dict[str, str]:
    """Versions by name, as the conda environment has them."""
    text = (ROOT / f"workflow/envs/{environment}.yaml").read_text()
    (pip,) = [entry["pip"] for entry in yaml.safe_load(text)["dependencies"] if isinstance(entry, dict)]
    return dict(pin.split("==") for pin in pip)


def imported(path: Path) -> set[str]:
    """The top packages that a module imports anywhere, but for Python's own and ours."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"common_fate", "pipeline", "trainers"}


def test_there_are_two_environments():
    assert {path.stem for path in (ROOT / "workflow/envs").glob("*.yaml")} == set(ENVIRONMENTS)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_conda_environments_have_the_versions_of_the_lock(environment: str):
    for name, version in packages_of(environment).items():
        assert locked()[name] == version


def test_rules_name_environments_that_there_are():
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    named = set(re.findall(r"\{ENVS\}/(\w+)\.yaml", text))
    assert named == set(ENVIRONMENTS)


def test_the_environment_of_data_has_no_torch_and_that_of_learning_has_all_that_data_has():
    data, learning = map(packages_of, ENVIRONMENTS)
    assert data.items() <= learning.items()
    assert not {"torch", "torchvision", "lightning", "ptlflow", "timm"} & data.keys()
    assert "torch" in learning


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environments_have_whatever_their_packages_import(environment: str):
    """botocore comes with s3fs, in the version that it takes."""
    distributions = packages_distributions()
    has = {name.lower() for name in packages_of(environment)} | {"botocore"}
    for package in ("common_fate", "pipeline", "trainers"):
        for path in (ROOT / package).rglob("*.py"):
            at = path.relative_to(ROOT).as_posix()
            if environment == "data" and at.startswith(WITH_TORCH):
                continue
            for name in imported(path) - ({"torch"} if environment == "data" else set()):
                brought_by = {one.lower() for one in distributions.get(name, [])}
                assert brought_by & has, f"{at} imports {name}, which workflow/envs/{environment}.yaml lacks"


def test_the_citation_and_the_changelog_have_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert all({"type", "title", "authors"} <= reference.keys() for reference in citation["references"])
    assert re.search(rf"^## .*\b{re.escape(__version__)}$", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_the_lock_pins_everything_and_names_no_index():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert not [line for line in text.splitlines() if line and line[0] not in " #" and "==" not in line]
