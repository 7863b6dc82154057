from pathlib import Path

from common_fate.datasets.parts import in_made_order, is_column, shards_in
from common_fate.shards.record import Record
from tests.support.made_dataset import SHARDS, make_dataset


def test_parts_come_after_what_they_are_made_from_and_else_by_name():
    inputs = {
        "truth": ["frames", "source"],
        "flow": ["frames"],
        "frames": ["source", "videos"],
        "guidance": ["flow"],
        "dark": ["frames"],
    }
    assert in_made_order(inputs) == ["frames", "dark", "flow", "guidance", "truth"]


def test_parts_that_are_made_from_each_other_come_all_the_same():
    assert sorted(in_made_order({"a": ["b"], "b": ["a"], "c": ["c"]})) == ["a", "b", "c"]


def test_columns_and_views_are_told_by_their_folders_and_records(tmp_path: Path):
    dataset = make_dataset(tmp_path / "small")
    (dataset / "videos").mkdir()
    (dataset / "videos/000000.json").write_text("{}")  # of downloads
    (dataset / "notes").mkdir()
    assert {path.name for path in dataset.iterdir() if is_column(path)} == {"frames", "flow", "guidance", "truth"}
    assert shards_in(dataset / "flow") == SHARDS
    assert shards_in(dataset / "notes") == []
    assert Record.read(dataset / "shards/cmp/000000.json").joined == ("frames", "flow", "guidance")
    assert [Record.read(dataset / f"{name}/000000.json").joined for name in ("frames", "flow", "guidance")] == [()] * 3
