import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common_fate.errors import ShardError
from common_fate.shards.codecs import encode
from common_fate.shards.column import Shard
from common_fate.shards.writer import write_shard

POINTS = [np.full((i, 3), i, np.float32) for i in range(3)]


def facts() -> dict[str, Any]:
    return {"stage": "guidance", "version": 1, "options": {}, "inputs": {}}


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    samples = [(f"v-{i:06d}", {"guidance.npy": encode("guidance.npy", p), "json": b"{}"}) for i, p in enumerate(POINTS)]
    write_shard(tmp_path / "000000.tar", samples, facts)
    return tmp_path / "000000.tar"


def test_samples_are_found_by_key_in_any_order(tar: Path):
    with Shard(tar) as shard:
        assert list(shard) == ["v-000000", "v-000001", "v-000002"]
        assert len(shard) == 3
        assert "v-000001" in shard
        assert "v-000003" not in shard
        for i in (2, 0, 1):
            sample = shard[f"v-{i:06d}"]
            assert list(sample) == ["guidance.npy", "json"]
            np.testing.assert_array_equal(sample["guidance.npy"], POINTS[i])
            assert sample["json"] == {}


def test_members_decode_once_and_only_when_asked_for(tar: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr("common_fate.shards.column.decode", lambda extension, data: asked.append(extension))
    with Shard(tar) as shard:
        sample = shard["v-000001"]
        assert not asked
        sample["json"]
        sample["json"]
    assert asked == ["json"]


def test_encoded_members_are_the_bytes_that_were_written(tar: Path):
    with Shard(tar) as shard:
        assert shard["v-000002"].encoded == {"guidance.npy": encode("guidance.npy", POINTS[2]), "json": b"{}"}


def test_samples_outlive_the_shard(tar: Path):
    with Shard(tar) as shard:
        sample = shard["v-000001"]
    assert sample["guidance.npy"].shape == (1, 3)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda tar: tar.write_bytes(tar.read_bytes()[:-512]), "cut off"),
        (lambda tar: tar.write_bytes(b""), "cut off"),
        (lambda tar: tar.unlink(), "missing"),
        (lambda tar: tar.with_suffix(".json").unlink(), "not finished"),
    ],
)
def test_a_tar_that_is_not_its_record_s_is_refused(tar: Path, damage: Callable[[Path], object], says: str):
    damage(tar)
    with pytest.raises(ShardError, match=says):
        Shard(tar)


def test_a_damaged_header_is_refused_when_its_sample_is_read(tar: Path):
    data = bytearray(tar.read_bytes())
    data[3] ^= 1
    tar.write_bytes(data)
    with Shard(tar) as shard, pytest.raises(ShardError, match=r"000000\.tar"):
        shard["v-000000"]


def test_a_member_that_is_not_the_record_s_is_refused(tar: Path):
    record = tar.with_suffix(".json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"keys": ["v-000000", "w-000001", "v-000002"]}))
    with Shard(tar) as shard, pytest.raises(ShardError, match=r"w-000001"):
        shard["w-000001"]


def test_the_sum_catches_a_flipped_bit_of_a_payload(tar: Path):
    Shard(tar).check_sum()
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    with pytest.raises(ShardError, match="sha256"):
        Shard(tar).check_sum()


def test_an_empty_shard_opens(tmp_path: Path):
    write_shard(tmp_path / "000000.tar", [], facts)
    with Shard(tmp_path / "000000.tar") as shard:
        assert list(shard) == []
