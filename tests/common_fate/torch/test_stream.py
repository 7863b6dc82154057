import shutil

import pytest
from torch.utils.data import DataLoader

from common_fate.errors import ShardError
from common_fate.torch import stream


def keys(samples) -> list[str]:
    return [sample["key"] for sample in samples]


def test_in_order_without_a_seed_and_again(view):
    pipeline = stream(view.folder)
    assert keys(pipeline) == view.keys
    assert keys(pipeline) == view.keys


def test_a_file_url_and_a_trailing_slash(view):
    assert keys(stream(f"file:{view.folder}/")) == view.keys


def test_shuffled_by_seed_and_epoch(view):
    order = {(seed, epoch): keys(stream(view.folder, seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(set(map(tuple, order.values()))) == 4
    assert all(sorted(read) == view.keys for read in order.values())
    assert keys(stream(view.folder, seed=0, epoch=1)) == order[0, 1]


def test_the_epoch_reaches_the_sample_and_the_transform(view):
    assert list(stream(view.folder, lambda sample: sample["epoch"], epoch=7)) == [7] * 22


@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (1, 1), (1, 2), (2, 0), (2, 2), (3, 0), (3, 1)])
def test_an_epoch_is_exact_over_workers_and_ranks(view, monkeypatch, ranks, workers):
    read = []
    monkeypatch.setenv("WORLD_SIZE", str(ranks))
    for rank in range(ranks):
        monkeypatch.setenv("RANK", str(rank))
        loader = DataLoader(stream(view.folder, seed=1), batch_size=None, num_workers=workers)
        read += [sample["key"] for sample in loader]
    assert sorted(read) == view.keys


@pytest.mark.parametrize(
    ("ranks", "workers", "message"),
    [
        (3, 2, "4 shards are fewer than ranks times workers, 3 x 2: take a num_workers of at most 1, make smaller"),
        (5, 0, "4 shards are fewer than ranks times workers, 5 x 1: take at most 4 ranks, make smaller shards"),
    ],
)
def test_fewer_shards_than_readers_is_an_error_that_says_what_to_do(view, monkeypatch, ranks, workers, message):
    monkeypatch.setenv("WORLD_SIZE", str(ranks))
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ShardError, match=message):
        list(DataLoader(stream(view.folder), batch_size=None, num_workers=workers))


def flipped(data: bytearray, place: int) -> bytearray:
    data[place] ^= 1
    return data


def header_of(view, row: int, member: int) -> int:
    return view.record(2).offsets()[row][member] - 512


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda view, data: data[: header_of(view, 5, 0)], "clip2-000012", id="cut between samples"),
        pytest.param(lambda view, data: data[: header_of(view, 5, 2)], "clip2-000015", id="cut between members"),
        pytest.param(lambda view, data: data[: header_of(view, 5, 0) + 9], "clip2-000012", id="cut in a header"),
        pytest.param(lambda view, data: flipped(data, header_of(view, 5, 0)), "clip2-000012", id="bit in a header"),
        pytest.param(
            lambda view, data: flipped(data, header_of(view, 5, 1) + 512), "clip2-000015: .*flow", id="payload"
        ),
        pytest.param(lambda view, data: flipped(data, header_of(view, 6, 0) - 1), "sha256", id="padding"),
        pytest.param(lambda view, data: b"", "cut off after 0", id="empty"),
    ],
)
def test_damage_raises_and_names_shard_and_key(view, change, message):
    view.damage(2, lambda data: change(view, data))
    with pytest.raises(ShardError, match=rf"^{view.tar(2)}: .*{message}"):
        list(stream(view.folder))


def test_a_missing_shard_raises(view):
    view.tar(2).unlink()
    with pytest.raises(ShardError, match=rf"^{view.tar(2)}: "):
        list(stream(view.folder))


def test_a_foreign_shard_raises(view, foreign_tar):
    shutil.copy(foreign_tar, view.tar(2))
    with pytest.raises(ShardError, match=rf"^{view.tar(2)}: "):
        list(stream(view.folder))


def test_damage_in_a_worker_reaches_the_trainer(view):
    view.tar(2).unlink()
    with pytest.raises(ShardError, match=r"000002\.tar"):
        list(DataLoader(stream(view.folder), batch_size=None, num_workers=1))
