"""`python -m common_fate`, run as a user runs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common_fate import __version__
from common_fate.cli import COMMANDS, app
from pipeline.cli.app import app as pipeline
from tests.support.made_dataset import key, make_dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("cli") / "small")


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "common_fate", *map(str, words)], cwd=ROOT, capture_output=True, text=True
    )


def test_all_three_command_lines_say_the_one_version():
    for package in ("common_fate", "pipeline", "trainers"):
        done = subprocess.run([sys.executable, "-m", package, "--version"], cwd=ROOT, capture_output=True, text=True)
        assert done.stdout == f"Common Fate {__version__}\n", done.stderr
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]


def test_the_pipeline_has_the_very_same_commands():
    ours = {command.name or command.callback.__name__: command.callback for command in app.registered_commands}
    theirs = [command.callback for command in pipeline.registered_commands]
    assert list(ours) == ["verify", "stats", "show", "fetch", "export", "share", "merge", "split"]
    assert set(COMMANDS) == set(ours.values()) <= set(theirs)


def test_what_is_wrong_is_one_line(tmp_path: Path):
    done = command("export", tmp_path, "--to", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: .*: has no samples: name a view .*\n", done.stderr)


@pytest.mark.parametrize("package", ["common_fate", "pipeline", "trainers"])
def test_output_that_is_full_is_one_line_and_that_is_closed_none(package: str):
    for words, shell in [("--version", "> /dev/full"), ("--help", "> /dev/full"), ("--version", ">&-")]:
        line = f"{sys.executable} -m {package} {words} {shell}"
        done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True)
        full = "error: the output cannot be written: the disk is full: free some space and run again\n"
        assert (done.returncode, done.stderr) == ((1, full) if shell == "> /dev/full" else (0, ""))


def test_tables_that_nobody_can_write_or_read_are_no_traceback(dataset: Path):
    for name in ("stats", "verify"):
        line = f"{sys.executable} -m common_fate {name} {dataset}"
        full = subprocess.run(f"{line} > /dev/full", shell=True, cwd=ROOT, capture_output=True, text=True)
        assert full.returncode == 1
        assert full.stderr.splitlines()[-1].startswith("error: the output cannot be written: the disk is full")
        assert "Traceback" not in full.stderr
        assert "ignored" not in full.stderr
        gone = subprocess.run(f"{line} | true", shell=True, cwd=ROOT, capture_output=True, text=True)
        assert "rror" not in gone.stderr


def test_a_name_that_is_too_long_is_one_line(dataset: Path, tmp_path: Path):
    long = tmp_path / ("a" * 300)
    for words in (["export", dataset / "shards/cmp", "--to", long], ["show", dataset / "flow", "--to", f"{long}.png"]):
        done = command(*words)
        assert done.returncode == 1
        assert re.fullmatch(rf"error: {long}.*: the name is too long: choose a shorter one\n", done.stderr)


def test_the_options_of_export_are_its_forms(dataset: Path, tmp_path: Path):
    words = ["export", dataset / "shards/cmp", "--to", tmp_path, "--key", key(0, 1), "--key", key(2, 2)]
    forms = ["--flow", "color", "--images", "png", "--arrays", "csv", "--regions", "ucm2"]
    done = CliRunner().invoke(app, [*map(str, words), *forms])
    assert done.stdout == f"{tmp_path}: 8 files\n"
    endings = sorted(path.name.removeprefix(f"{key(0, 1)}.") for path in tmp_path.glob(f"{key(0, 1)}.*"))
    assert endings == ["flow.png", "guidance.csv", "json", "png"]
    assert CliRunner().invoke(app, [*map(str, words), "--flow", "exr"]).exit_code == 2


def test_a_reader_that_leaves_early_is_no_error_to_be_told(dataset: Path):
    line = f"{sys.executable} -m common_fate stats {dataset} | head -n 1"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("small: columns and views\n", "")
