"""LIP and CIHP as they lie on disk, as folders and as zips."""

import shutil
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest

from common_fate.errors import UserError
from trainers.evaluations.segmentation.data import MaskedImages
from trainers.evaluations.segmentation.masks import read_mask
from trainers.evaluations.segmentation.options import CIHP_CLASSES, LIP_CLASSES, SegmentationData, SegmentationOptions
from trainers.evaluations.segmentation.pairs import check, check_pair, list_pairs

HALVES = {
    "lip": (
        ("TrainVal_images/train_images", "TrainVal_parsing_annotations/train_segmentations"),
        ("TrainVal_images/val_images", "TrainVal_parsing_annotations/val_segmentations"),
    ),
    "cihp": (("Training/Images", "Training/Category_ids"), ("Validation/Images", "Validation/Category_ids")),
}
LISTS = {"lip": "TrainVal_images/{}_id.txt", "cihp": "{}_id.txt"}


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)


def made(root: Path, kind: str) -> SegmentationData:
    """Three images to train on and two to validate on, of noise, with a label a column."""
    rng = np.random.default_rng(0)
    for count, (images, masks) in zip((3, 2), HALVES[kind], strict=True):
        for number in range(count):
            write(root / images / f"{number}_1.jpg", rng.integers(0, 256, (24, 20, 3), np.uint8))
            write(root / masks / f"{number}_1.png", np.broadcast_to(np.arange(20, dtype=np.uint8), (24, 20)))
    for side, count in (("train", 3), ("val", 2)):
        (root / LISTS[kind].format(side)).write_text("".join(f"{number}_1\n" for number in range(count)))
    return SegmentationData(kind=kind, path=str(root))


def zipped(root: Path, to: Path, names: tuple[str, ...], twice: bool = False) -> None:
    to.mkdir()
    for name in names:
        with zipfile.ZipFile(to / f"{name}.zip", "w") as archive:
            for path in sorted((root / name).rglob("*.*")):
                inside = path.relative_to(root)
                archive.write(path, f"{name}/{inside}" if twice else str(inside))
            archive.writestr(f"__MACOSX/{name}/._0_1.jpg", b"")


def keys(data: SegmentationData) -> list[list[str]]:
    return [[pair.key for pair in side] for side in list_pairs(data)]


@pytest.mark.parametrize("kind", ["lip", "cihp"])
def test_each_half_has_its_folder_and_its_list(tmp_path: Path, kind: str):
    data = made(tmp_path, kind)
    assert keys(data) == [["0_1", "1_1", "2_1"], ["0_1", "1_1"]]
    check(SegmentationOptions(data))
    train, validation = list_pairs(data)
    assert train[1].image == tmp_path / HALVES[kind][0][0] / "1_1.jpg"
    assert validation[1].mask == tmp_path / HALVES[kind][1][1] / "1_1.png"
    listed = tmp_path / LISTS[kind].format("train")
    listed.write_text("2_1\n../../0_1.jpg\n")
    assert keys(data)[0] == ["0_1", "2_1"], "a list chooses, and no path comes from it"
    listed.unlink()
    assert keys(data)[0] == ["0_1", "1_1", "2_1"]


@pytest.mark.parametrize("twice", [False, True])
def test_zips_are_read_as_they_come(tmp_path: Path, twice: bool):
    folder = made(tmp_path / "a", "lip")
    zipped(tmp_path / "a", tmp_path / "b", ("TrainVal_images", "TrainVal_parsing_annotations"), twice)
    packed = SegmentationData(kind="lip", path=str(tmp_path / "b"))
    check(SegmentationOptions(packed))
    assert keys(packed) == keys(folder)
    for mine, theirs in zip(list_pairs(packed)[0], list_pairs(folder)[0], strict=True):
        np.testing.assert_array_equal(check_pair(mine, packed), check_pair(theirs, folder))
    ours, theirs = (MaskedImages(list_pairs(data)[1], data)[1] for data in (packed, folder))
    assert (ours["image"] == theirs["image"]).all()
    if not twice:  # some unpack the one and not the other
        shutil.copytree(tmp_path / "a/TrainVal_images", tmp_path / "b/TrainVal_images")
        (tmp_path / "b/TrainVal_images.zip").unlink()
        assert keys(packed) == keys(folder)


