"""Training on views at an address, through the command line."""

import json

import pytest
from typer.testing import CliRunner

from tests.support.faulty_server import serving
from tests.support.made_dataset import make_dataset
from trainers.cli import app

OPTIONS = {
    "model": {"encoder": "resnet18"},
    "loss": {"bins": 21},
    "guidance": {"kernel_size": 9, "grid_stride": 16},
    "transforms": {"shorter_side": 32, "crop": 32},
    "training": {"iterations": 1, "batch_size": 2},
}
SPLIT = {"validation_share": 0.4}


def run(*arguments) -> None:
    CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


@pytest.mark.slow
def test_the_same_model_as_from_the_folder(tmp_path, monkeypatch):
    view = make_dataset(tmp_path / "small") / "shards" / "cmp"
    monkeypatch.setenv("COMMON_FATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    how = ("--options", json.dumps(OPTIONS), "--split", json.dumps(SPLIT), "--workers", 0, "--cache-gb", 1)
    with serving(view) as server:
        for place, to in ((view, tmp_path / "here"), (server.url, tmp_path / "there")):
            run("train", "cmp", place, "--to", to, *how)
    here, there = tmp_path / "here", tmp_path / "there"
    for name in ("model.safetensors", "curves.csv"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    assert [run.name for run in (here / "runs").iterdir()] == [run.name for run in (there / "runs").iterdir()]
