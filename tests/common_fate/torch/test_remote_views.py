"""Views on other machines read as they do here."""

import hashlib
import os
import pickle
import shutil

import pytest
import torch
from torch.utils.data import DataLoader

from common_fate.errors import ShardError, UserError
from common_fate.manifest.tables import write_manifest
from common_fate.remote.cache import Cache
from common_fate.remote.fetch_file import Patience
from common_fate.torch import ShardDataset, stream
from tests.support.faulty_server import flipped, serving, status
from trainers.data.split import Split
from trainers.data.views import open_views


@pytest.fixture
def server(view, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(view.folder) as server:
        yield server


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", patience=Patience(attempts=2, pause=0.01, silence=0.5))


def assert_same(samples, others) -> None:
    samples, others = list(samples), list(others)
    assert [sample["key"] for sample in samples] == [sample["key"] for sample in others]
    for sample, other in zip(samples, others, strict=True):
        assert sample.keys() == other.keys()
        for name, value in sample.items():
            assert torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]


def in_order(dataset: ShardDataset) -> list:
    return [dataset[row] for row in range(len(dataset))]


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_same_samples_as_from_the_folder_and_each_shard_fetched_once(view, server, cache, slash):
    for _ in range(2):
        assert_same(in_order(ShardDataset(server.url + slash, cache=cache)), in_order(ShardDataset(view.folder)))
    asked = [name for name, _ in server.asked]
    assert sorted(asked) == sorted(
        [*["SHA256SUMS"] * 2, "samples.parquet", "shards.parquet", "000000.tar", "000002.tar", "000003.tar"]
    )


@pytest.mark.parametrize("seed", [None, 3])
def test_the_same_stream_as_from_the_folder(view, server, cache, seed):
    assert_same(stream(server.url, seed=seed, cache=cache), stream(view.folder, seed=seed))
    assert "samples.parquet" not in [name for name, _ in server.asked]


def damage_copy(cache: Cache, view, shard: int, *, noted: bool, offset: int) -> None:
    """Flips a bit of a copy; where it is `noted`, nothing about the file says so."""
    (copy,) = (cache.folder / "shards").glob(f"*/{hashlib.sha256(view.tar(shard).read_bytes()).hexdigest()}")
    data = bytearray(copy.read_bytes())
    data[offset] ^= 1
    copy.write_bytes(data)
    facts = copy.stat()
    if noted:
        note = cache.folder / "checked" / copy.name[:2] / copy.name
        note.write_text(f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}\n")


@pytest.mark.parametrize("noted", [False, True])
def test_a_damaged_copy_is_fetched_again(view, server, cache, noted):
    """Where its damage shows by its file, before it is read, and else when a member does not decode."""
    in_order(ShardDataset(server.url, cache=cache))
    damage_copy(cache, view, 2, noted=noted, offset=view.record(2).offsets()[3][1])
    assert_same(in_order(ShardDataset(server.url, cache=cache)), in_order(ShardDataset(view.folder)))
    assert len(server.asked_for("000002.tar")) == 2


def test_checking_sums_checks_copies(view, server, cache):
    in_order(ShardDataset(server.url, cache=cache))
    record = view.record(2)
    place = record.offsets()[3][0] + record.sizes[3][0] - 8  # the last pixels of a JPEG, which still decodes
    damage_copy(cache, view, 2, noted=True, offset=place)
    assert_same(in_order(ShardDataset(server.url, cache=cache, check_sums=True)), in_order(ShardDataset(view.folder)))


@pytest.mark.parametrize("decodes", [False, True])
def test_a_stream_drops_a_damaged_copy(view, server, cache, decodes):
    list(stream(server.url, cache=cache))
    record = view.record(2)
    place = record.offsets()[3][0] + record.sizes[3][0] - 8 if decodes else record.offsets()[3][1]
    damage_copy(cache, view, 2, noted=True, offset=place)
    with pytest.raises(
        ShardError, match=r"000002\.tar: .*\(the copy in the cache was damaged and is removed: run again"
    ):
        list(stream(server.url, cache=cache))
    assert_same(stream(server.url, cache=cache), stream(view.folder))


def test_a_damaged_copy_of_a_table_is_fetched_again(view, server, cache):
    ShardDataset(server.url, cache=cache)
    for table in cache.folder.glob("manifests/*/*.parquet"):
        data = bytearray(table.read_bytes())
        data[len(data) // 2] ^= 1
        table.write_bytes(data)
    assert_same(in_order(ShardDataset(server.url, cache=cache)), in_order(ShardDataset(view.folder)))


@pytest.mark.parametrize(("context", "workers"), [("fork", 2), pytest.param("spawn", 1, marks=pytest.mark.slow)])
def test_workers_share_the_cache(view, server, cache, context, workers):
    dataset = ShardDataset(server.url, cache=cache)
    dataset[0]  # the process has talked to the server before it forks
    loader = DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=list, multiprocessing_context=context)
    assert_same([sample for batch in loader for sample in batch], in_order(ShardDataset(view.folder)))
    assert [len(server.asked_for(f"{shard:06d}.tar")) for shard in (0, 2, 3)] == [1, 1, 1]


