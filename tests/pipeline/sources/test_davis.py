"""DAVIS, from its zips and unpacked; and zips and tars that are damaged or not to be trusted."""

import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from common_fate.datasets.catalog import Video
from common_fate.datasets.show import show
from common_fate.errors import SampleError, UserError
from pipeline.columns import masks
from pipeline.columns.frames import stage as frames
from pipeline.columns.frames.stage import FramesOptions
from pipeline.columns.masks import MasksOptions
from pipeline.sources import SOURCES
from pipeline.sources.archives import Tree
from pipeline.sources.ids import video_id
from pipeline.sources.source import Frame, Unreadable
from tests.support.workspace import Workspace

WHERE = "config.yaml: datasets.x.source"
DAVIS = SOURCES["davis"]
HEIGHT, WIDTH = 48, 80


def image(number: int, kind: str = "JPEG", size: tuple[int, int] = (HEIGHT, WIDTH)) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
    return saved(Image.fromarray(cv2.GaussianBlur(pixels, (9, 9), 3)), kind)


def saved(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def labels(number: int) -> np.ndarray:
    """Two objects, one of which moves, and void."""
    made = np.zeros((HEIGHT, WIDTH), np.uint8)
    made[8:24, 8 + number : 24 + number] = 1
    made[30:40, 50:70] = 2
    made[:, -3:] = 255
    return made


def palette(made: np.ndarray) -> bytes:
    picture = Image.fromarray(made, "P")
    picture.putpalette([n * k % 256 for n in range(256) for k in (3, 5, 7)])
    return saved(picture, "PNG")


def davis2017(sequences: Mapping[str, int], lists: Mapping[str, str]) -> dict[str, bytes]:
    """The files of DAVIS-2017-trainval-480p.zip, made small: frames and masks of so many frames."""
    files = {f"DAVIS/ImageSets/2017/{name}.txt": text.encode() for name, text in lists.items()}
    for name, count in sequences.items():
        for number in range(count):
            files[f"DAVIS/JPEGImages/480p/{name}/{number:05d}.jpg"] = image(number)
            files[f"DAVIS/Annotations/480p/{name}/{number:05d}.png"] = palette(labels(number))
    return files


def unpacked(files: Mapping[str, bytes], to: Path) -> Path:
    for name, data in files.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes(data)
    return to


def zipped(files: Mapping[str, bytes], to: Path) -> Path:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return to


def listed(path: object, **options: object) -> list[Video]:
    return DAVIS.videos(DAVIS.options(path=str(path) if isinstance(path, Path) else path, **options), WHERE)


@pytest.fixture
def two(tmp_path: Path) -> dict[str, bytes]:
    return davis2017({"bear": 3, "car-turn": 2}, {"train": "bear\n", "val": "car-turn\n"})


def test_a_zip_and_the_unpacked_folder_give_the_same_videos(two: dict[str, bytes], tmp_path: Path):
    path = zipped(two, tmp_path / "DAVIS-2017-trainval-480p.zip")
    folder = unpacked(two, tmp_path / "unpacked")
    os.utime(folder / "DAVIS/ImageSets/2017/val.txt", (0, 0))  # as from an archive without dates
    options = {"split": "trainval"}
    kinds = [listed(path, **options), listed(folder, **options), listed(folder / "DAVIS", **options)]
    assert len({tuple((video.video, video.bytes) for video in videos) for videos in kinds}) == 1
    assert [video.video for video in kinds[0]] == ["bear", video_id("car-turn", folder=True)]
    made = []
    for videos in kinds:
        items = ((video.video, {"video": video}) for video in videos)
        stored = dict(frames.STAGE.run(items, FramesOptions(shorter_side=24)))
        by_id = {video.video: video for video in videos}
        joined = ((key, s | {"video": by_id[s["json"]["video"]]}) for key, s in stored.items())
        found = dict(masks.STAGE.run(joined, MasksOptions()))
        assert list(found) == list(stored)  # every frame has its mask, and not the first of pairs alone
        made.append(({key: s["jpg"] for key, s in stored.items()}, found))
    assert made[0][0] == made[1][0] == made[2][0]
    mask = made[0][1]["bear-000002"]["objects.png"]
    np.testing.assert_array_equal(
        mask, labels(2)[1::2, 1::2]
    )  # the palette's ids, void among them, and nothing between
    for _, found in made[1:]:
        assert all((found[key]["objects.png"] == s["objects.png"]).all() for key, s in made[0][1].items())


@pytest.mark.slow
def test_the_workflow_makes_masks_of_a_zip(two: dict[str, bytes], tmp_path: Path):
    zipped(two, tmp_path / "davis.zip")
    workspace = Workspace(tmp_path)
    workspace.configure({"davis": {"source": {"kind": "davis", "path": "davis.zip"}, "views": []}})
    assert workspace.make("masks") == {"frames_shard": 1, "masks_shard": 1, "masks": 1}
    sheet = show(tmp_path / "results/davis/masks", 2)
    assert sheet.shape[1] > 2 * WIDTH  # the frame and its objects, side by side


def test_the_zips_of_a_year_are_one_tree(two: dict[str, bytes], tmp_path: Path):
    test = davis2017({"aerobatics": 2}, {"test-dev": "aerobatics\n"})
    del test["DAVIS/Annotations/480p/aerobatics/00001.png"]  # only the first frame's is public
    paths = [str(zipped(two, tmp_path / "trainval.zip")), str(zipped(test, tmp_path / "test-dev.zip"))]
    [video] = listed(paths, split="test-dev")
    assert list(DAVIS.numbers(video)) == [0, 1]
    assert DAVIS.masks(video, 0) is not None
    assert DAVIS.masks(video, 1) is None
    assert {v.video for v in listed(paths, split="all")} == {"aerobatics", "bear", video_id("car-turn", folder=True)}


def test_the_lists_of_2016_name_frames_and_its_masks_have_one_object(tmp_path: Path):
    names = [(f"/JPEGImages/480p/bear/{n:05d}.jpg", f"/Annotations/480p/bear/{n:05d}.png") for n in range(2)]
    files = {f"DAVIS{frame}": image(n) for n, (frame, _) in enumerate(names)}
    files |= {
        f"DAVIS{mask}": saved(Image.fromarray((labels(0) == 1).astype(np.uint8) * 255), "PNG") for _, mask in names
    }
    files["DAVIS/ImageSets/480p/train.txt"] = "".join(f"{frame} {mask} \n" for frame, mask in names).encode()
    [video] = listed(zipped(files, tmp_path / "DAVIS-data.zip"), year=2016)
    assert video.video == "bear"
    np.testing.assert_array_equal(DAVIS.masks(video, 1), labels(0) == 1)


def test_masks_of_2016_are_recognised_under_another_year(tmp_path: Path):
    """Their 255 is the object, which in those of 2017 is void."""
    files = davis2017({"bear": 2}, {"train": "bear\n"})
    for number, mask in enumerate(((labels(0) == 1), np.zeros((HEIGHT, WIDTH), bool))):
        name = f"DAVIS/Annotations/480p/bear/{number:05d}.png"
        assert name in files
        files[name] = saved(Image.fromarray(mask.astype(np.uint8) * 255), "PNG")
    [video] = listed(zipped(files, tmp_path / "a.zip"), year=2017)
    np.testing.assert_array_equal(DAVIS.masks(video, 0), labels(0) == 1)
    assert not DAVIS.masks(video, 1).any()


def test_2016_within_2017_merges_the_objects_and_keeps_void(two: dict[str, bytes], tmp_path: Path):
    files = two | {"DAVIS/ImageSets/2016/train.txt": b"bear\n"}
    [video] = listed(zipped(files, tmp_path / "a.zip"), year=2016)
    found = DAVIS.masks(video, 0)
    np.testing.assert_array_equal(found == 1, np.isin(labels(0), (1, 2)))
    np.testing.assert_array_equal(found == 255, labels(0) == 255)


def test_what_cannot_be_read_is_told_frame_by_frame(two: dict[str, bytes], tmp_path: Path):
    files = two | {
        "DAVIS/JPEGImages/480p/bear/00001.jpg": b"torn",
        "DAVIS/Annotations/480p/bear/00000.png": palette(labels(0)[:9]),
        "DAVIS/Annotations/480p/bear/00002.png": image(0, "PNG"),
    }
    [video] = listed(zipped(files, tmp_path / "a.zip"))
    whole, torn, _, absent = DAVIS.read(video, [0, 1, 2, 3])
    assert isinstance(whole, Frame)
    assert torn == Unreadable(1, "not an image of a known format")
    assert absent == Unreadable(3, "no such frame")
    with pytest.raises(SampleError, match=r"^a mask of 80x9 beside a frame of 80x48$"):
        DAVIS.masks(video, 0)
    with pytest.raises(SampleError, match=r"^a mask of mode RGB"):
        DAVIS.masks(video, 2)


def test_a_changed_frame_or_mask_changes_the_video(two: dict[str, bytes], tmp_path: Path):
    folder = unpacked(two, tmp_path / "a")
    [before] = listed(folder)
    assert DAVIS.state(before)[0] == before.bytes
    with (folder / "DAVIS/Annotations/480p/bear/00001.png").open("ab") as file:
        file.write(b"more")
    [after] = listed(folder)
    assert after.bytes == before.bytes + 4 == DAVIS.state(before)[0]
    archive = zipped(two, tmp_path / "a.zip")
    [video] = listed(archive)
    state = DAVIS.state(video)
    assert state[0] == before.bytes
    archive.unlink()
    assert DAVIS.state(video) == (0, 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"split": "val"}, r"ImageSets/2017/val.txt names 'dog' \(and 1 more\), which is not in JPEGImages/480p"),
        ({"split": "test-dev"}, r"source\.split: no ImageSets/2017/test-dev.txt in '.*': is this DAVIS as unpacked"),
        ({"resolution": "1080p"}, r"source\.path: no JPEGImages/1080p in '.*': is this DAVIS as unpacked"),
    ],
)
def test_what_is_missing_is_told_by_its_name(options: dict[str, str], told: str, tmp_path: Path):
    path = zipped(davis2017({"bear": 1}, {"train": "bear\n", "val": "dog\n../../bear\n"}), tmp_path / "a.zip")
    with pytest.raises(UserError, match=told):
        listed(path, **options)


