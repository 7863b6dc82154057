"""The recipes of CONTRIBUTING.md are carried out as they stand there, in a copy of the packages, up to the report."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.workspace import ROOT, Workspace

COPIED = ("common_fate", "pipeline", "trainers", "workflow", "profiles", "Snakefile", "pyproject.toml", "LICENSE")
RECIPES = ("A column", "A view", "A source", "A method", "An evaluation")


@dataclass(frozen=True)
class Block:
    """A block of code that begins with a path: the file's text, or lines of a change to it."""

    recipe: str
    kind: str
    path: str
    lines: tuple[str, ...]


def blocks(text: str) -> list[Block]:
    """The blocks that name a file, under the headings that they stand below."""
    found, heading = [], ""
    for part in re.finditer(r"^### ([^\n]+)$|^( *)```(\w+)\n *# (\S+/\S+|\w+\.yaml)\n(.*?)^\2```$", text, re.M | re.S):
        if part[1]:
            heading = part[1]
        else:
            lines = [line.removeprefix(part[2]) for line in part[5].splitlines()]
            found.append(Block(heading, part[3], part[4], tuple(lines)))
    return found


BLOCKS = blocks((ROOT / "CONTRIBUTING.md").read_text())


def carry_out(block: Block, folder: Path) -> None:
    """Writes the block's file, or changes it; a change whose context is not there, or is there twice, fails."""
    path = folder / block.path
    if block.kind != "diff":
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(block.lines) + "\n")
        return
    before, after = ("".join(f"{x[1:]}\n" for x in block.lines if x[:1] != sign) for sign in "+-")
    text = path.read_text()
    assert text.count(before) == 1, f"{block.path} does not have, once:\n{before}"
    path.write_text(text.replace(before, after))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the repository's packages in which all recipes were carried out, with the page's config.yaml."""
    folder = tmp_path_factory.mktemp("recipes")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)  # with time stamps, so that compiled kernels stand
    for block in BLOCKS:
        carry_out(block, folder)
    return Workspace(folder, folder)


def called(folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_every_recipe_has_a_module_a_line_and_a_test():
    for recipe in RECIPES:
        given = [block for block in BLOCKS if block.recipe == recipe]
        assert any(block.kind == "diff" for block in given), recipe
        assert any(block.path.startswith("tests/") for block in given), recipe
    assert {block.recipe for block in BLOCKS} == {*RECIPES, "All five together"}


@pytest.mark.slow
def test_the_recipes_own_tests_pass_and_their_code_is_clean(workspace: Workspace):
    tests = [block.path for block in BLOCKS if block.path.startswith("tests/")]
    called(workspace.folder, "pytest", "-p", "no:cacheprovider", *tests)
    written = [block.path for block in BLOCKS if block.path.endswith(".py")]
    called(workspace.folder, "ruff", "check", "--no-cache", *written)
    called(workspace.folder, "ruff", "format", "--check", "--no-cache", *written)


@pytest.mark.slow
def test_the_workflow_goes_from_the_boards_to_the_report(workspace: Workspace):
    ran = workspace.make("all")
    assert ran["edges_shard"] == 2
    results = workspace.folder / "results"
    called(workspace.folder, "common_fate", "verify", str(results / "boards"), "--full")
    experiment = results / "experiments/toy"
    for start in ("encoder", "scratch"):
        measured = json.loads((experiment / f"evaluations/dead_features/{start}.json").read_text())
        assert [(row["metric"], row["dataset"]) for row in measured["rows"]] == [("dead features", "boards")]
        assert 0 <= measured["rows"][0]["value"] <= 100
    (head, *rows) = (experiment / "curves.csv").read_text().splitlines()
    assert {"iteration", "loss", "validation.error"} <= set(head.split(","))
    assert rows[-1].startswith("3,")
    page = (results / "report/experiments/toy/index.html").read_text()
    for word in ("edge_detection", "dead features", "scratch", "boards", "validation.error"):
        assert word in page
    assert not workspace.planned("all")


@pytest.mark.slow
def test_what_follows_from_the_registries_is_there(workspace: Workspace):
    """Targets, commands, and refusals at planning time."""
    assert workspace.planned("--forcerun", "edges_shard", "--", "edges")["edges_shard"] == 2
    assert "edges" in called(workspace.folder, "pipeline", "--help")
    config = workspace.folder / "config.yaml"
    text = config.read_text()
    try:
        for right, wrong, said in (
            (
                "views: [edged]",
                "views: [edged]\n    edges: {weak: 9, strong: 8}",
                "edges: weak is 9: should be at most",
            ),
            ("side: 64", "side: 16", "side is 16: should be at least 32"),
            ("views: [edged]", "views: []", "edged"),
            ("method: edge_detection", "method: edge_detection\n    encodr: resnet18", "did you mean encoder?"),
            ("{on: [boards]}", "{on: [boards], images: 0}", "images is 0: from 1 up"),
        ):
            assert right in text
            config.write_text(text.replace(right, wrong))
            done = workspace.snakemake("--dry-run", "all")
            assert done.returncode != 0
            assert said in done.stderr, done.stderr[-2000:]
    finally:
        config.write_text(text)
