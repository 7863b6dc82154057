"""A shard's downloads and its frames, from a server of this machine, by the functions that the commands call."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from typer.testing import CliRunner

from common_fate.datasets.catalog import Video, write_listing
from common_fate.datasets.stats import stats
from common_fate.datasets.verify import verify
from common_fate.errors import UserError
from common_fate.remote.fetch_file import Patience
from common_fate.shards.record import Record
from pipeline.cli.app import app
from pipeline.columns.frames.stage import STAGE, FramesOptions
from pipeline.config import load as config
from pipeline.downloads import engine
from pipeline.downloads.engine import download_shard
from pipeline.downloads.outcomes import read_outcomes
from pipeline.downloads.policy import Blocked, DownloadPolicy
from pipeline.downloads.stored_videos import release
from pipeline.sources.web import uri
from pipeline.stages.runner import run_stage
from pipeline.upkeep import gc
from pipeline.upkeep.retry import retry_failed
from pipeline.upkeep.timestamps import in_order
from tests.support.clips import write_clip
from tests.support.faulty_server import FaultyServer, robots_told, serving, stalled, status, truncated

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    quick = {"pause": 0.01, "longest": 0.1}
    monkeypatch.setattr("pipeline.downloads.http.Patience", lambda **given: Patience(**quick | given))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server(tmp_path: Path):
    (tmp_path / "served").mkdir()
    for number, name in enumerate("abc"):
        write_clip(tmp_path / "served" / f"{name}.mp4", 6 + number, "mjpeg", (64, 48))
    with serving(tmp_path / "served") as server:
        yield server


def at(address: str) -> Video:
    return Video(PurePosixPath(address).stem, "urls", uri(address))


def policy(**keys: Any) -> DownloadPolicy:
    return DownloadPolicy(**{"allow_hosts": ("127.0.0.1",), "attempts": 1, "store": "store", **keys})


def listed(server: FaultyServer, *names: str, dataset: str = "films") -> Path:
    """A dataset of one shard; its plan."""
    videos = [at(f"{server.url}/{name}.mp4") for name in names]
    write_listing(Path("results") / dataset, videos, [[video.video for video in videos]])
    return Path("results") / dataset / "plan.json"


def fetched(plan: Path, min_success: float = 0, **keys: Any) -> dict[str, Any]:
    record = plan.parent / "videos/000000.json"
    download_shard(plan, record, policy(**keys), min_success)
    return json.loads(record.read_text())["videos"]


def framed(plan: Path, **options: Any) -> Record:
    tar = plan.parent / "frames/000000.tar"
    return run_stage(STAGE, {"source": plan}, tar, FramesOptions(**{"select": "all", **options}), 0, Path("store"))


def outcomes(plan: Path) -> list[tuple[str, str, str]]:
    return [(one.video, one.outcome, one.reason) for one in read_outcomes(plan.parent / "videos/000000.parquet")]


def test_what_came_makes_frames_and_what_did_not_is_a_failure(server: FaultyServer):
    server.befall("c.mp4", status(503))
    plan = listed(server, "a", "b", "c", "gone")
    record = fetched(plan)
    assert record["gone"] == {"failure": "the server answers 404"}
    assert record["c"] == {"failure": "the server answers 503", "temporary": True}
    frames = framed(plan)
    assert {key.partition("-")[0] for key in frames.keys} == {"a", "b"}
    assert [(failure["key"], failure["reason"]) for failure in frames.failures] == [
        ("c", "not downloaded: the server answers 503"),
        ("gone", "not downloaded: the server answers 404"),
    ]
    assert set(frames.inputs) == {"source", "videos"}
    assert verify(plan.parent, full=True) == []
    assert list(gc.leftovers(plan.parent, time.time() + 9)) == []
    assert [part[0] for part in stats(plan.parent)[0].rows] == ["frames"]
    said = CliRunner().invoke(app, ["downloads", "results/films", "--configfile", "none.yaml"])
    assert "the server answers 404" in said.output
    assert "none.yaml: cannot be read" in str(said.exception)


def test_what_a_server_disallows_is_a_failure_until_it_is_allowed(server: FaultyServer):
    server.befall("b.mp4", robots_told("noimageai"), ever=True)
    plan = listed(server, "a", "b")
    reason = "its server disallows it: X-Robots-Tag says noimageai"
    assert fetched(plan)["b"] == {"failure": reason, "temporary": True}
    assert [failure["reason"] for failure in framed(plan).failures] == [f"not downloaded: {reason}"]
    assert not list(Path("store/arriving").rglob("*/[0-9a-f]*"))
    assert "sha256" in fetched(plan, disallowed_header_directives=())["b"]


def test_what_came_and_what_is_gone_is_not_asked_for_again(server: FaultyServer):
    server.befall("c.mp4", status(503))
    plan = listed(server, "a", "c", "gone")
    with pytest.raises(UserError, match=r"2 of 3 videos did not come, and min_success is 0.9 .*\n  1 x the server"):
        fetched(plan, min_success=0.9)
    assert not list((plan.parent / "videos").glob("*.json"))
    assert outcomes(plan) == [
        ("a", "fetched", ""),
        ("c", "later", "the server answers 503"),
        ("gone", "gone", "the server answers 404"),
    ]
    server.asked.clear()
    first = fetched(plan)
    assert server.asked == [("c.mp4", None)]
    assert list(first) == ["a", "c", "gone"]
    server.asked.clear()
    assert fetched(plan) == first
    assert server.asked == []
    assert len(outcomes(plan)) == 4
    moved = [at(f"{server.url}/gone.mp4?again")]
    write_listing(plan.parent, moved, [["gone"]])
    fetched(plan)
    assert [name for name, _ in server.asked] == ["gone.mp4?again"], "another address: what was known does not count"


def test_two_datasets_share_one_copy_until_neither_needs_it(server: FaultyServer):
    one, two = listed(server, "a"), listed(server, "a", "b", dataset="others")
    [stored] = fetched(one).values()
    assert fetched(two)["a"] == stored
    assert [name for name, _ in server.asked] == ["a.mp4", "b.mp4"]
    copy = Path("store/sha256") / stored["sha256"][:2] / stored["sha256"]
    before = framed(one)
    release(one.parent, "000000", Path("store"))
    assert copy.exists(), "the other dataset has no frames yet"
    framed(two)
    release(two.parent, "000000", Path("store"))
    assert not copy.exists()
    with pytest.raises(UserError, match=r"^a: its copy is not in store any more .* --forcerun results/films/videos/0"):
        framed(one)
    fetched(one)
    assert framed(one) == before


def test_moved_results_of_any_time_stamps_are_not_made_again(server: FaultyServer):
    plan = listed(server, "a")
    fetched(plan)
    framed(plan)
    record, tar = plan.parent / "videos/000000.json", plan.parent / "frames/000000.tar"
    os.utime(tar, (1, 1))
    source = {"kind": "urls", "path": "films.csv"}
    for select, dated in (({"every": 2}, 1), ("all", record.stat().st_mtime)):
        frames = {"select": select, "filters": []}
        loaded = config.load({"datasets": {"films": {"source": source, "frames": frames}}})["films"]
        in_order(plan.parent, loaded, [json.loads(record.read_text())["source"]])
        assert tar.stat().st_mtime == dated


def test_a_copy_that_was_changed_or_a_record_of_other_videos_is_not_read(server: FaultyServer):
    plan = listed(server, "a")
    [stored] = fetched(plan).values()
    listed(server, "a", "b")
    with pytest.raises(UserError, match="made for other videos than the catalog has now"):
        framed(plan)
    listed(server, "a")
    copy = Path("store/sha256") / stored["sha256"][:2] / stored["sha256"]
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="its bytes changed since it was fetched"):
        framed(plan)


def arriving() -> list[Path]:
    """What has come of videos so far; not what is noted beside it."""
    return [path for path in Path("store/arriving").rglob("*") if path.is_file() and path.suffix != ".tmp"]


def test_a_part_of_another_file_is_fetched_afresh(server: FaultyServer):
    plan = listed(server, "a")
    server.befall("a.mp4", truncated(100))
    assert fetched(plan)["a"]["failure"].startswith("FFmpeg cannot open it")
    plan = listed(server, "b")
    server.befall("b.mp4", stalled(0.1, at=1000))
    assert fetched(plan, attempts=1)["b"]["temporary"]
    [partial] = arriving()
    partial.write_bytes(bytes(partial.stat().st_size))
    assert fetched(plan)["b"]["bytes"] == (server.folder / "b.mp4").stat().st_size
    assert not [path for path in Path("store/arriving").rglob("*") if path.is_file()]


def test_a_host_that_turns_us_away_stops_the_job(server: FaultyServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "MOST_TURNED_AWAY", 2)
    for name in ("x", "y", "z"):
        server.befall(f"{name}.mp4", status(403), ever=True)
    plan = listed(server, "x", "y", "z")
    with pytest.raises(Blocked, match=r"^127.0.0.1:\d+: turned away 2 videos in a row \(the server answers 403\)"):
        fetched(plan)
    assert [row[:2] for row in outcomes(plan)] == [("x", "later"), ("y", "later")]
    assert [row.get("temporary") for row in fetched(plan).values()] == [None, None, None], "on another day, it is they"


def test_a_retry_stops_where_it_is_turned_away(server: FaultyServer, monkeypatch: pytest.MonkeyPatch):
    for name in ("b", "c"):
        server.befall(f"{name}.mp4", status(429), ever=True)
    videos = [at(f"{server.url}/{name}.mp4") for name in "abc"]
    write_listing(Path("results/films"), videos, [["a", "b"], ["c"]])
    for shard in ("000000", "000001"):
        download_shard(Path("results/films/plan.json"), Path(f"results/films/videos/{shard}.json"), policy(), 0)
    framed(Path("results/films/plan.json"))
    server.asked.clear()
    monkeypatch.setattr(engine, "MOST_TURNED_AWAY", 1)
    with pytest.raises(Blocked, match="answers 429"):
        list(retry_failed(Path("results/films"), 0, policy()))
    assert [name for name, _ in server.asked] == ["b.mp4"]


def test_what_comes_later_gives_what_a_full_rebuild_gives(server: FaultyServer):
    for name in ("b", "c"):
        server.befall(f"{name}.mp4", status(503))
    (server.folder / "c.mp4").rename(server.folder / "d.mp4")
    keep = {"keep_videos": False}
    plan = listed(server, "a", "b", "c", "d")
    fetched(plan, **keep)
    framed(plan, pairs={"offset": 6})  # a has none: a failure, whose video is deleted
    release(plan.parent, "000000", Path("store"))
    server.asked.clear()
    [retried] = retry_failed(plan.parent, 0, policy(**keep))
    assert str(retried) == "results/films/frames/000000.tar: 3 failed, 2 still do"
    assert [name for name, _ in server.asked] == ["b.mp4", "c.mp4"]
    assert not [path for path in Path("store/sha256").rglob("*") if path.is_file()]
    again = listed(server, "a", "b", "c", "d", dataset="afresh")
    assert fetched(again) == json.loads((plan.parent / "videos/000000.json").read_text())["videos"]
    framed(again, pairs={"offset": 6})
    for name in ("frames/000000.tar", "frames/000000.json", "videos/000000.json"):
        assert (again.parent / name).read_bytes() == (plan.parent / name).read_bytes()
    assert next(retry_failed(plan.parent, 0, policy(**keep))).left == 2


def test_killed_midway_the_next_job_goes_on(server: FaultyServer):
    whole = write_clip(server.folder / "a.mp4", 12, "mjpeg", (640, 480)).read_bytes()
    server.befall("a.mp4", stalled(30, at=len(whole) // 2))
    plan = listed(server, "a")
    record = plan.parent / "videos/000000.json"
    keys = json.dumps({"allow_hosts": ["127.0.0.1"], "store": "store"})
    command = [sys.executable, "-m", "pipeline", "download", plan, "--to", record, "--downloading", keys]
    path = os.pathsep.join([str(ROOT / "tests/workflow/web"), str(ROOT)])
    job = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path, "NO_PROXY": "*"}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in arriving()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not record.exists()
    [arrived] = [path.stat().st_size for path in arriving()]
    assert fetched(plan)["a"]["bytes"] == len(whole)
    assert server.asked_for("a.mp4")[1:] == [f"bytes={arrived}-"]
    assert not [*Path("store").rglob("*.tmp"), *Path("results").rglob("*.tmp")]