def test_a_wrong_path_is_told(tmp_path: Path):
    (tmp_path / "a.tgz").write_bytes(b"")
    with pytest.raises(UserError, match="there is no such folder or archive"):
        listed(tmp_path / "no")
    with pytest.raises(UserError, match=r"a\.tgz: no folder, \.zip or plain \.tar: unpack it"):
        listed(tmp_path / "a.tgz")


# Zips that are not to be trusted


@pytest.mark.parametrize(
    "name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "a\\..\\x.jpg", "a//x.jpg", "a/\x1b[2Jx.jpg"]
)
def test_a_name_that_leads_elsewhere_is_refused(two: dict[str, bytes], tmp_path: Path, name: str):
    path = zipped(two | {name: image(0)}, tmp_path / "a.zip")
    with pytest.raises(UserError, match="which is no plain name: not an archive to trust") as told:
        listed(path)
    assert str(told.value).isprintable()


def test_a_name_twice_is_refused(two: dict[str, bytes], tmp_path: Path):
    path = zipped(two, tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("DAVIS/JPEGImages/480p/bear/00000.jpg", b"another")
    with pytest.raises(UserError, match=r"a\.zip: holds 'DAVIS/.*/00000\.jpg' twice"):
        listed(path)


def test_an_encrypted_zip_is_refused(two: dict[str, bytes], tmp_path: Path):
    path = zipped(two, tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1  # the flags of the first member
    path.write_bytes(data)
    with pytest.raises(UserError, match="is encrypted: unpack it"):
        listed(path)


@pytest.mark.parametrize("left", [0, 10, 0.5, 0.99])
def test_a_zip_cut_short_is_refused(two: dict[str, bytes], tmp_path: Path, left: float):
    data = zipped(two, tmp_path / "a.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(data[: left if left >= 1 else int(left * len(data))])
    with pytest.raises(UserError, match=r"b\.zip: cut short, damaged, or no \.zip .*: fetch it again$"):
        listed(tmp_path / "b.zip")


def test_a_bomb_costs_one_frame_and_no_memory(two: dict[str, bytes], tmp_path: Path):
    files = two | {"DAVIS/JPEGImages/480p/bear/00001.jpg": bytes(2**26)}
    path = zipped(files, tmp_path / "a.zip")
    assert path.stat().st_size < 2**18
    [video] = listed(path)
    _, bomb, whole = DAVIS.read(video, [0, 1, 2])
    assert isinstance(bomb, Unreadable)
    assert bomb.reason == "claims to unpack to far more bytes than a frame has"
    assert isinstance(whole, Frame)


def test_damage_within_a_zip_costs_the_frame_it_is_in(two: dict[str, bytes], tmp_path: Path):
    path = zipped(two, tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("DAVIS/JPEGImages/480p/bear/00001.jpg")
    data[info.header_offset + 200] ^= 0xFF
    second = data.index(b"DAVIS/JPEGImages/480p/bear/00002.jpg")
    data[second] ^= 0xFF  # its own header calls it something else
    path.write_bytes(data)
    [video] = listed(path)
    whole, *damaged = DAVIS.read(video, [0, 1, 2])
    assert isinstance(whole, Frame)
    assert damaged == [Unreadable(1, "damaged in its archive"), Unreadable(2, "damaged in its archive")]


def test_a_size_that_is_a_lie_is_damage(two: dict[str, bytes], tmp_path: Path):
    path = zipped(two, tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    while data[entry + 46 :].find(b"DAVIS/JPEGImages/480p/bear/00000.jpg") != 0:
        entry = data.index(b"PK\1\2", entry + 4)
    data[entry + 24 : entry + 28] = struct.pack("<I", 100)  # its size unpacked
    path.write_bytes(data)
    [video] = listed(path)
    [frame] = DAVIS.read(video, [0])
    assert frame == Unreadable(0, "damaged in its archive")


# Tars


def tarred(files: Mapping[str, bytes], to: Path) -> Path:
    with tarfile.open(to, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return to


def test_a_plain_tar_is_read_in_place(two: dict[str, bytes], tmp_path: Path):
    tree = Tree(((str(tarred({f"./{name}": data for name, data in two.items()}, tmp_path / "a.tar")), "DAVIS"),))
    assert tree.folders("JPEGImages/480p") == ["bear", "car-turn"]
    for name, data in two.items():
        assert tree.read(name.removeprefix("DAVIS/")) == data
    assert tree.read("JPEGImages/480p/bear/7.jpg") is None


@pytest.mark.parametrize("damage", ["cut", "header", "no end"])
def test_a_damaged_tar_is_refused(two: dict[str, bytes], tmp_path: Path, damage: str):
    data = bytearray(tarred(two, tmp_path / "a.tar").read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "header":
        data[data.index(b"DAVIS/JPEGImages/480p/bear/00001.jpg")] ^= 1
    else:
        del data[len(data.rstrip(b"\0")) :]
    (tmp_path / "b.tar").write_bytes(data)
    with pytest.raises(UserError, match=r"b\.tar: cut short, damaged, or no \.tar"):
        listed(tmp_path / "b.tar")


def test_davis_as_it_comes(shared_data: Path, tmp_path: Path):
    """Two real sequences, from a zip of the layout of DAVIS-data.zip and from the folder."""
    source = shared_data / "davis2016"
    with zipfile.ZipFile(tmp_path / "DAVIS-data.zip", "w") as archive:
        for name in ("blackswan", "dog"):
            for file in sorted(source.glob(f"*/480p/{name}/0000*")):
                archive.write(file, f"DAVIS/{file.relative_to(source)}")
    zipped_videos = listed(tmp_path / "DAVIS-data.zip", year=2016, split="all")
    assert [video.video for video in zipped_videos] == ["blackswan", "dog"]
    whole = {video.video: video for video in listed(source, year=2016, split="all")}
    for video in zipped_videos:
        [ours], [theirs] = DAVIS.read(video, [7]), DAVIS.read(whole[video.video], [7])
        np.testing.assert_array_equal(ours.image, theirs.image)
        mask = cv2.imread(str(source / f"Annotations/480p/{video.video}/00007.png"), cv2.IMREAD_GRAYSCALE)
        np.testing.assert_array_equal(DAVIS.masks(video, 7), mask > 127)
