from pathlib import Path

import numpy as np
import pytest

from common_fate.datasets.read import read_samples
from common_fate.errors import ShardError, UserError
from tests.support.made_dataset import PAIRS, VIDEOS, make_dataset, points


def test_samples_come_shard_by_shard_with_their_members(tmp_path: Path):
    dataset = make_dataset(tmp_path / "small")
    read = [(key, sample["guidance.npy"]) for key, sample in read_samples(dataset / "shards/cmp")]
    pairs = [(v, f) for v in range(len(VIDEOS)) for f in range(PAIRS) if (v, f) != (1, 1)]
    assert [key for key, _ in read] == [f"{VIDEOS[v]}-{f:06d}" for v, f in pairs]
    for (_, found), pair in zip(read, pairs, strict=True):
        np.testing.assert_array_equal(found, points(*pair))


def test_what_is_no_view_or_damaged_is_refused(tmp_path: Path):
    dataset = make_dataset(tmp_path / "small")
    with pytest.raises(UserError, match="has no shards"):
        next(read_samples(dataset))
    (dataset / "flow/000000.tar").write_bytes(b"")
    with pytest.raises(ShardError, match="cut off or replaced"):
        next(read_samples(dataset / "flow"))
