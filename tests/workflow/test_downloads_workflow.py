"""Videos from a server of this machine, through Snakemake."""

import os
from pathlib import Path
from typing import Any

import pytest
from faulty_server import serving
from workspace import ROOT, Workspace

from pipeline.shards.record import Record
from tests.sources.clips import write_clip

pytestmark = pytest.mark.slow


def test_videos_go_once_their_frames_are_made_and_come_again_for_others(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests/workflow/web"), str(ROOT)]))
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "served").mkdir()
    write_clip(tmp_path / "served/a.mp4", 6, "mjpeg", (64, 48))
    with serving(tmp_path / "served") as server:
        films: dict[str, Any] = {
            "source": {"kind": "web", "addresses": [f"{server.url}/{name}.mp4" for name in ("a", "gone")]},
            "download": {"allow_hosts": ["127.0.0.1"], "keep_videos": False, "store": "the store"},
            "frames": {"select": "all"},
            "min_success": 0.5,
        }
        workspace.configure({"films": films})
        made = workspace.make("frames", "--resources", "downloads=1")
    assert made == {"download_shard": 1, "frames_shard_of_downloads": 1, "frames": 1}
    record = Record.read(tmp_path / "results/films/frames/000000.json")
    assert (record.samples, [row["reason"] for row in record.failures]) == (
        6,
        ["not downloaded: the server answers 404"],
    )
    assert not [path for path in (tmp_path / "the store/sha256").rglob("*") if path.is_file()]
    workspace.configure({"films": films | {"frames": {"select": {"every": 2}}, "min_success": 0}})
    assert workspace.planned("frames") == made, "other frames need the videos again"
    workspace.configure({"films": films | {"download": {"pause": 1, "keep_videos": True}}})
    assert not workspace.planned("frames"), "how they are fetched redoes nothing"
