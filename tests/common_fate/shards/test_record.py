import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common_fate.errors import ShardError
from common_fate.shards.record import Record, file_sha256, record_path

RECORD = Record(
    stage="flow",
    version=1,
    shard="000003",
    options={"preset": "medium"},
    inputs={"frames": "ab"},
    sha256="cd",
    bytes=512 + 1024 + 512 + 0 + 512 + 512 + 512 + 512 + 1024,
    samples=2,
    extensions=["flow.b2", "json"],
    keys=["v-000000", "v-000001"],
    sizes=[[700, 0], [512, 1]],
    failures=[{"key": "w", "stage": "flow", "reason": "no pair"}],
    statistics={"magnitude_mean": {"mean": 1.5, "min": 1.0, "max": 2.0}},
)


def written(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "000003.json"
    RECORD.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_a_record_reads_back(tmp_path: Path):
    RECORD.write(tmp_path / "000003.json")
    assert Record.read(tmp_path / "000003.json") == RECORD


def test_writing_twice_gives_the_same_bytes(tmp_path: Path):
    RECORD.write(tmp_path / "a.json")
    replace(RECORD).write(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_what_was_dropped_reads_back_and_is_not_mentioned_where_there_is_none(tmp_path: Path):
    dropped = replace(RECORD, dropped={"scene cut": ["v-000000", "x-000007"], "still pair": []})
    dropped.write(tmp_path / "000003.json")
    assert Record.read(tmp_path / "000003.json") == dropped
    assert dropped.known_keys() == ["v-000000", "v-000001", "w", "v-000000", "x-000007"]
    assert "dropped" not in RECORD.text()


def test_offsets_follow_from_sizes():
    assert RECORD.offsets() == [[512, 512 + 1024 + 512], [512 + 1024 + 512 + 512, 512 + 1024 + 512 + 512 + 512 + 512]]


def test_a_missing_record_says_that_the_shard_is_not_finished(tmp_path: Path):
    with pytest.raises(ShardError, match="not finished"):
        Record.read(tmp_path / "000000.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": 3},
        {"keys": ["v-000000"]},
        {"keys": ["v-000000", "v-000000"]},
        {"keys": ["v-000000", 7]},
        {"keys": ["v-000000", ["v"]]},
        {"sizes": [[700, 0], [512]]},
        {"sizes": [[700, 0], [512, -1]]},
        {"sizes": [[700, 0], [512, True]]},
        {"sizes": 3},
        {"bytes": 10},
        {"sha256": None},
        {"shard": 3},
        {"failures": [{"key": "w"}]},
        {"failures": [{"key": "w", "stage": "flow", "reason": None}]},
        {"inputs": []},
        {"statistics": 3},
        {"statistics": {"magnitude_mean": 1.5}},
        {"statistics": {"magnitude_mean": {"mean": "much", "min": 0, "max": 0}}},
        {"dropped": 3},
        {"dropped": ["v-000000"]},
        {"dropped": {"still": 3}},
        {"dropped": {"still": [3]}},
        {"dropped": {"still": [["v-000000"]]}},
        {"dropped": {"still": ["../v-000000"]}},
        {"dropped": {"still": ["v-000000", "v-000000"]}},
        {"dropped": {"still": ["v-000005..000001"]}},
        {"dropped": {"still": ["v-000000..000004:3"]}},
        {"failures": [{"key": "v-000000..v-000004", "stage": "flow", "reason": "torn"}]},
        {"dropped": {"x" * 20_000: []}},
        {"dropped": {"still": [f"v-{n:06d}" for n in range(131_073)]}},
        {"surprise": 1},
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, changes: dict[str, Any]):
    with pytest.raises(ShardError, match="not a shard record"):
        Record.read(written(tmp_path, **changes))


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[]", b"3", b"{}", b"null", b"[" * 100_000, b'{"keys": ' + b"9" * 9999]
)
def test_what_is_no_record_is_refused(tmp_path: Path, data: bytes):
    (tmp_path / "000003.json").write_bytes(data)
    with pytest.raises(ShardError, match="not a shard record"):
        Record.read(tmp_path / "000003.json")


def test_the_record_lies_beside_its_tar():
    assert record_path(Path("flow/000003.tar")) == Path("flow/000003.json")


def test_the_sum_is_that_of_the_file(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"abc" * 1000)
    assert file_sha256(tmp_path / "x") == hashlib.sha256(b"abc" * 1000).hexdigest()
