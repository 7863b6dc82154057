"""Columns without pixels, from one lab to another that has the videos: the same, encoded again, others, or none."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from common_fate.datasets.catalog import read_catalog
from common_fate.datasets.verify import verify
from common_fate.errors import UserError
from common_fate.shards.column import Shard
from common_fate.shards.record import Record, record_path
from common_fate.shards.writer import write_shard
from common_fate.torch import ShardDataset
from pipeline.sharing.adopt_view import check_shards
from pipeline.sharing.own_videos import own_copies
from tests.support.clips import write_clip
from tests.support.sharing_commands import Done, content, flip, pipeline

FRAMES = {"select": {"every": 2}, "shorter_side": 64}
VIDEOS = ("ape", "bee", "cat")


def drawn(video: int) -> object:
    """Each video has a picture of its own, which moves."""
    noise = np.random.default_rng(video).integers(0, 255, (9, 12, 3), np.uint8)

    def draw(number: int, width: int, height: int) -> np.ndarray:
        return np.roll(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), 9 * number, axis=1)

    return draw


def clips(folder: Path, **options: str) -> Path:
    folder.mkdir(parents=True)
    for number, video in enumerate(VIDEOS):
        write_clip(folder / f"{video}.mp4", 10, options=options, draw=drawn(number))
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sender's folder: `clips`, and results/zoo with two shards, of two videos and of one."""
    place = tmp_path_factory.mktemp("sender")
    videos = clips(place / "clips")
    source = json.dumps({"kind": "videos", "path": f"{videos}/*.mp4", "license": "CC-BY-4.0"})
    assert pipeline(place, "catalog", "results/zoo", "--source", source, "--videos-per-shard", "2").returncode == 0
    zoo = place / "results/zoo"
    for shard in ("000000", "000001"):
        tar = f"{shard}.tar"
        made = [
            pipeline(place, "frames", zoo / "plan.json", "--to", zoo / "frames" / tar, "--options", json.dumps(FRAMES)),
            pipeline(place, "flow", zoo / "frames" / tar, "--to", zoo / "flow" / tar),
            pipeline(
                place,
                "guidance",
                zoo / "flow" / tar,
                "--to",
                zoo / "guidance" / tar,
                "--options",
                '{"kernel_size": 15}',
            ),
            pipeline(
                place,
                "view",
                "cmp",
                *(zoo / part / tar for part in ("frames", "flow", "guidance")),
                "--to",
                zoo / "shards/cmp" / tar,
            ),
        ]
        assert [done.stderr for done in made] == [""] * 4
    assert pipeline(place, "manifest", zoo / "shards/cmp", "--plan", zoo / "plan.json").returncode == 0
    done = pipeline(place, "share", zoo / "shards/cmp", "--without-pixels", "--to", place / "shared")
    assert (done.returncode, done.stderr) == (0, "")
    return place


@pytest.fixture
def shared(lab: Path, tmp_path: Path) -> Path:
    """What the receiver was sent."""
    return shutil.copytree(lab / "shared", tmp_path / "shared", copy_function=shutil.copyfile)


def adopt(folder: Path, videos: Path | str) -> Done:
    return pipeline(folder.parent, "adopt", folder, "--dataset", "zoo", "--videos", videos)


