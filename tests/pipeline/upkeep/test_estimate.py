"""The estimate against sums by hand, a real run, and the benchmarks that its figures come from."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks import stages
from common_fate.errors import UserError
from pipeline.cli.app import app
from pipeline.columns.flow import FlowOptions
from pipeline.registry import STAGES, VIEWS
from pipeline.upkeep.estimate import COSTS, MANIFEST, START, START_ON_CLUSTER, Work, cost, jobs_of
from pipeline.views import View
from tests.support.workspace import ROOT, SMALL, Workspace


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
    assert rows["core hours"] == f"{seconds / 3600:,.2f}"
    assert rows["bytes"] == f"{size / 1e9:,.2f} GB"
    assert rows["dollars, computing"] == f"{computing:,.2f}"
    assert rows["dollars, keeping it"] == f"{keeping:,.2f}"
    assert rows["dollars per million pairs"] == f"{(computing + keeping) / pairs * 1e6:,.2f}"
    assert rows["shards"] == "10 of 200 pairs"
    made = making / 1e3 / 10 + 5 * START.value + pairs * MANIFEST[0].value / 1e6
    assert rows["wall time, 5 cores"] == f"{(seconds / 5 + made) / 3600:,.2f} hours at most"


@given(clips=st.integers(1, 10**6), views=st.sets(st.sampled_from(sorted(VIEWS)), min_size=1), times=st.integers(2, 99))
def test_so_many_times_the_clips_take_so_many_times_as_much(clips: int, views: set[str], times: int):
    one, many = (work(number * 10, tuple(sorted(views))) for number in (clips, clips * times))
    assert many.shard_jobs == times * one.shard_jobs
    assert many.total_bytes == pytest.approx(times * one.total_bytes)
    beside = (jobs_of([one]) - one.shard_jobs) * START_ON_CLUSTER.value
    seconds = [cost([each], True).core_seconds - beside for each in (one, many)]
    assert seconds[1] == pytest.approx(times * seconds[0])


def test_a_gpu_s_time_is_counted_where_it_is_given():
    rows = estimated(
        "--gpu-ms=36", "--clips=100000", "--pairs-per-clip=1", "--gpu-hour=3", "--core-hour=0", "--months=0"
    )
    assert rows["GPU hours"] == "1.0; training: not measured"
    assert rows["dollars, computing"] == "3.00"
    assert "not measured" in estimated()["GPU hours"]
    assert not any("stage flow" in name and "(ms" in name for name in rows)


def test_the_figure_of_flow_is_of_dis_alone():
    def timed(**flow: Any) -> bool:
        return replace(work(10), options={"flow": FlowOptions(**flow)}).timed("flow")

    assert timed(preset="fast")
    assert timed(scales=1, refinement=0)
    assert not any(timed(**flow) for flow in ({"estimator": "matching"}, {"refinement": 3}, {"scales": 2}))


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
    columns = ("frames", "regions", "flow", "guidance", "truth", "masks")
    counts = {part: some.samples(part) for part in (*columns, *some.views)}
    assert counts == {
        **{"frames": 500, "regions": 500, "flow": 300, "guidance": 300, "truth": 300, "masks": 500},
        **{"cmp": 300, "grouping": 500, "selflow": 200},
    }


def test_a_view_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]):
    done = CliRunner().invoke(app, ["estimate", "--view", "rows"])
    assert "--view rows: should be one of cmp, grouping, selflow" in str(done.exception)


@pytest.mark.slow
def test_jobs_files_and_bytes_are_those_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    for video in "ab":
        (tmp_path / "frames" / video).mkdir(parents=True)
        for frame in range(3):
            picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (64, 48))
            cv2.imwrite(str(tmp_path / f"frames/{video}/{frame}.png"), picture)
    workspace = Workspace(tmp_path)
    workspace.configure({"some": {"source": {"kind": "frames", "path": "frames/*"}, "videos_per_shard": 1}})
    wanted = work(2, videos_per_shard=1)
    assert workspace.planned().total() + 1 == jobs_of([wanted])  # which leaves `all` out
    workspace.make("shards")
    folders = [tmp_path / name for name in ("results", "logs", ".snakemake/metadata")]
    assert sum(path.is_file() for folder in folders for path in folder.rglob("*")) == wanted.files
    monkeypatch.chdir(tmp_path)
    rows = estimated("--configfile=config.yaml")
    assert rows["some: frames of a video"].endswith("2 shards that are there")
    for part in ("frames", "flow", "guidance", "shards/cmp"):
        samples, gigabytes, _ = rows[f"some/{part}"].split()
        assert samples == ("6" if part == "frames" else "4")
        size = sum(tar.stat().st_size for tar in (tmp_path / "results/some" / part).glob("*.tar"))
        assert float(gigabytes) * 1e9 == pytest.approx(size, abs=600)
    told = estimated("--configfile=config.yaml", "--pairs-per-clip=5")
    assert told["some/flow"].split()[0] == "10"


def test_a_configuration_s_datasets_are_listed_and_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nine folders of frames, at most 3 a shard; of these the second, fifth and eighth are looked at."""
    sizes = {1: (5, 100, 200), 4: (3, 40, 80), 7: (4, 100, 200)}
    for video in range(9):
        frames, height, width = sizes.get(video, (2, 8, 8))
        (tmp_path / f"frames/{video}").mkdir(parents=True)
        for frame in range(frames):
            cv2.imwrite(str(tmp_path / f"frames/{video}/{frame}.png"), np.zeros((height, width, 3), np.uint8))
    mine = {"source": {"kind": "frames", "path": "frames/*"}, "frames": {"shorter_side": 50}, "videos_per_shard": 3}
    web = {
        "source": {"kind": "urls", "path": "list.csv"},
        "views": ["cmp", "grouping"],
        "frames": {"shorter_side": 208},
    }
    (tmp_path / "list.csv").write_text("url\n" + "".join(f"https://example.org/{i}.mp4\n" for i in range(100)))
    Workspace(tmp_path).configure({"mine": mine, "web": web})
    monkeypatch.chdir(tmp_path)
    rows = estimated("--configfile=config.yaml", "--cores=4")
    cells = {name: re.split(r" {2,}", cell) for name, cell in rows.items()}
    assert cells["mine/frames"][0] == "36"  # four each, of nine
    assert cells["mine/shards/cmp"][0] == "27"
    assert cells["mine: frames kept at"] == ["93x47", "the same"]  # 100x50, 100x50 and 80x40
    assert cells["web/frames"][0] == "780"
    assert cells["web: frames kept at"][0] == "278x208"
    assert cells["web"][:3] == ["100", "2", str(2 * 7 + 2 * 2 + 1)]
    assert rows["jobs"] == str((3 * 4 + 2 + 1) + 19 + 2)
    lines = printed("--configfile=config.yaml", "--cores=4").splitlines()
    said = [line for line in lines if "cores busy" in line]
    assert len(said) == 2
    assert said[0].startswith("mine: 3 shards keep 3 of 4 cores busy")
    assert "set datasets.mine.videos_per_shard: 2 (it is 3)" in said[0]
    assert "set datasets.web.videos_per_shard: 25 (it is 64)" in said[1]
    assert "web: the time that its videos take to come is not counted" in lines
    assert estimated("--configfile=config.yaml", "--frames-per-clip=10")["web/frames"].startswith("1,000")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--configfile=none.yaml"], "none.yaml: cannot be read"),
        (["--configfile=config.yaml", "--clips=9"], "--clips: config.yaml says that"),
    ],
)
def test_what_a_configuration_says_itself_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
):
    Workspace(tmp_path).configure({"small": SMALL})
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["estimate", *arguments])
    assert isinstance(done.exception, UserError)
    assert said in str(done.exception)


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
    more = [view for view in VIEWS if view.startswith("objects")]
    assert without == ["truth", "masks", "landmarks", "flow", *more, "labelled"], "the view flow joins truth"
    assert {*STAGES, *VIEWS} == {what.split()[1].rstrip(":") for what in lines if what.startswith(("stage", "view"))}


def test_the_document_shows_what_the_command_prints():
    text = (ROOT / "docs" / "scale.md").read_text()
    shown = re.findall(r"\$ python -m pipeline estimate([^\n]*)\n(.*?)```", text, re.DOTALL)
    assert len(shown) == 2
    for arguments, output in shown:
        assert printed(*arguments.split()) == output
