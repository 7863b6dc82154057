"""The estimate against sums by hand, a real run, and the benchmarks that its figures come from."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks import stages
from pipeline.cli.app import app
from pipeline.registry import STAGES, VIEWS
from pipeline.upkeep.estimate import COSTS, MANIFEST, START, START_ON_CLUSTER, Work, cost
from pipeline.views import View
from tests.support.workspace import ROOT, Workspace


def estimated(*arguments: str) -> dict[str, str]:
    """The rows of all tables, by their first cell."""
    lines = printed(*arguments).splitlines()
    rows = [re.split(r" {2,}", line.strip(), maxsplit=1) for line in lines if "  " in line and "---" not in line]
    return {name: "".join(rest) for name, *rest in rows}


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["estimate", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def work(clips: int, views: tuple[str, ...] = ("cmp",), videos_per_shard: int = 10) -> Work:
    return Work(clips, 3, 2, 384, 384, views, videos_per_shard, None)


def test_sums_by_hand():
    """1,000 clips of 3 frames and 2 pairs at twice the pixels, 100 a shard: 10 shards of 4 jobs, and 5 beside them."""
    ms, kb = ({part: figures[i].value for part, figures in COSTS.items()} for i in (0, 1))
    frames, pairs, jobs = 3_000, 2_000, 10 * 4 + 5
    making = frames * ms["frames"] + 2 * pairs * (ms["flow"] + ms["guidance"] + ms["cmp"])
    seconds = making / 1e3 + jobs * START.value + pairs * MANIFEST[0].value / 1e6
    size = 2 * 1e3 * (frames * kb["frames"] + pairs * (kb["flow"] + kb["guidance"] + kb["cmp"]))
    size += pairs * MANIFEST[1].value
    computing, keeping = seconds / 3600 * 1_000, size / 1e12 * 3 * 50_000
    rows = estimated(
        *("--clips=500", "--times=2", "--frames-per-clip=3", "--pairs-per-clip=2", "--width=768", "--height=384"),
        *("--videos-per-shard=100", "--cores=5", "--no-cluster", "--core-hour=1000", "--tb-month=50000", "--months=3"),
    )
    assert rows["jobs"] == str(jobs)
    assert rows["files"] == str(5 * 40 + 17 + 2)
    assert rows["core hours"] == f"{seconds / 3600:,.0f}"
    assert rows["bytes"] == f"{size / 1e12:,.2f} TB"
    assert rows["dollars, computing"] == f"{computing:,.2f}"
    assert rows["dollars, keeping it"] == f"{keeping:,.2f}"
    assert rows["dollars per million pairs"] == f"{(computing + keeping) / pairs * 1e6:,.2f}"
    assert rows["shards"] == "10 of 200 pairs"
    made = making / 1e3 / 10 + 5 * START.value + pairs * MANIFEST[0].value / 1e6
    assert rows["wall time, 5 cores"] == f"{(seconds / 5 + made) / 3600:,.1f} hours at most"


@given(clips=st.integers(1, 10**6), views=st.sets(st.sampled_from(sorted(VIEWS)), min_size=1), times=st.integers(2, 99))
def test_so_many_times_the_clips_take_so_many_times_as_much(clips: int, views: set[str], times: int):
    one, many = (work(number * 10, tuple(sorted(views))) for number in (clips, clips * times))
    assert many.shard_jobs == times * one.shard_jobs
    assert cost(many, True).bytes == pytest.approx(times * cost(one, True).bytes)
    beside = (one.jobs - one.shard_jobs) * START_ON_CLUSTER.value
    seconds = [cost(each, True).core_seconds - beside for each in (one, many)]
    assert seconds[1] == pytest.approx(times * seconds[0])


def test_a_gpu_s_time_is_counted_where_it_is_given():
    rows = estimated(
        "--gpu-ms=36", "--clips=100000", "--pairs-per-clip=1", "--gpu-hour=3", "--core-hour=0", "--months=0"
    )
    assert rows["GPU hours"] == "1.0; training: not measured"
    assert rows["dollars, computing"] == "3.00"
    assert "not measured" in estimated()["GPU hours"]
    assert not any("stage flow" in name and "(ms" in name for name in rows)


def test_a_view_whose_columns_have_no_figures_says_so(monkeypatch: pytest.MonkeyPatch):
    labelled = View("labelled", 1, "masks", {"frames": ("jpg", "json"), "masks": ("objects.png",)})
    monkeypatch.setitem(VIEWS, "labelled", labelled)
    rows = estimated("--view=labelled", "--clips=100", "--frames-per-clip=3")
    assert re.split(r" {2,}", rows["masks"]) == ["300", "not measured", "not measured"]
    assert re.split(r" {2,}", rows["shards/labelled"]) == ["300", "not measured", "not measured"]
    assert rows["without masks, labelled"] == "not measured"
    assert not any(name.startswith("without") for name in estimated("--view=cmp"))


def test_samples_are_frames_pairs_or_triplets_as_the_neighbours_say():
    some = Work(100, 5, 3, 384, 384, ("cmp", "grouping", "selflow"), 10, None)
    counts = {part: some.samples(part) for part in ("frames", "regions", "flow", "guidance", *some.views)}
    assert counts == {
        **{"frames": 500, "regions": 500, "flow": 300, "guidance": 300},
        **{"cmp": 300, "grouping": 500, "selflow": 200},
    }


def test_a_view_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]):
    done = CliRunner().invoke(app, ["estimate", "--view", "rows"])
    assert "--view rows: should be one of cmp, grouping, selflow" in str(done.exception)


@pytest.mark.slow
def test_jobs_and_files_are_those_of_a_run(tmp_path: Path):
    rng = np.random.default_rng(0)
    for video in "ab":
        (tmp_path / "frames" / video).mkdir(parents=True)
        for frame in range(3):
            picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (64, 48))
            cv2.imwrite(str(tmp_path / f"frames/{video}/{frame}.png"), picture)
    workspace = Workspace(tmp_path)
    workspace.configure({"some": {"source": {"kind": "frames", "path": "frames/*"}, "videos_per_shard": 1}})
    wanted = work(2, videos_per_shard=1)
    assert workspace.planned().total() + 1 == wanted.jobs  # which leaves `all` out
    workspace.make("shards")
    folders = [tmp_path / name for name in ("results", "logs", ".snakemake/metadata")]
    assert sum(path.is_file() for folder in folders for path in folder.rglob("*")) == wanted.files


def test_the_benchmark_prints_the_figures_lines(shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stages, "_least", lambda make, rounds: 0.0 * make())
    monkeypatch.setattr(stages, "ROUNDS", 0)
    monkeypatch.setattr(stages, "_starts", lambda folder: [{"what": what} for what in stages.STARTS])
    labelled = View("labelled", 1, "masks", {"frames": ("jpg", "json"), "masks": ("objects.png",)})
    monkeypatch.setitem(VIEWS, "labelled", labelled)
    rows = stages.run()
    lines = {row["what"] for row in rows}
    figures = [START, START_ON_CLUSTER, *(figure for pair in COSTS.values() for figure in pair)]
    assert {figure.line for figure in figures} <= lines
    without = [row["what"].split()[1].rstrip(":") for row in rows if row.get("ours") == "not measured"]
    assert without == ["truth", "masks", "labelled"]
    assert {*STAGES, *VIEWS} == {what.split()[1].rstrip(":") for what in lines if what.startswith(("stage", "view"))}


def test_the_document_shows_what_the_command_prints():
    text = (ROOT / "docs" / "scale.md").read_text()
    shown = re.findall(r"\$ python -m pipeline estimate([^\n]*)\n(.*?)```", text, re.DOTALL)
    assert len(shown) == 2
    for arguments, output in shown:
        assert printed(*arguments.split()) == output