def test_workers_that_share_an_archive_read_their_own_files(tmp_path: Path):
    made(tmp_path / "a", "lip")
    zipped(tmp_path / "a", tmp_path / "b", ("TrainVal_images", "TrainVal_parsing_annotations"))
    data = SegmentationData(kind="lip", path=str(tmp_path / "b"))
    images = MaskedImages(list_pairs(data)[0], data)
    expected = [float(images[index]["image"].sum()) for index in range(3)]  # opens the zips before the workers start
    with ProcessPoolExecutor(3, get_context("fork")) as pool:
        for worker in [pool.submit(sums, images) for _ in range(6)]:
            assert worker.result() == expected


def sums(images: MaskedImages) -> list[float]:
    for _ in range(20):
        found = [float(images[index]["image"].sum()) for index in range(3)]
    return found


def test_classes_are_those_of_the_data_sets():
    assert (len(LIP_CLASSES), len(CIHP_CLASSES)) == (20, 20)
    assert [LIP_CLASSES[label] for label in (0, 13, 14, 15, 19)] == [
        *("background", "face", "left arm", "right arm", "right shoe")
    ]
    assert [one for one in zip(LIP_CLASSES, CIHP_CLASSES, strict=True) if one[0] != one[1]] == [
        ("jumpsuits", "torso skin")
    ]
    options = SegmentationOptions(SegmentationData(kind="cihp", path="x"))
    assert options.swapped == ((14, 15), (16, 17), (18, 19))


def test_what_is_missing_or_wrong_is_named(tmp_path: Path):
    data = made(tmp_path, "lip")
    masks = tmp_path / HALVES["lip"][0][1]
    write(masks / "1_1.png", np.full((24, 20), 20, np.uint8))
    with pytest.raises(UserError, match=r"^data: .*1_1\.png: label 20 is unknown \(classes are 0 to 19"):
        check(SegmentationOptions(data))
    (masks / "1_1.png").unlink()
    with pytest.raises(UserError, match=r"^data\.path: train_images/1_1\.jpg has no mask train_seg.*/1_1\.png:"):
        list_pairs(data)
    (tmp_path / "TrainVal_images/val_id.txt").write_text("0_1\n7_1\n")
    write(masks / "1_1.png", np.zeros((24, 20), np.uint8))
    with pytest.raises(UserError, match=r"^data\.path: val_id\.txt names '7_1', which is not in val_images"):
        list_pairs(data)
    shutil.rmtree(tmp_path / "TrainVal_parsing_annotations")
    with pytest.raises(UserError, match=r"^data\.path: there is no file in train_segmentations of .*: is this LIP as"):
        list_pairs(data)
    (tmp_path / "TrainVal_parsing_annotations.tar.gz").touch()
    with pytest.raises(UserError, match=r": unpack .*TrainVal_parsing_annotations\.tar\.gz"):
        list_pairs(data)
    (tmp_path / "TrainVal_parsing_annotations.zip").write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"^data\.path: .*annotations\.zip: cut short, damaged, or no \.zip"):
        list_pairs(data)


def test_a_damaged_member_is_named(tmp_path: Path):
    made(tmp_path / "a", "lip")
    (tmp_path / "a" / HALVES["lip"][0][1] / "1_1.png").write_bytes(b"nonsense")
    zipped(tmp_path / "a", tmp_path / "b", ("TrainVal_images", "TrainVal_parsing_annotations"))
    data = SegmentationData(kind="lip", path=str(tmp_path / "b"))
    with pytest.raises(UserError, match=r"train_segmentations/1_1\.png of .*annotations\.zip: not a mask in PNG"):
        read_mask(list_pairs(data)[0][1].mask, data)