def test_the_folder_is_whole_and_valid(lab: Path):
    verified = pipeline(lab, "verify", "--full", "shared")
    assert (verified.returncode, verified.stdout) == (0, "shared: in order\n")
    assert pipeline(lab, "verify", "--full", "shared/flow").returncode == 0
    assert {name.split("/")[0] for name in content(lab / "shared") if "/" in name} == {"flow", "guidance"}
    from mlcroissant import Dataset

    dataset = Dataset(lab / "shared/croissant.json")
    assert not dataset.metadata.issues.errors
    assert next(iter(dataset.records("flow/samples")))["flow/samples/key"] == b"ape-000000"


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Ends what hangs, in this process."""

    def end(*_: object) -> None:
        raise AssertionError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["a pipe", "no end"])
@pytest.mark.parametrize("place", ["", "flow"])
def test_no_file_of_it_makes_anybody_wait(shared: Path, place: str, put: Callable[[Path], object]):
    """Whichever is a pipe, or a link to a device that has no end."""
    names = [path.name for path in (shared / place).iterdir() if path.is_file()]
    assert {"SHA256SUMS", "croissant.json", "README.md"} < set(names)
    for name in names:
        file, kept = shared / place / name, shared.parent / name
        shutil.move(file, kept)
        put(file)
        with at_most(10):
            try:
                said = [f"{problem.path}: {problem.fault}" for problem in verify(shared, full=True)]
            except UserError as error:
                said = [str(error)]
            with pytest.raises(UserError, match=re.escape(name)):
                check_shards(shared, [])
        assert any(name in line for line in said), (name, said)
        file.unlink()
        shutil.move(kept, file)


def test_adopting_waits_for_no_pipe(shared: Path, lab: Path):
    (shared / "SHA256SUMS").unlink()
    os.mkfifo(shared / "SHA256SUMS")
    done = adopt(shared, lab / "clips")
    assert done.returncode == 1
    assert "SHA256SUMS: not what `sha256sum -c` reads" in done.stderr


def test_hugging_face_streams_each_column(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    for column, member in (("flow", "flow.b2"), ("guidance", "guidance.npy")):
        stream = load_dataset(str(lab / "shared"), column, streaming=True, split="train", cache_dir=str(tmp_path))
        read = list(stream)
        assert len(read) == 12
        assert member in read[0]


def test_a_shard_without_samples_in_one_column_is_left_out_there_and_adopted_as_it_was(lab: Path, tmp_path: Path):
    zoo = shutil.copytree(lab / "results/zoo", tmp_path / "results/zoo")
    tar = sorted((zoo / "guidance").glob("*.tar"))[-1]
    old = Record.read(record_path(tar))
    facts = {name: getattr(old, name) for name in ("stage", "version", "options", "inputs")}
    write_shard(tar, (), lambda: facts)
    shared = tmp_path / "shared"
    done = pipeline(tmp_path, "share", zoo / "flow", zoo / "guidance", "--to", shared)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(shared / part / tar.name).exists() for part in ("flow", "guidance")] == [True, False]
    assert pipeline(tmp_path, "verify", "--full", shared).returncode == 0
    shutil.rmtree(tmp_path / "results")
    done = adopt(shared, f"{lab}/clips/*")
    assert (done.returncode, done.stderr) == (0, "")
    adopted = Shard(tmp_path / "results/zoo/guidance" / tar.name)
    assert (len(adopted), adopted.record.options) == (0, old.options)
    assert len(Shard(tmp_path / "results/zoo/flow" / tar.name)) > 0
    assert pipeline(tmp_path, "verify", "--full", "results/zoo").returncode == 0


def test_no_byte_of_a_frame_and_no_place_on_the_machine_is_in_it(lab: Path):
    everything = content(lab / "shared")
    together = b"\n".join(everything.values())
    assert not [name for name in everything if name.endswith((".jpg", ".mp4"))]
    assert b"\xff\xd8\xff" not in together, "the first bytes of every JPEG"
    with Shard(lab / "results/zoo/frames/000000.tar") as frames:
        for key in frames:
            jpeg = frames[key].encoded["jpg"]
            assert jpeg[len(jpeg) // 2 :][:64] not in together
            decoded = frames[key]["jpg"]
            assert decoded[10].tobytes() not in together
    assert bytes(lab) not in together
    assert b"clips" not in together


def test_the_recipe_names_every_frame_with_its_fingerprints(lab: Path):
    rows = pq.read_table(lab / "shared/recipe.parquet").to_pylist()
    assert [row["key"] for row in rows] == [f"{video}-{frame:06d}" for video in VIDEOS for frame in range(0, 10, 2)]
    assert all(len(row["jpg_sha256"]) == len(row["pixels_sha256"]) == 64 for row in rows)
    assert len({row["perceptual"] for row in rows}) > 10
    told = json.loads((lab / "shared/share.json").read_text())["frames"]
    assert {name: told["options"][name] for name in FRAMES} == FRAMES
    assert pq.read_table(lab / "shared/catalog.parquet")["license"].to_pylist() == ["CC-BY-4.0"] * 3


def test_the_same_videos_give_the_same_shards_byte_for_byte(lab: Path, shared: Path, tmp_path: Path):
    mine = shutil.copytree(lab / "clips", tmp_path / "deep/in/my/videos")
    done = adopt(shared, f"{tmp_path}/deep/**/*.mp4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "of 15 frames, 15 are exactly the recipe's\n" in done.stdout
    assert "adopted 2 shards (000000, 000001); views: cmp" in done.stdout
    dataset = tmp_path / "results/zoo"
    assert pipeline(tmp_path, "verify", "--full", dataset).returncode == 0
    for part in ("frames", "flow", "guidance", "shards/cmp"):
        for shard in ("000000", "000001"):
            theirs = lab / "results/zoo" / part / f"{shard}.tar"
            assert (dataset / part / f"{shard}.tar").read_bytes() == theirs.read_bytes()
    assert mine.exists()
    assert pipeline(tmp_path, "adopt", shared, "--dataset", "zoo", "--videos", mine).returncode == 0, "again"


def test_copies_that_were_encoded_again_are_alike(shared: Path, tmp_path: Path):
    done = adopt(shared, clips(tmp_path / "mine", crf="32"))
    assert "of 15 frames, 15 look the same\n" in done.stdout
    assert pipeline(tmp_path, "verify", "--full", "results/zoo").returncode == 0
    view = ShardDataset(tmp_path / "results/zoo/shards/cmp")
    assert len(view) == 12
    assert view[0]["flow"].shape[1:] == view[0]["image"].shape[1:]


def test_other_pictures_and_missing_videos_are_rows_with_a_reason(lab: Path, shared: Path, tmp_path: Path):
    mine = shutil.copytree(lab / "clips", tmp_path / "mine")
    write_clip(mine / "ape.mp4", 10, draw=drawn(7))
    write_clip(mine / "bee.mp4", 5, draw=drawn(1))
    (mine / "cat.mp4").unlink()
    done = adopt(shared, mine)
    assert done.returncode == 0
    assert "of 15 frames, 3 " in done.stdout
    assert ", 5 are different and left out, 7 are not to be had; videos that are not here: 1\n" in done.stdout
    dataset = tmp_path / "results/zoo"
    assert pipeline(tmp_path, "verify", "--full", dataset).returncode == 0
    first, second = (Record.read(dataset / f"frames/00000{shard}.json") for shard in (0, 1))
    reasons = {row["key"]: row["reason"] for row in (*first.failures, *second.failures)}
    assert reasons["ape-000000"].startswith("not the recipe's frame: its perceptual hash differs in ")
    assert reasons["bee-000008"] == "no such frame"
    assert reasons["cat"] == "no copy of this video is here"
    assert first.keys == ["bee-000000", "bee-000002", "bee-000004"]
    view = ShardDataset(dataset / "shards/cmp")
    assert view.keys.to_pylist() == ["bee-000000", "bee-000002", "bee-000004"]
    with Shard(dataset / "frames/000000.tar") as frames:
        assert [frames[key]["json"]["next"] for key in frames] == [2, 4, None], "the next frame is not here"


def test_where_no_frame_is_the_recipes_nothing_is_adopted(shared: Path, tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    write_clip(mine / "ape.mp4", 10, draw=drawn(7))
    done = adopt(shared, mine)
    assert "none of its 15 frames is in these videos: nothing was adopted" in done.stderr
    assert not (tmp_path / "results").exists()


def test_videos_have_to_be_named_and_told_apart(lab: Path, shared: Path, tmp_path: Path):
    asked = pipeline(tmp_path, "adopt", shared, "--dataset", "zoo")
    assert "say where your copies of its 3 videos are with --videos" in asked.stderr
    for name in ("one", "two"):
        shutil.copytree(lab / "clips", tmp_path / "mine" / name)
    assert "could both be ape: name one of them" in adopt(shared, tmp_path / "mine").stderr
    assert "matches no file" in adopt(shared, f"{tmp_path}/none/*.mp4").stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["flow/000001.tar", "guidance/000000.json", "recipe.parquet", "share.json"])
def test_damage_is_named_and_leaves_nothing(lab: Path, shared: Path, tmp_path: Path, name: str):
    flip(shared / name, 40)
    done = adopt(shared, lab / "clips")
    assert done.returncode == 1
    assert name in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_part_of_the_shards_is_enough(lab: Path, shared: Path, tmp_path: Path):
    (shared / "guidance/000000.tar").unlink()
    done = adopt(shared, lab / "clips")
    assert "adopted 1 shard (000001)" in done.stdout
    assert "left out: 1 shard (000000)" in done.stdout
    assert pipeline(tmp_path, "verify", "--full", "results/zoo").returncode == 0
    assert {key.split("-")[0] for key in ShardDataset(tmp_path / "results/zoo/shards/cmp").keys.to_pylist()} == {"cat"}


def test_synthetic_videos_are_rendered_again_unless_they_are_absurd(tmp_path: Path):
    source = json.dumps({"kind": "synthetic", "videos": 2, "frames": 3, "height": 48, "width": 64})
    pipeline(tmp_path, "catalog", "results/made", "--source", source)
    made = tmp_path / "results/made"
    pipeline(tmp_path, "frames", made / "plan.json", "--to", made / "frames/000000.tar")
    pipeline(tmp_path, "flow", made / "frames/000000.tar", "--to", made / "flow/000000.tar")
    assert pipeline(tmp_path, "share", made / "flow", "--to", tmp_path / "shared").returncode == 0
    assert "6 are exactly the recipe's" in pipeline(tmp_path, "adopt", "shared", "--dataset", "again").stdout
    assert (tmp_path / "results/again/frames/000000.tar").read_bytes() == (made / "frames/000000.tar").read_bytes()
    first, second = read_catalog(made / "catalog.parquet")
    assert own_copies([replace(first, uri=first.uri.replace("64", "6400000")), second], None) == [
        replace(first, kind="adopted", uri=""),
        second,
    ]


@pytest.mark.parametrize("part", ["../flow", "/tmp", "", "cmp"])
def test_a_part_that_is_no_column_is_refused(lab: Path, shared: Path, tmp_path: Path, part: str):
    told = json.loads((shared / "share.json").read_text())
    (shared / "share.json").write_text(json.dumps(told | {"parts": ["flow", part]}))
    assert "share.json: names " in adopt(shared, lab / "clips").stderr or part == "cmp"
    assert adopt(shared, lab / "clips").returncode == 1
    assert not (tmp_path / "results").exists()


def test_fewer_columns_do_not_replace_more(lab: Path, shared: Path, tmp_path: Path):
    assert adopt(shared, lab / "clips").returncode == 0
    before = content(tmp_path / "results")
    assert pipeline(lab, "share", "results/zoo/flow", "--to", tmp_path / "flow").returncode == 0
    done = adopt(tmp_path / "flow", lab / "clips")
    assert "results/zoo: was adopted with flow, guidance, and not flow: give another name" in done.stderr
    assert content(tmp_path / "results") == before
