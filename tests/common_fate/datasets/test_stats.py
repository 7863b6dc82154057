from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common_fate.datasets.catalog import write_plan
from common_fate.datasets.stats import stats
from common_fate.errors import ShardError, UserError
from common_fate.shards.record import Record
from common_fate.shards.writer import write_shard
from common_fate.tables import Table, html_table, text_table
from tests.support.made_dataset import HEIGHT, PAIRS, SHARDS, VIDEOS, WIDTH, make_dataset, points, true_flow

MADE = [(shard, frame) for shard in range(3) for frame in range(PAIRS) if (shard, frame) != (1, 1)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("stats") / "small")


def by_name(table: Table) -> dict[str, dict[str, Any]]:
    """Rows by their first cell, cells by their column."""
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_each_column_and_view_has_its_samples_failures_and_size(dataset: Path):
    parts = by_name(stats(dataset)[0])
    assert list(parts) == ["frames", "flow", "guidance", "truth", "cmp"]
    assert [part["samples"] for part in parts.values()] == [15, 11, 11, 12, 11]
    assert [part["failures"] for part in parts.values()] == [0, 1, 0, 0, 1]
    assert {part["shards"] for part in parts.values()} == {"3 of 3"}
    size = sum((dataset / "flow" / f"{shard}.tar").stat().st_size for shard in SHARDS)
    assert parts["flow"]["MB"] == pytest.approx(size / 1e6)
    assert parts["flow"]["kB a sample"] == pytest.approx(size / 1e3 / 11)


def test_compression_is_decoded_over_stored_bytes(dataset: Path):
    parts = by_name(stats(dataset)[0])
    records = [Record.read(dataset / f"flow/{shard}.json") for shard in SHARDS]
    stored = sum(sizes[record.extensions.index("flow.b2")] for record in records for sizes in record.sizes)
    assert parts["flow"]["compression"] == pytest.approx(11 * HEIGHT * WIDTH * 8 / stored)
    assert parts["guidance"]["compression"] is None


def test_each_shard_has_its_videos_motion_and_points(dataset: Path):
    shards = by_name(stats(dataset)[1])
    assert list(shards) == [*SHARDS, "all"]
    for number, shard in enumerate(SHARDS):
        row, made = shards[shard], [(s, frame) for s, frame in MADE if s == number]
        assert (row["videos"], row["frames"], row["flow"], row["cmp"]) == (1, PAIRS + 1, len(made), len(made))
        assert row["flow max"] == (1, 11, 41)[number]
        assert row["points min"] == min(len(points(*pair)) for pair in made)


def test_the_last_row_is_the_dataset_over_its_samples_and_not_its_shards(dataset: Path):
    row = by_name(stats(dataset)[1])["all"]
    assert (row["videos"], row["flow"], row["failures"]) == (3, len(MADE), 1)
    assert row["flow mean"] == pytest.approx(np.mean([np.hypot(*true_flow(*pair)).mean() for pair in MADE]))
    assert row["flow max"] == 41
    counts = [len(points(*pair)) for pair in MADE]
    assert row["points mean"] == pytest.approx(np.mean(counts))
    assert (row["points min"], row["points max"]) == (min(counts), max(counts))
    assert row["grid"] == 1


def test_a_failure_is_counted_once_though_the_view_lists_it_again(dataset: Path):
    table = stats(dataset)[2]
    assert table.rows == [["flow", "not finite", 1, "bee-000001"]]


def test_failures_are_counted_by_stage_and_reason_and_rare_ones_together(tmp_path: Path):
    failures = [{"key": f"v{i}", "stage": "frames", "reason": "no video stream"} for i in range(3)]
    failures += [{"key": f"w{i}", "stage": "frames", "reason": f"damaged after frame {i}"} for i in range(9)]
    failures += [{"key": f"x{i}", "stage": "frames", "reason": f"damaged{'!' * i}"} for i in range(100)]
    facts = {"stage": "frames", "version": 1, "options": {}, "inputs": {}, "failures": failures}
    write_shard(tmp_path / "frames/000000.tar", [], lambda: facts)
    table = stats(tmp_path / "frames")[2]
    numbered = ["frames", "damaged after frame …", 9, "w0"]
    assert table.rows[:2] == [numbered, ["frames", "no video stream", 3, "v0"]]
    assert f"{112 - sum(row[2] for row in table.rows)} more failed" in table.note
    assert len(table.rows) == 40


