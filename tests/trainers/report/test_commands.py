import json
from pathlib import Path

from typer.testing import CliRunner

from tests.trainers.report.measured import Page, evaluations, row, write_experiment, write_measured
from trainers.cli import app


def invoke(*words: object) -> None:
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exception is None, done.exception


def test_a_grid_is_reported_on_and_compared(tmp_path: Path):
    folders = [write_experiment(tmp_path / f"grid-nets-{name}") for name in ("one", "two")]
    for folder, value in zip(folders, (3.0, 2.0), strict=True):
        for start in ("model", "scratch"):
            write_measured(folder, "flow", start, row(value))
        named = [word for path in evaluations(folder) for word in ("--evaluation", path)]
        invoke("report", folder, *named, "--to", tmp_path / "report" / folder.name)
        assert list(json.loads((folder / "metrics.json").read_text())["evaluations"]["flow"]) == ["model", "scratch"]
        assert folder.name in Page(tmp_path / "report" / folder.name / "index.html").text
    invoke("compare", *folders, "--to", tmp_path / "report/grid", "--title", "The grid")
    page = Page(tmp_path / "report/grid/index.html")
    assert page.best == ["2.000"]
    assert "The grid" in page.text
