import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common_fate.datasets import show as module
from common_fate.datasets.show import show, spread
from common_fate.errors import ShardError, UserError
from common_fate.pictures import Picture, Tile
from common_fate.shards.column import Shard
from common_fate.shards.writer import write_shard
from tests.support.made_dataset import make_dataset


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("show") / "small")


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "small")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What is put on the sheet: each row's key and the names of its pictures."""
    rows = []

    def contact_sheet(tiles: list[list[Tile]], title: str, legend: Picture | None) -> Picture:
        captions = [[caption.splitlines() for _, caption in row] for row in tiles]
        rows.extend((row[0][0], [row[0][1].split(":")[0], *(lines[0] for lines in row[1:])]) for row in captions)
        rows.append((title, [] if legend is None else ["wheel"]))
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(module, "contact_sheet", contact_sheet)
    return rows


@pytest.mark.parametrize(
    ("counts", "samples", "expected"),
    [
        ([4, 4, 4], 3, {0: [2], 1: [2], 2: [2]}),
        ([0, 10, 0], 2, {1: [2, 7]}),
        ([1, 1, 1], 9, {0: [0], 1: [0], 2: [0]}),
        ([5], 1, {0: [2]}),
        ([0, 0], 3, {}),
        ([1000, 1], 4, {0: [125, 375, 625, 875]}),
    ],
)
def test_samples_lie_evenly_over_all_shards(counts: list[int], samples: int, expected: dict[int, list[int]]):
    assert spread(counts, samples) == expected


@pytest.mark.parametrize("samples", [1, 7, 31, 32])
def test_no_sample_is_shown_twice(samples: int):
    rows = spread([3, 0, 17, 12], samples)
    assert sum(len(set(found)) for found in rows.values()) == samples


def test_a_view_is_shown_as_frame_flow_and_guidance(made: Path, shown: list[tuple[str, list[str]]]):
    show(made / "shards/cmp", 3)
    pictures = ["frame", "flow", "guidance"]
    assert shown == [
        ("ape-000001", pictures),
        ("bee-000002", pictures),
        ("cat-000002", pictures),
        ("small cmp: 3 of 11 samples", ["wheel"]),
    ]


@pytest.mark.parametrize(
    ("column", "pictures"),
    [
        ("frames", ["frame"]),
        ("flow", ["frame", "flow"]),
        ("guidance", ["frame", "flow", "guidance"]),
        ("truth", ["frame", "flow", "occlusion"]),
    ],
)
def test_a_column_is_shown_with_what_it_was_made_from(
    made: Path, shown: list[tuple[str, list[str]]], column: str, pictures: list[str]
):
    show(made / column, 2)
    *rows, (title, legend) = shown
    assert [names for _, names in rows] == [pictures] * 2
    assert title.startswith(f"small {column}: 2 of ")
    assert legend == ["wheel"] * ("flow" in pictures)


def test_truth_is_shown_as_itself_and_not_as_the_estimate(made: Path):
    (_, sample), *_ = module._read(made / "truth/000002.tar", [0])
    assert sample["flow.b2"].max() == 41


def test_one_shard_can_be_shown(made: Path, shown: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(made / "flow")
    show(Path("000001.tar"), 2)
    assert [key for key, _ in shown] == ["bee-000000", "bee-000003", "small flow 000001: 2 of 3 samples"]


def test_only_the_chosen_samples_are_read(made: Path, monkeypatch: pytest.MonkeyPatch):
    read = []
    whole = Shard.__getitem__
    monkeypatch.setattr(Shard, "__getitem__", lambda self, key: read.append(key) or whole(self, key))
    show(made / "shards/cmp", 2)
    assert read == ["ape-000002", "cat-000001"]


def test_the_sheet_is_a_picture_and_the_same_each_time(made: Path):
    sheet = show(made / "shards/cmp", 2)
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    assert len(np.unique(np.asarray(Image.fromarray(sheet).convert("L")))) > 20
    np.testing.assert_array_equal(sheet, show(made / "shards/cmp", 2))


def test_columns_that_are_gone_are_not_needed(dataset: Path, shown: list[tuple[str, list[str]]]):
    shutil.rmtree(dataset / "frames")
    show(dataset / "guidance", 1)
    assert shown[0][1] == ["flow", "guidance"]


def test_no_name_in_a_record_becomes_a_path(dataset: Path, shown: list[tuple[str, list[str]]]):
    record = dataset / "flow/000001.json"
    known = json.loads(record.read_text())
    record.write_text(json.dumps(known | {"inputs": {"../small/frames": "", str(dataset / "frames"): ""}}))
    show(dataset / "flow/000001.tar", 1)
    assert shown[0][1] == ["flow"]


def test_records_that_name_each_other_have_an_end(dataset: Path, shown: list[tuple[str, list[str]]]):
    record = dataset / "frames/000001.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"inputs": {"flow": ""}}))
    show(dataset / "flow/000001.tar", 1)
    assert shown[0][1] == ["frame", "flow"]


def test_nothing_to_show_says_what_to_name(dataset: Path):
    with pytest.raises(UserError, match="no samples: name a view"):
        show(dataset, 3)
    shutil.rmtree(dataset / "flow")
    with pytest.raises(UserError, match="nothing that can be drawn"):
        show(dataset / "guidance", 3)


def test_a_member_that_does_not_decode_is_named(dataset: Path):
    facts = {"stage": "frames", "version": 1, "options": {}, "inputs": {}}
    write_shard(dataset / "frames/000000.tar", [("ape-000000", {"jpg": b"no", "json": b"{}"})], lambda: facts)
    with pytest.raises(ShardError, match=r"frames/000000\.tar: ape-000000: damaged JPEG"):
        show(dataset / "frames/000000.tar", 1)


def test_a_damaged_shard_is_named(dataset: Path):
    (dataset / "frames/000001.tar").write_bytes(b"")
    with pytest.raises(ShardError, match=r"frames/000001\.tar"):
        show(dataset / "frames", 3)
