import hashlib
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from common_fate.errors import ShardError, UserError
from common_fate.manifest.tables import write_manifest
from common_fate.shards.codecs import encode
from common_fate.shards.writer import write_shard
from common_fate.torch import EpochSampler, ShardDataset
from trainers.data.split import Split
from trainers.data.views import open_views

FLOW = torch.zeros(2, 8, 8).numpy()


def small_view(folder: Path, videos: list[str], member: str = "flow.b2") -> Path:
    """A shard of two samples a video."""
    value = encode(member, FLOW)
    samples = [(f"{video}-{frame:06d}", {member: value}) for video in sorted(videos) for frame in (0, 5)]
    write_shard(folder / "000000.tar", samples, lambda: {"stage": "cmp", "version": 1, "options": {}, "inputs": {}})
    write_manifest(folder, ["000000"], "a view")
    return folder


def names(count: int) -> list[str]:
    return [f"video_{number:03d}" for number in range(count)]


def videos_of(folders: list[Path], side: str, **split: float) -> set[str]:
    return {key.rpartition("-")[0] for key in open_views(folders, None, Split(**split), side).keys}


def share_of(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) / 2**64


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_view(tmp_path_factory.mktemp("hundred") / "cmp", names(100))


@pytest.fixture
def two(view, tmp_path) -> list[Path]:
    """A view of 22 samples, and one of 8."""
    return [view.folder, small_view(tmp_path / "b" / "cmp", names(4))]


def test_views_follow_one_another(two):
    joined = open_views(two, None, Split(), "all")
    apart = [ShardDataset(folder) for folder in two]
    assert len(joined) == 30
    assert joined.keys == [sample["key"] for dataset in apart for sample in dataset]
    assert [joined[index]["key"] for index in range(30)] == joined.keys
    assert joined[-1]["key"] == joined.keys[-1]
    assert torch.equal(joined[9]["flow"], apart[0][9]["flow"])
    for outside in (30, -31):
        with pytest.raises(IndexError):
            joined[outside]


def test_the_epoch_and_the_transform_reach_the_sample(two):
    joined = open_views(two, lambda sample: (sample["epoch"], sample["key"]), Split(), "all")
    assert [joined[(7, index)] for index in (0, 29)] == [(7, joined.keys[0]), (7, joined.keys[29])]
    assert joined.__getitems__([(2, 25), 3]) == [(2, joined.keys[25]), (0, joined.keys[3])]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_reads_each_sample_once(two, workers):
    joined = open_views(two, None, Split(validation_share=0.3), "train")
    sampler = EpochSampler(len(joined), seed=0)
    loader = DataLoader(joined, batch_size=4, sampler=sampler, num_workers=workers, collate_fn=list)
    assert sorted(sample["key"] for batch in loader for sample in batch) == sorted(joined.keys)


def test_pickles_and_works_again(two):
    joined = open_views(two, None, Split(validation_share=0.4), "train")
    again = pickle.loads(pickle.dumps(joined))
    assert again.keys == joined.keys
    assert [sample["key"] for sample in again.__getitems__([0, 1])] == joined.keys[:2]


