import os
import pickle
import shutil

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader

from common_fate.errors import ShardError
from common_fate.torch import EpochSampler, ShardDataset
from common_fate.torch import opened as opened_module


def keys_of(samples) -> list[str]:
    return [sample["key"] for sample in samples]


def add_shout(sample):
    """A transform at module level, so that it can be sent to a spawned worker."""
    return sample | {"shout": sample["key"].upper()}


def test_only_made_samples_count(view):
    assert len(ShardDataset(view.folder)) == len(view.keys) == 22
    with pytest.raises(IndexError):
        ShardDataset(view.folder)[22]


@pytest.mark.parametrize(
    ("workers", "context"), [(0, None), (2, "fork"), pytest.param(1, "spawn", marks=pytest.mark.slow)]
)
def test_workers_forked_or_spawned_read_the_same(view, workers, context):
    dataset = ShardDataset(view.folder, add_shout)
    assert dataset[0]["key"] == view.keys[0]  # a shard is open before the fork
    loader = DataLoader(
        dataset, batch_size=5, num_workers=workers, multiprocessing_context=context, collate_fn=list, shuffle=True
    )
    samples = [sample for batch in loader for sample in batch]
    assert sorted(keys_of(samples)) == view.keys
    assert all(sample["shout"] == sample["key"].upper() for sample in samples)


def test_members_that_are_not_asked_for_are_not_read(view):
    view.damage(0, lambda data: data.replace(b"clip0-000000.flow.b2", b"clip0-000000.flow.xx"))
    whole = ShardDataset(view.folder)
    with pytest.raises(ShardError, match=r"no header of clip0-000000.flow.b2"):
        whole[0]
    some = pickle.loads(pickle.dumps(ShardDataset(view.folder, members=("image", "guidance", "previous.image"))))
    assert set(some[0]) == {"key", "epoch", "image", "guidance"}
    assert some[1]["image"].equal(whole[1]["image"])


def test_pickles_small_and_works_again(view):
    dataset = ShardDataset(view.folder)
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 10_000
    assert keys_of(pickle.loads(pickled)) == view.keys


def test_keys_may_be_more_text_than_two_gigabytes(view):
    """Arrow's `string` cannot hold more in an array, and 10^8 keys are more."""
    assert pa.types.is_large_string(ShardDataset(view.folder).keys.type)


def test_more_shards_than_may_be_open(view, monkeypatch):
    monkeypatch.setattr(opened_module, "MAX_OPEN", 1)
    dataset = ShardDataset(view.folder)
    order = [0, 21, 7, 1, 20, 8]
    assert keys_of(dataset[row] for row in order) == [view.keys[row] for row in order]
    assert len(dataset._shards._files) == 1


# What is wrong with shard 2, and what the error says beside shard and key.
def cut_at_a_sample(view):
    end = view.record(2).offsets()[5][0] - 512
    view.damage(2, lambda data: data[:end])
    return "bytes, the manifest says"


def cut_inside_a_header(view):
    end = view.record(2).offsets()[5][2] - 100
    view.damage(2, lambda data: data[:end])
    return "cut off"


def empty_file(view):
    view.tar(2).write_bytes(b"")
    return "the file has 0 bytes"


def missing_shard(view):
    view.tar(2).unlink()
    return "No such file"


def header_bit(view):
    place = view.record(2).offsets()[0][1] - 512 + 110  # the owner's id, which nobody reads
    view.damage(2, lambda data: flipped(data, place))
    return "no header of clip2-000000.flow.b2"


def payload_start(view):
    place = view.record(2).offsets()[0][1]
    view.damage(2, lambda data: flipped(data, place))
    return "its flow.b2 cannot be decoded"


def flipped(data: bytearray, place: int) -> bytearray:
    data[place] ^= 1
    return data


@pytest.mark.parametrize(
    "damage", [cut_at_a_sample, cut_inside_a_header, empty_file, missing_shard, header_bit, payload_start]
)
def test_damage_raises_and_names_shard_and_key(view, damage):
    dataset = ShardDataset(view.folder)
    what = damage(view)
    with pytest.raises(ShardError, match=what) as error:
        dataset[view.keys.index("clip2-000000")]
    assert str(error.value).startswith(f"{view.tar(2)}: clip2-000000: ")
    assert dataset[0]["key"] == "clip0-000000"


def test_a_foreign_shard_raises(view, foreign_tar):
    shutil.copy(foreign_tar, view.tar(2))
    with pytest.raises(ShardError, match=r"000002\.tar: clip2-000000: .*cut off or replaced"):
        ShardDataset(view.folder)[7]


def test_a_foreign_shard_of_the_same_size_raises(view, foreign_tar):
    size = view.tar(2).stat().st_size
    data = foreign_tar.read_bytes()
    view.tar(2).write_bytes((data + bytes(size))[:size])
    with pytest.raises(ShardError, match=r"no header of clip2-000000\.jpg"):
        ShardDataset(view.folder)[7]


