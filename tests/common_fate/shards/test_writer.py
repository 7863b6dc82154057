import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common_fate.shards.record import Record, file_sha256
from common_fate.shards.writer import write_shard

SAMPLES = [(f"v-{i:06d}", {"jpg": bytes([i]) * (300 * i), "json": b"{}"}) for i in range(4)]


def facts() -> dict[str, Any]:
    return {"stage": "frames", "version": 1, "options": {}, "inputs": {}}


def test_the_record_says_what_the_tar_holds(tmp_path: Path):
    tar = tmp_path / "000007.tar"
    record = write_shard(tar, SAMPLES, facts)
    assert record == Record.read(tmp_path / "000007.json")
    assert (record.shard, record.samples, record.keys) == ("000007", 4, [key for key, _ in SAMPLES])
    assert (record.bytes, record.sha256) == (tar.stat().st_size, file_sha256(tar))
    with tarfile.open(tar) as archive:
        assert [member.name for member in archive] == [f"{key}.{ext}" for key, _ in SAMPLES for ext in ("jpg", "json")]
        for key, members in SAMPLES:
            for extension, data in members.items():
                assert archive.extractfile(f"{key}.{extension}").read() == data


def test_stock_webdataset_reads_it(tmp_path: Path):
    import webdataset

    write_shard(tmp_path / "000000.tar", SAMPLES, facts)
    read = list(webdataset.WebDataset(str(tmp_path / "000000.tar"), shardshuffle=False))
    assert [(sample["__key__"], {"jpg": sample["jpg"], "json": sample["json"]}) for sample in read] == SAMPLES


def test_writing_twice_gives_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        write_shard(tmp_path / name / "000000.tar", SAMPLES, facts)
    for file in ("000000.tar", "000000.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_shard_may_be_empty(tmp_path: Path):
    record = write_shard(tmp_path / "000000.tar", [], facts)
    assert (record.samples, record.bytes) == (0, 1024)
    assert Record.read(tmp_path / "000000.json") == record
    with tarfile.open(tmp_path / "000000.tar") as archive:
        assert archive.getmembers() == []


def test_samples_differing_in_members_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="b has members"):
        write_shard(tmp_path / "000000.tar", [("a", {"jpg": b""}), ("b", {"json": b""})], facts)
    assert not list(tmp_path.iterdir())


def test_a_key_that_comes_twice_is_refused(tmp_path: Path):
    """Its record could never be read again."""
    with pytest.raises(ValueError, match="twice"):
        write_shard(tmp_path / "000000.tar", [("a", {"jpg": b""}), ("a", {"jpg": b""})], facts)
    assert not list(tmp_path.iterdir())


def test_members_in_another_order_are_written_in_the_first_one(tmp_path: Path):
    record = write_shard(
        tmp_path / "a.tar", [("a", {"x.npy": b"1", "json": b"2"}), ("b", {"json": b"4", "x.npy": b"3"})], facts
    )
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.getnames() == ["a.x.npy", "a.json", "b.x.npy", "b.json"]
        assert archive.extractfile("b.x.npy").read() == b"3"
    assert record.extensions == ["x.npy", "json"]


@pytest.mark.parametrize("when", ["samples", "facts"])
def test_what_fails_midway_leaves_the_finished_shard_as_it_was(tmp_path: Path, when: str):
    tar = tmp_path / "000000.tar"
    write_shard(tar, SAMPLES, facts)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        yield SAMPLES[1]
        if when == "samples":
            raise RuntimeError("lost")

    def failing() -> dict[str, Any]:
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        write_shard(tar, samples(), failing)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_record_holds_no_time_and_no_path(tmp_path: Path):
    write_shard(tmp_path / "000000.tar", SAMPLES, facts)
    text = (tmp_path / "000000.json").read_text()
    assert str(tmp_path) not in text
    assert not {"time", "date", "host", "seconds"} & set(json.loads(text))


def test_a_shard_that_comes_out_as_it_stands_is_not_touched(tmp_path: Path):
    tar = tmp_path / "000000.tar"
    record = write_shard(tar, SAMPLES, facts)
    stamps = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert write_shard(tar, SAMPLES, facts, standing=record) == record
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == stamps
    other = write_shard(tar, SAMPLES[:2], facts, standing=record)
    assert other == Record.read(tmp_path / "000000.json") != record
    assert file_sha256(tar) == other.sha256
