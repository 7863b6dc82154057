import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_fate.datasets.catalog import (
    Video,
    extended,
    read_catalog,
    read_plan,
    read_planned,
    shard_digests,
    write_catalog,
    write_plan,
)
from common_fate.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
ids = st.lists(st.integers(0, 99).map(lambda number: f"v{number:02d}"), unique=True)


@given(first=ids, second=ids, size=st.integers(1, 5))
def test_every_video_stands_in_one_shard_and_stays_there(first: list[str], second: list[str], size: int):
    plan = extended([], first, size)
    assert sorted(video for shard in plan for video in shard) == sorted(first)
    assert all(0 < len(shard) <= size for shard in plan)
    grown = extended(plan, second, size)
    assert sorted(video for shard in grown for video in shard) == sorted(second)
    for before, after in zip(plan, grown, strict=False):
        assert after == [video for video in before if video in second]
    assert all(video not in first for shard in grown[len(plan) :] for video in shard)


def test_a_removed_video_changes_the_digest_of_its_shard_only():
    videos = [Video(f"v{number}", "videos", f"{number}.mp4", bytes=number) for number in range(6)]
    plan = extended([], (video.video for video in videos), 2)
    before = shard_digests(plan, videos)
    fewer = videos[:2] + videos[3:]
    after = shard_digests(extended(plan, (video.video for video in fewer), 2), fewer)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_a_file_of_another_size_changes_the_digest():
    video = Video("v", "videos", "v.mp4", bytes=1)
    assert shard_digests([["v"]], [video]) != shard_digests([["v"]], [replace(video, bytes=2)])


def test_what_else_is_known_of_a_video_is_no_reason_to_rebuild_its_shard():
    video = Video("v", "videos", "v.mp4")
    assert shard_digests([["v"]], [video]) == shard_digests([["v"]], [replace(video, about='{"title": "V"}')])


def test_a_catalog_of_a_former_version_is_read(tmp_path: Path):
    write_catalog(tmp_path / "catalog.parquet", [Video("a", "videos", "a.mp4")])
    table = pq.read_table(tmp_path / "catalog.parquet").drop_columns(["about"])
    pq.write_table(table, tmp_path / "catalog.parquet")
    assert read_catalog(tmp_path / "catalog.parquet") == [Video("a", "videos", "a.mp4")]


def test_catalog_and_plan_are_read_back(tmp_path: Path):
    videos = [Video("b", "videos", "b.mp4", "CC BY", 5, '{"title": "B"}'), Video("a", "videos", "a.mp4")]
    write_catalog(tmp_path / "catalog.parquet", videos)
    assert read_catalog(tmp_path / "catalog.parquet") == videos
    assert read_catalog(tmp_path / "catalog.parquet", ["a"]) == videos[1:]
    assert read_catalog(tmp_path / "catalog.parquet", []) == [], "a shard whose videos are all gone"
    write_plan(tmp_path / "plan.json", [["a"], [], ["b"]])
    assert read_plan(tmp_path / "plan.json") == [["a"], [], ["b"]]
    assert read_plan(tmp_path / "none.json") == []


@given(
    plan=st.lists(st.lists(st.from_regex("[A-Za-z0-9_]{1,4}", fullmatch=True), max_size=3), max_size=5).filter(
        lambda plan: len({video for shard in plan for video in shard}) == sum(map(len, plan))
    ),
    indent=st.sampled_from([None, 1]),
)
def test_a_shard_s_videos_are_found_in_a_plan_of_any_form(
    tmp_path_factory: pytest.TempPathFactory, plan: list[list[str]], indent: int | None
):
    ours, theirs = (tmp_path_factory.getbasetemp() / name for name in ("ours.json", "theirs.json"))
    write_plan(ours, plan)
    theirs.write_text(json.dumps({"shards": plan}, indent=indent))
    for path in (ours, theirs):
        assert [read_planned(path, shard) for shard in range(len(plan))] == plan
        with pytest.raises(UserError, match=f"plans {len(plan)} shards?; there is no shard {len(plan):06d}"):
            read_planned(path, len(plan))


def test_a_job_reads_of_plan_and_catalog_what_it_needs(tmp_path: Path):
    """All of a hundred thousand videos would take tens of megabytes."""
    videos = [Video(f"v{number:06d}", "videos", f"/data/{number:06d}.mp4") for number in range(100_000)]
    write_catalog(tmp_path / "catalog.parquet", videos)
    write_plan(tmp_path / "plan.json", extended([], (video.video for video in videos), 100))
    tracemalloc.start()
    ids = read_planned(tmp_path / "plan.json", 700)
    assert read_catalog(tmp_path / "catalog.parquet", ids) == videos[70_000:70_100]
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert pq.read_metadata(tmp_path / "catalog.parquet").row_group(0).num_rows < 100_000


def test_reading_a_shard_s_videos_starts_no_threads_that_hold_the_file(tmp_path: Path):
    """PyArrow's threads, holding a Python file, abort some processes at their exit, when all their work is done."""
    videos = [Video(f"v{number:06d}", "videos", f"/data/{number:06d}.mp4") for number in range(100_000)]
    write_catalog(tmp_path / "catalog.parquet", videos)
    code = (
        "import os, sys; import pyarrow, pyarrow.compute as pc; from pathlib import Path\n"
        "from common_fate.datasets.catalog import read_catalog\n"
        "pyarrow.set_cpu_count(1)\n"
        "pc.is_in(pyarrow.array(['a']), pyarrow.array(['a']))  # its thread holds nothing of Python\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "assert len(read_catalog(Path(sys.argv[1]), ['v070000', 'v070099'])) == 2\n"
        "assert len(os.listdir('/proc/self/task')) == before"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "catalog.parquet"], cwd=ROOT, check=True)


@pytest.mark.parametrize("text", ["", "[]", '{"shards": [1]}', '{"shards": [[1]]}'])
def test_a_damaged_plan_is_refused(tmp_path: Path, text: str):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UserError, match=r"plan\.json: not a plan"):
        read_plan(tmp_path / "plan.json")


def test_a_catalog_with_a_nul_in_a_path_is_refused(tmp_path: Path):
    write_catalog(tmp_path / "catalog.parquet", [Video("a", "videos", "a\0.mp4")])
    with pytest.raises(UserError, match=r"catalog\.parquet: .*the video 'a' has a NUL character in its uri"):
        read_catalog(tmp_path / "catalog.parquet", ["a"])


def test_a_shard_whose_videos_are_all_gone_has_none(tmp_path: Path):
    write_catalog(tmp_path / "catalog.parquet", [Video("a", "videos", "a.mp4")])
    assert read_catalog(tmp_path / "catalog.parquet", []) == []


def test_a_catalog_that_lacks_a_video_is_refused(tmp_path: Path):
    write_catalog(tmp_path / "catalog.parquet", [Video("a", "videos", "a.mp4")])
    with pytest.raises(UserError, match="lacks b"):
        read_catalog(tmp_path / "catalog.parquet", ["a", "b"])