def test_drops_are_counted_once_by_reason_and_are_no_failures(dataset: Path, tmp_path: Path):
    for part, dropped in (
        ("flow", {"still": ["ape-000001"]}),
        ("cmp", {"still": ["ape-000001"], "cut": ["cow-000009"]}),
    ):
        facts = {"stage": part, "version": 1, "options": {}, "inputs": {}, "dropped": dropped}
        write_shard(tmp_path / f"{part}/000000.tar", [], lambda facts=facts: facts)
    _, by_shard, failures, drops = stats(tmp_path / "cmp")
    assert drops.rows == [["cut", 1, "cow-000009"], ["still", 1, "ape-000001"]]
    assert (by_name(by_shard)["all"]["videos"], failures.rows) == (2, [])
    write_plan(tmp_path / "plan.json", [["ape"]])
    assert stats(tmp_path)[3].rows[-1] == ["still", 1, "ape-000001"]
    assert len(stats(dataset)) == 3


def test_a_view_from_elsewhere_has_statistics_too(dataset: Path):
    by_part, by_shard, failures = stats(dataset / "shards/cmp")
    assert by_name(by_part)["cmp"]["samples"] == 11
    assert by_name(by_shard)["all"]["videos"] == len(VIDEOS)
    assert by_name(by_shard)["all"]["flow max"] == 41
    assert len(failures.rows) == 1


def test_what_no_record_measures_is_left_out(tmp_path: Path):
    facts = {"stage": "frames", "version": 1, "options": {}, "inputs": {}}
    write_shard(tmp_path / "frames/000000.tar", [("v-000000", {"jpg": b"1"})], lambda: facts)
    by_part, by_shard, failures = stats(tmp_path / "frames")
    assert by_name(by_part)["frames"]["compression"] is None
    assert by_shard.columns == ["shard", "videos", "frames", "failures", "MB"]
    assert (failures.rows, failures.note) == ([], "Nothing failed.")


def test_regions_and_superpixels_have_columns_of_their_own(tmp_path: Path):
    statistics = {"regions": 40.0, "highest": 0.5, "superpixels": 300.0}
    facts = {
        "stage": "frames",
        "version": 1,
        "options": {},
        "inputs": {},
        "statistics": {name: dict.fromkeys(("mean", "min", "max"), value) for name, value in statistics.items()},
    }
    write_shard(tmp_path / "frames/000000.tar", [("v-000000", {"jpg": b"1"})], lambda: facts)
    by_shard = stats(tmp_path / "frames")[1]
    row = by_name(by_shard)["all"]
    assert [row[name] for name in ("regions mean", "highest", "superpixels mean")] == [40, 0.5, 300]
    assert "flow mean" not in row
    assert "grid" not in row


def test_frames_of_several_sizes_have_no_one_grid(tmp_path: Path):
    side = {"mean": 1.0, "min": 100.0, "max": 300.0}
    facts = {
        "stage": "frames",
        "version": 1,
        "options": {},
        "inputs": {},
        "statistics": {"width": side, "height": side, "points": side},
    }
    write_shard(tmp_path / "frames/000000.tar", [("v-000000", {"jpg": b"1"})], lambda: facts)
    by_part, by_shard, _ = stats(tmp_path / "frames")
    assert by_name(by_shard)["000000"]["grid"] is None
    assert by_name(by_part)["frames"]["compression"] is None


@pytest.mark.parametrize("page", [False, True])
def test_the_tables_render(dataset: Path, page: bool):
    for table in stats(dataset):
        assert "`" not in table.note, "a page has no Markdown"
        if page:
            assert "<table" in html_table(table.title, table.columns, table.rows, table.note)
        else:
            assert len(text_table(table.columns, table.rows).splitlines()) == 2 + len(table.rows)


def test_a_folder_without_shards_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no shards"):
        stats(tmp_path)


def test_a_damaged_record_is_named(dataset: Path, tmp_path: Path):
    (tmp_path / "000000.json").write_text("no")
    with pytest.raises(ShardError, match=r"000000\.json"):
        stats(tmp_path)


def test_what_a_stage_of_ones_own_measures_is_shown_by_its_name(tmp_path: Path):
    names = ["bright", "width", "not a name", "x" * 50]
    measured = {name: {"mean": 0.25, "min": 0.0, "max": 1.0} for name in names}
    facts = {"stage": "dark", "version": 1, "options": {}, "inputs": {}, "statistics": measured}
    write_shard(tmp_path / "dark/000000.tar", [("v-000000", {"dark.png": b"1"})], lambda: facts)
    by_shard = stats(tmp_path / "dark")[1]
    assert by_shard.columns == ["shard", "videos", "dark", "failures", "bright mean", "MB"]
    assert by_name(by_shard)["all"]["bright mean"] == 0.25