def test_streaming_workers(view, server, cache):
    loader = DataLoader(stream(server.url, cache=cache), batch_size=None, num_workers=2)
    assert sorted(sample["key"] for sample in loader) == view.keys


def test_open_views_takes_addresses_beside_folders(view, server, cache, foreign_tar):
    folders = [server.url, foreign_tar.parent]
    views = open_views(folders, None, Split(), "all", cache=cache)
    assert len(views) == 22 + 7
    assert_same([views[row] for row in range(22)], in_order(ShardDataset(view.folder)))
    with pytest.raises(UserError, match=rf"^{view.folder} has the same samples as {server.url}: give each view once"):
        open_views([server.url, view.folder], None, Split(), "all", cache=cache)


def test_pickled_it_stays_with_the_manifest_it_has_read(view, server, cache):
    dataset = ShardDataset(server.url, cache=cache)
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 10_000
    shutil.rmtree(view.folder)
    assert pickle.loads(pickled).keys.to_pylist() == view.keys


def test_a_manifest_that_changed_is_fetched_anew(view, server, cache):
    assert len(ShardDataset(server.url, cache=cache)) == 22
    write_manifest(view.folder, ["000000", "000001", "000002"], "fewer")
    assert len(ShardDataset(server.url, cache=cache)) == 16
    assert len(server.asked_for("000002.tar")) == 0


def test_a_table_that_is_not_as_listed_is_refused(view, server, cache):
    server.befall("samples.parquet", flipped(50), ever=True)
    with pytest.raises(ShardError, match=rf"^{server.url}/samples\.parquet: what arrives has the sha256"):
        ShardDataset(server.url, cache=cache)


def test_damage_on_the_way_raises_and_names_it(view, server, cache):
    server.befall("000002.tar", flipped(600), ever=True)
    dataset = ShardDataset(server.url, cache=cache)
    assert dataset[0]["key"] == "clip0-000000"
    with pytest.raises(ShardError, match=rf"^{server.url}/000002\.tar: clip2-000000: what arrives has the sha256"):
        dataset[7]
    with pytest.raises(ShardError, match=rf"^{server.url}/000002\.tar: what arrives has the sha256"):
        list(stream(server.url, cache=cache))


def test_damaged_shards_can_be_skipped_but_an_absent_server_cannot(view, server, cache):
    server.befall("000002.tar", flipped(600), ever=True)
    dataset = ShardDataset(server.url, cache=cache, damaged="skip")
    assert [sample["key"] for sample in dataset.__getitems__([0, 7, 8])] == ["clip0-000000"]
    assert dataset.skipped == 2
    assert len(server.asked_for("000002.tar")) == 2  # not for each of its samples
    server.befall("000003.tar", status(503), status(503))
    with pytest.raises(UserError, match=r"000003\.tar: the server answers 503"):
        dataset.__getitems__([0, 21])
    assert dataset[21]["key"] == view.keys[21]


def test_a_stream_fetches_the_next_shard_meanwhile(view, server, cache):
    samples = iter(stream(server.url, cache=cache))
    next(samples)
    for _ in range(100):
        if server.asked_for("000001.tar"):
            break
        os.sched_yield()
    else:
        pytest.fail("the second shard was not asked for while the first was read")
    assert not server.asked_for("000003.tar")


def test_a_small_cache_is_read_through_with_a_warning(view, server, cache, caplog):
    small = Cache(cache.folder, 1000, cache.patience)
    dataset = ShardDataset(server.url, cache=small)
    assert_same(in_order(dataset), in_order(ShardDataset(view.folder)))
    assert "read in random order they will be fetched again and again" in caplog.text


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://x/cmp", r"cannot be read over ftp: should start with one of https://, http://, s3://"),
        ("simplecache::http://x/cmp", "cannot be read over simplecache::http"),
        ("http://x/cmp?token=5", r"should be the address of a folder, without \? and #"),
        ("https://me:secret@x/cmp", "with a password in it: put it into ~/.netrc instead"),
    ],
)
@pytest.mark.parametrize("opened", [ShardDataset, stream])
def test_other_addresses_are_refused(cache, address, message, opened):
    with pytest.raises(UserError, match=message) as raised:
        opened(address, cache=cache)
    assert "secret" not in str(raised.value)


def test_an_address_without_a_view_is_refused(tmp_path, cache, server):
    (server.folder / "SHA256SUMS").write_text(f"{'0' * 64}  README.md\n")
    with pytest.raises(ShardError, match=r"/SHA256SUMS: does not list samples\.parquet: give the address of a view"):
        ShardDataset(server.url, cache=cache)
    (server.folder / "SHA256SUMS").unlink()
    with pytest.raises(ShardError, match=rf"^{server.url}/SHA256SUMS: there is no such file"):
        ShardDataset(server.url, cache=cache)