@pytest.mark.parametrize("hold_out", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_sides_are_what_the_hashes_say(hundred, hold_out, share):
    split = {"validation_share": hold_out, "train_share": share}
    held_out = {name for name in names(100) if share_of(name) < hold_out}
    assert videos_of([hundred], "held out", **split) == held_out
    expected = {name for name in names(100) if share_of(f"share/{name}") < share} - held_out
    assert videos_of([hundred], "train", **split) == expected
    assert videos_of([hundred], "all", **split) == set(names(100))


def test_shares_are_of_about_their_size_and_nest(hundred):
    sizes = []
    last: set[str] = set()
    for share in (0.1, 0.3, 0.6, 1.0):
        taken = videos_of([hundred], "train", train_share=share, validation_share=0.2)
        assert last < taken
        sizes.append(len(taken))
        last = taken
    assert all(abs(size - 80 * share) < 16 for size, share in zip(sizes, (0.1, 0.3, 0.6, 1.0), strict=True))


def test_a_video_stays_on_its_side_as_a_dataset_grows(hundred, tmp_path):
    fewer = small_view(tmp_path / "cmp", names(30))
    for side in ("train", "held out"):
        grown = videos_of([hundred], side, validation_share=0.3, train_share=0.6)
        assert videos_of([fewer], side, validation_share=0.3, train_share=0.6) == grown & set(names(30))


def test_all_samples_of_a_video_are_on_one_side(hundred):
    sides = {
        side: open_views([hundred], None, Split(validation_share=0.3), side).keys for side in ("train", "held out")
    }
    assert sorted(sides["train"] + sides["held out"]) == [f"{name}-{n:06d}" for name in names(100) for n in (0, 5)]
    assert not {key[:9] for key in sides["train"]} & {key[:9] for key in sides["held out"]}


def test_damaged_samples_are_skipped_and_counted(two, view):
    place = view.record(2).offsets()[0][1]
    view.damage(2, lambda data: data[:place] + b"\0" + data[place + 1 :])
    damaged = view.keys.index("clip2-000000")
    skipping = open_views(two, None, Split(), "all", damaged="skip")
    read = skipping.__getitems__([29, damaged, 0])
    assert [sample["key"] for sample in read] == [skipping.keys[29], skipping.keys[0]]
    assert skipping.skipped == 1
    with pytest.raises(ShardError, match="clip2-000000"):
        skipping.__getitems__([damaged])
    with pytest.raises(ShardError, match="clip2-000000"):
        open_views(two, None, Split(), "all").__getitems__([damaged, 0])


def refusal(folders: list[Path], side: str = "all", **how) -> str:
    split = Split(**{name: how.pop(name) for name in ("validation_share", "train_share") if name in how})
    with pytest.raises(UserError) as error:
        open_views(folders, None, split, side, **how)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    assert refusal([tmp_path]).startswith(f"{tmp_path} has no manifest (samples.parquet): give a view's folder")


def test_a_view_without_flow_is_refused(hundred, tmp_path):
    labels = small_view(tmp_path / "x" / "shards" / "y", names(3), "guidance.npy")
    assert refusal([hundred, labels]).startswith(f"{labels} has no flow: ")
    assert refusal([hundred], needs=("flow", "guidance")).startswith(f"{hundred} has no guidance: ")
    assert refusal([hundred], needs=("image",)).startswith(f"{hundred} has no image: ")
    assert len(open_views([labels], None, Split(), "all", needs=("guidance",))) == 6


def test_a_side_that_is_empty_is_refused_and_says_what_to_change(tmp_path):
    few = small_view(tmp_path / "cmp", names(3))
    least = min(map(share_of, names(3))) * 0.999
    for hold_out in (0.0, least):
        assert f"none of 3 videos is held out: raise the validation share, {hold_out}" in refusal(
            [few], "held out", validation_share=hold_out
        )
    assert videos_of([few], "held out", validation_share=least * 1.002) == {min(names(3), key=share_of)}
    assert "of 3 videos 3 are held out (validation share 0.999)" in refusal([few], "train", validation_share=0.999)
    message = refusal([few], "train", train_share=1e-6)
    assert "of 3 videos 0 are held out" in message
    assert "the train share of 1e-06" in message


def test_a_view_without_samples_is_refused(tmp_path):
    empty = small_view(tmp_path / "cmp", [])
    for side in ("train", "held out", "all"):
        assert "no samples" in refusal([empty], side)


def test_the_same_samples_twice_are_refused(two, tmp_path):
    copy = shutil.copytree(two[1], tmp_path / "copy")
    link = tmp_path / "link"
    link.symlink_to(two[1])
    for other in (two[1], copy, link):
        assert refusal([*two, other]) == f"{other} has the same samples as {two[1]}: give each view once"


def test_empty_shards_are_not_the_same_samples(hundred, view, tmp_path):
    empty = small_view(tmp_path / "empty" / "cmp", [])
    assert len(open_views([empty, view.folder, hundred], None, Split(), "all")) == 222