def test_a_payload_that_still_decodes_is_found_by_its_sum(view):
    record = view.record(2)
    place = record.offsets()[3][0] + record.sizes[3][0] - 8  # the last pixels of a JPEG
    view.damage(2, lambda data: flipped(data, place))
    assert ShardDataset(view.folder)[10]["key"] == "clip2-000009"
    checked = ShardDataset(view.folder, check_sums=True)
    assert checked[0]["key"] == "clip0-000000"
    with pytest.raises(ShardError, match=r"000002\.tar: clip2-000009: .*sha256"):
        checked[10]


def rewrite(path, change):
    pq.write_table(change(pq.read_table(path)), path)


def with_column(table: pa.Table, name: str, change) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, change(table[name]))


@pytest.mark.parametrize("shift", [1024, 511, 512 + 10**9, -513, -(2**62)])
def test_a_manifest_whose_offsets_lie_is_refused(view, shift):
    rewrite(
        view.folder / "samples.parquet",
        lambda table: with_column(table, "jpg.offset", lambda column: pc.add(column, shift)),
    )
    with pytest.raises(ShardError, match=r"places clip0-000000 of shard 000000 where, by the sizes, no member begins"):
        ShardDataset(view.folder)


def test_tables_that_do_not_agree_are_refused(view):
    rewrite(view.folder / "samples.parquet", lambda table: table.slice(1))
    with pytest.raises(ShardError, match=r"has 6 samples of shard '000000', shards\.parquet 7"):
        ShardDataset(view.folder)


def test_a_shard_name_that_leads_out_of_the_folder_is_refused(view):
    rewrite(
        view.folder / "shards.parquet",
        lambda table: with_column(table, "shard", lambda c: pa.array(["../../x", *c.to_pylist()[1:]])),
    )
    with pytest.raises(ShardError, match="does not name a shard"):
        ShardDataset(view.folder)


@pytest.mark.parametrize("name", ["samples.parquet", "shards.parquet"])
def test_a_missing_or_damaged_manifest_is_named(view, name):
    (view.folder / name).write_bytes(b"PAR1")
    with pytest.raises(ShardError, match=name):
        ShardDataset(view.folder)
    (view.folder / name).unlink()
    with pytest.raises(ShardError, match=name):
        ShardDataset(view.folder)


@pytest.mark.parametrize("keeps", ["nothing", "half", "all but the end"])
def test_a_shard_that_is_cut_off_while_it_is_open_is_an_error_and_no_more(view, keeps):
    """As a copy over it would do, `rsync --inplace`, or a disk that fails."""
    dataset = ShardDataset(view.folder, damaged="skip")
    rows = [row for row, key in enumerate(view.keys) if key.startswith("clip2-")]
    assert dataset[rows[0]]["key"] == view.keys[rows[0]]
    places = view.record(2).offsets()
    size = {"nothing": 0, "half": places[len(rows) // 2][0] + 3, "all but the end": places[-1][-1]}[keeps]
    os.truncate(view.tar(2), size)
    with pytest.raises(ShardError, match=rf"000002\.tar: {view.keys[rows[-1]]}: the file was cut off while"):
        dataset[rows[-1]]
    read = keys_of(dataset.__getitems__([0, *rows]))
    whole = {"nothing": 0, "half": len(rows) // 2, "all but the end": len(rows) - 1}[keeps]
    assert read == [view.keys[0], *(view.keys[row] for row in rows[:whole])]
    assert dataset.skipped == len(rows) - whole


@pytest.mark.parametrize("workers", [0, 2])
def test_skipping_leaves_out_the_damaged_and_counts_them(view, workers):
    for row in (0, 4):
        place = view.record(2).offsets()[row][0]
        view.damage(2, lambda data, place=place: flipped(data, place))
    dataset = ShardDataset(view.folder, damaged="skip")
    loader = DataLoader(dataset, batch_size=6, num_workers=workers, collate_fn=list)
    read = [sample["key"] for batch in loader for sample in batch]
    assert read == [key for key in view.keys if key not in ("clip2-000000", "clip2-000012")]
    assert dataset.skipped == 2
    with pytest.raises(ShardError):
        dataset[7]


def test_a_batch_with_nothing_left_raises(view):
    missing_shard(view)
    with pytest.raises(ShardError, match="all 2 samples of a batch are damaged"):
        ShardDataset(view.folder, damaged="skip").__getitems__([8, 9])


def test_damage_in_a_worker_reaches_the_trainer(view):
    missing_shard(view)
    with pytest.raises(ShardError, match=r"000002\.tar: clip2-"):
        list(DataLoader(ShardDataset(view.folder), batch_size=4, num_workers=1, collate_fn=list))


def test_the_epoch_reaches_the_sample(view):
    sampler = EpochSampler(22, seed=0)
    sampler.set_epoch(3)
    loader = DataLoader(ShardDataset(view.folder), batch_size=4, sampler=sampler, num_workers=1, collate_fn=list)
    assert {sample["epoch"] for batch in loader for sample in batch} == {3}
