"""Any bytes changed anywhere: a reader refuses, or gives what was written. Never another error, never other data."""

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common_fate.datasets.verify import verify
from common_fate.errors import UserError
from common_fate.foreign.parquet import ParquetFile
from common_fate.foreign.thrift import read_struct
from common_fate.manifest.shards import parse_shards
from common_fate.shards.codecs import decode
from common_fate.shards.column import Shard
from common_fate.shards.limits import MAX_ROWS
from common_fate.shards.record import Record
from common_fate.shards.stream import stream_samples
from common_fate.torch import ShardDataset
from tests.support.hostile.view import good_members, make_view

pytestmark = pytest.mark.slow

NUMBERS = [b"\x00" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x01\x00\x00\x00"]
# Where, from the front or from the end; how many bytes go; what comes in their place.
EDITS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 300), st.integers(-700, -1), st.integers(0, 2**16)),
        st.integers(0, 8),
        st.one_of(st.binary(max_size=8), st.sampled_from(NUMBERS)),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
FUZZED = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def edited(data: bytes, edits: list[tuple[int, int, bytes, bool]]) -> bytes:
    changed = bytearray(data)
    for place, gone, put, same_length in edits:
        at = place % (len(changed) or 1)
        changed[at : at + (len(put) if same_length else gone)] = put
    return bytes(changed)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_view(tmp_path_factory.mktemp("fuzz") / "view")


@pytest.fixture(scope="module")
def truth(view: Path) -> dict[str, dict[str, bytes]]:
    with Shard(view / "000000.tar") as shard:
        return {key: shard[key].encoded for key in shard}


@pytest.fixture(scope="module")
def copy(view: Path) -> Path:
    return shutil.copytree(view, view.parent / "copy")


def check_sample(sample: dict[str, object], truth: dict[str, dict[str, bytes]]) -> None:
    members = truth[str(sample["key"])]
    np.testing.assert_array_equal(np.asarray(sample["flow"]), decode("flow.b2", members["flow.b2"]))
    assert sample["json"] == decode("json", members["json"])


def by_key(folder: Path, truth: dict[str, dict[str, bytes]]) -> None:
    with Shard(folder / "000000.tar") as shard:
        shard.check_sum()
        for key in shard:
            assert shard[key].encoded == truth[key]


def by_place(folder: Path, truth: dict[str, dict[str, bytes]]) -> None:
    dataset = ShardDataset(folder, check_sums=True)
    for row in range(len(dataset)):
        check_sample(dataset[row], truth)


def by_stream(folder: Path, truth: dict[str, dict[str, bytes]]) -> None:
    record = Record.read(folder / "000000.json")
    tar = io.BytesIO((folder / "000000.tar").read_bytes())
    assert dict(stream_samples(tar, "x", record.bytes, record.samples, record.sha256)) == truth


def by_verification(folder: Path, truth: dict[str, dict[str, bytes]]) -> None:
    if (folder / "000000.tar").read_bytes() != (folder.parent / "view/000000.tar").read_bytes():
        assert verify(folder, full=True)


@pytest.mark.parametrize(
    ("door", "name"),
    [
        (by_key, "000000.tar"),
        (by_key, "000000.json"),
        (by_place, "000000.tar"),
        (by_place, "samples.parquet"),
        (by_place, "shards.parquet"),
        (by_stream, "000000.tar"),
        (by_stream, "000000.json"),
        (by_verification, "000000.tar"),
    ],
)
def test_readers(view: Path, copy: Path, truth: dict[str, dict[str, bytes]], door: Callable[..., None], name: str):
    @FUZZED
    @given(EDITS)
    def check(edits: list[tuple[int, int, bytes, bool]]) -> None:
        (copy / name).write_bytes(edited((view / name).read_bytes(), edits))
        with contextlib.suppress(UserError):
            door(copy, truth)

    check()
    shutil.copy(view / name, copy / name)


@pytest.mark.parametrize("extension", good_members())
def test_decoders(extension: str):
    whole = good_members(1)[extension]

    @settings(FUZZED, max_examples=400)
    @given(EDITS)
    def check(edits: list[tuple[int, int, bytes, bool]]) -> None:
        with contextlib.suppress(ValueError):
            decode(extension, edited(whole, edits))

    check()


def test_tables(view: Path):
    samples, shards = ((view / name).read_bytes() for name in ("samples.parquet", "shards.parquet"))

    @settings(FUZZED, max_examples=400)
    @given(EDITS)
    def check(edits: list[tuple[int, int, bytes, bool]]) -> None:
        with contextlib.suppress(ValueError):
            parse_shards(edited(shards, edits))
        with contextlib.suppress(ValueError):
            ParquetFile(io.BytesIO(edited(samples, edits)), MAX_ROWS)

    check()


@settings(FUZZED, max_examples=400)
@given(st.binary(max_size=200))
def test_headers_of_tables(data: bytes):
    with contextlib.suppress(ValueError):
        read_struct(data, 100)
