import cv2
import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from common_fate.errors import UserError
from trainers.data.transforms import Joint
from trainers.engine.options import TransformOptions, build
from trainers.evaluations.segmentation.data import MaskedImages
from trainers.evaluations.segmentation.masks import read_mask
from trainers.evaluations.segmentation.options import SegmentationData, SegmentationOptions
from trainers.evaluations.segmentation.pairs import check, check_pair, check_pairs, list_pairs

CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)


def write_image(path):
    write(path, np.full((6, 8, 3), 128, np.uint8))


def write_mask(path, label=0, size=(6, 8)):
    write(path, np.full(size, label, np.uint8))


def write_list(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def check_all(data):
    return check_pairs(dict(zip(("train", "validate"), list_pairs(data), strict=True)), data)


def keys(pairs):
    return [pair.key for pair in pairs]


@pytest.fixture
def voc(tmp_path):
    """`t1 t2` train, `v1 v2` validate."""
    root = tmp_path / "VOC2012"
    for name in ("t1", "t2", "v1", "v2"):
        write_image(root / "JPEGImages" / f"{name}.jpg")
        write_mask(root / "SegmentationClass" / f"{name}.png")
    write_list(root / "ImageSets/Segmentation/train.txt", "t1", "t2")
    write_list(root / "ImageSets/Segmentation/val.txt", "v2", "v1")
    return root


@pytest.fixture
def sbd(tmp_path):
    """`t2 v1 s1 s2`: one that VOC trains on, one that it validates on, and two more."""
    root = tmp_path / "sbd"
    for name in ("t2", "v1", "s1", "s2"):
        write_image(root / "img" / f"{name}.jpg")
        (root / "cls").mkdir(exist_ok=True)
        labels = np.full((6, 8), 15, np.uint8)
        scipy.io.savemat(root / "cls" / f"{name}.mat", {"GTcls": {"Segmentation": labels}})
    write_list(root / "train.txt", "s2", "t2", "v1")
    return root


@pytest.fixture
def folder(tmp_path):
    for i in range(40):
        write_image(tmp_path / "images" / f"{i:02d}.jpg")
        write_mask(tmp_path / "masks" / f"{i:02d}.png", i % 2)
    return {
        "kind": "folder",
        "images": str(tmp_path / "images"),
        "masks": str(tmp_path / "masks"),
        "classes": ["a", "b"],
    }


def test_voc_by_its_lists(voc):
    train, validation = list_pairs(SegmentationData(path=str(voc)))
    assert (keys(train), keys(validation)) == (["t1", "t2"], ["v1", "v2"])
    assert train[0].image == voc / "JPEGImages/t1.jpg"
    assert train[0].mask == voc / "SegmentationClass/t1.png"


def test_sbd_adds_all_but_what_validates(voc, sbd):
    data = SegmentationData(path=str(voc), sbd=str(sbd))
    train, validation = list_pairs(data)
    assert (keys(train), keys(validation)) == (["s1", "s2", "t1", "t2"], ["v1", "v2"])
    assert train[0].mask == sbd / "cls/s1.mat"
    assert train[3].mask == voc / "SegmentationClass/t2.png"  # VOC's own masks are the finer ones
    assert MaskedImages(train, data)[0]["labels"].unique().tolist() == [15]
    listed = SegmentationData(path=str(voc), sbd=str(sbd), sbd_list="train.txt")
    assert keys(list_pairs(listed)[0]) == ["s2", "t1", "t2"]


def test_a_ready_made_trainaug(voc):
    for name in ("t1", "s1", "v1"):
        write_mask(voc / "SegmentationClassAug" / f"{name}.png", 3)
    write_image(voc / "JPEGImages/s1.jpg")
    lines = [f"/JPEGImages/{name}.jpg /SegmentationClassAug/{name}.png" for name in ("t1", "s1", "v1")]
    write_list(voc / "ImageSets/Segmentation/trainaug.txt", *lines)
    data = SegmentationData(path=str(voc), train_list="trainaug", train_masks="SegmentationClassAug")
    train, validation = list_pairs(data)
    assert (keys(train), keys(validation)) == (["s1", "t1"], ["v1", "v2"])
    assert train[1].mask == voc / "SegmentationClassAug/t1.png"
    assert validation[0].mask == voc / "SegmentationClass/v1.png"


def test_no_path_comes_from_a_list(voc):
    write_list(voc / "ImageSets/Segmentation/train.txt", "../../../t1")
    assert list_pairs(SegmentationData(path=str(voc)))[0][0].image == voc / "JPEGImages/t1.jpg"


def test_what_voc_lacks_is_named(voc, tmp_path):
    (voc / "SegmentationClass/t2.png").unlink()
    with pytest.raises(UserError, match=r"^data\.train_masks: .*t2\.png: is in the list and not on disk"):
        list_pairs(SegmentationData(path=str(voc)))
    with pytest.raises(UserError, match=r"^data\.train_list: .*aug\.txt: this list of images cannot be read"):
        list_pairs(SegmentationData(path=str(voc), train_list="aug"))
    write_list(voc / "ImageSets/Segmentation/train.txt", "v1")
    with pytest.raises(UserError, match=r"^data\.train_list: there is no image to train on"):
        list_pairs(SegmentationData(path=str(voc)))
    with pytest.raises(UserError, match=r"^data\.sbd: there is no cls/\*.mat"):
        list_pairs(SegmentationData(path=str(voc), sbd=str(tmp_path)))


def test_a_share_of_a_folder_is_held_out_for_good(folder, tmp_path):
    data = build(SegmentationData, folder | {"hold_out": 0.3})
    train, validation = list_pairs(data)
    assert sorted(keys(train) + keys(validation)) == [f"{i:02d}" for i in range(40)]
    assert 4 <= len(validation) <= 20
    for i in range(40, 60):
        write_image(tmp_path / "images" / f"{i}.jpg")
        write_mask(tmp_path / "masks" / f"{i}.png")
    more = list_pairs(data)
    assert set(keys(train)) < set(keys(more[0]))
    assert set(keys(validation)) < set(keys(more[1]))


def test_a_list_or_a_folder_says_what_validates(folder, tmp_path):
    write_list(tmp_path / "val.txt", "03.jpg", "07")
    train, validation = list_pairs(build(SegmentationData, folder | {"validation_list": str(tmp_path / "val.txt")}))
    assert keys(validation) == ["03", "07"]
    assert len(train) == 38
    own = {"validation_images": folder["images"], "validation_masks": folder["masks"]}
    assert [len(side) for side in list_pairs(build(SegmentationData, folder | own))] == [40, 40]
    write_list(tmp_path / "val.txt", "99")
    with pytest.raises(UserError, match=r"^data\.validation_list: .*val\.txt: there is no image 99"):
        list_pairs(build(SegmentationData, folder | {"validation_list": str(tmp_path / "val.txt")}))


def test_a_list_is_read_as_windows_writes_it_and_leaves_both_sides_something(folder, tmp_path):
    data = build(SegmentationData, folder | {"validation_list": str(tmp_path / "val.txt")})
    (tmp_path / "val.txt").write_bytes("03.jpg\r\n07.jpg\r\n".encode("utf-16"))
    assert keys(list_pairs(data)[1]) == ["03", "07"]
    for lines, says in (([], "names no image: nothing is left to validate on"), (range(40), "left to train on")):
        write_list(tmp_path / "val.txt", *(f"{i:02d}" for i in lines))
        with pytest.raises(UserError, match=rf"^data\.validation_list: .*{says}"):
            list_pairs(data)


@pytest.mark.parametrize(("share", "says"), [(0.001, "held out: should be at least"), (0.999, "at most")])
def test_a_share_that_leaves_a_side_empty_names_one_that_does_not(folder, share, says):
    with pytest.raises(UserError, match=rf"^data\.hold_out is {share}: none of 40 images is .*{says}") as refused:
        list_pairs(build(SegmentationData, folder | {"hold_out": share}))
    right = float(str(refused.value).rpartition(" ")[2])
    assert all(list_pairs(build(SegmentationData, folder | {"hold_out": right})))


def test_what_a_folder_lacks_is_named(folder, tmp_path, caplog):
    data = build(SegmentationData, folder | {"hold_out": 0.3})
    write_image(tmp_path / "images/00.png")
    with pytest.raises(UserError, match=r"^data\.images .*: '00\.jpg' and '00\.png' differ in no more than the ext"):
        list_pairs(data)
    (tmp_path / "images/00.png").unlink()
    (tmp_path / "images/40.gif").touch()
    assert len(keys(list_pairs(data)[0])) < 40
    assert [text.partition(": ")[2] for text in caplog.messages] == ["left out, since such images are not read: 40.gif"]
    for name in ("05", "07"):
        (tmp_path / f"masks/{name}.png").unlink()
    with pytest.raises(UserError, match=r"^data\.masks: .*05\.jpg has no mask .*05\.png, and 1 more have none: add it"):
        list_pairs(data)
    with pytest.raises(UserError, match=r"^data\.masks 'nowhere': there is no such folder"):
        list_pairs(build(SegmentationData, folder | {"hold_out": 0.3, "masks": "nowhere"}))
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=r"^data\.images .*none': has no image that ends in \.jpg"):
        list_pairs(build(SegmentationData, folder | {"hold_out": 0.3, "images": str(tmp_path / "none")}))


def test_classes_that_no_mask_has_are_told(folder, tmp_path, caplog):
    data = build(SegmentationData, folder | {"classes": ["a", "b", "c", "d"], "hold_out": 0.3})
    assert check_all(data) == ["c", "d"]
    assert caplog.messages == ["data: no mask to train on has c or d, which so is not learnt"]
    write_mask(tmp_path / f"masks/{keys(list_pairs(data)[1])[0]}.png", 2)
    assert check_all(data) == ["c", "d"], "what is only in masks that validate is not learnt"
    write_mask(tmp_path / f"masks/{keys(list_pairs(data)[0])[0]}.png", 2)
    assert check_all(data) == ["d"]


@pytest.mark.parametrize(
    ("labels", "ignore", "says"),
    [
        ((0, 0), [255], "have no class but a, so there is nothing to tell apart: are these the right masks?"),
        (
            (1, 255),
            [255],
            "have no class but b, .* pixels are 255, which is ignored: store what is a as 0",
        ),
        ((0, 9), [9, 8], "have no class but a, .*: their other pixels are 9 or 8, which is ignored"),
        ((255, 255), [255], "all pixels are ignored: check data.ignore"),
    ],
)
@pytest.mark.parametrize("side", [0, 1])
def test_masks_of_one_class_are_refused_on_either_side(folder, tmp_path, labels, ignore, says, side):
    data = build(SegmentationData, folder | {"hold_out": 0.5, "ignore": ignore})
    for number, pair in enumerate(list_pairs(data)[side]):
        write_mask(pair.mask, labels[number % 2])
    options = SegmentationOptions(data)
    name = ("train", "validate")[side]
    for look in (lambda: check_all(data), lambda: check(options)):
        with pytest.raises(UserError, match=rf"^data: .*masks to {name} on.*{says}"):
            look()


@pytest.mark.parametrize("name", ["binary255", "exif180", "exif90"])
def test_what_people_have_met(shared_data, name):
    root = shared_data / "faults/seg" / name
    values = {"images": f"{root}/images", "masks": f"{root}/masks", "classes": ["ground", "thing"], "hold_out": 0.4}
    says = r"turned\.jpg: the frame has an EXIF tag that turns it, and nothing says whether the mask turned\.png is"
    if name == "binary255":
        says = r"no class but ground, .* their other pixels are 255, which is ignored: store what is thing as 1"
    data = build(SegmentationData, {"kind": "folder"} | values)
    for look in (lambda: check(SegmentationOptions(data)), lambda: check_all(data)):
        with pytest.raises(UserError, match=f"^data: .*{says}"):
            look()


def test_an_image_that_exif_turns_has_its_mask_where_sizes_tell(folder, tmp_path):
    """Of 8x6 stored and 6x8 shown, a mask of 6x8 can only have been drawn on what is shown."""
    stored = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8))
    tags = Image.Exif()
    tags[0x0112] = 6
    stored.save(tmp_path / "images/00.jpg", exif=tags)
    write_mask(tmp_path / "masks/00.png", size=(8, 6))
    data = build(SegmentationData, folder | {"hold_out": 0.3})
    pair = next(pair for side in list_pairs(data) for pair in side if pair.key == "00")
    assert check_pair(pair, data).shape == (8, 6)
    assert MaskedImages([pair], data)[0]["image"].shape == (3, 8, 6)
    Image.fromarray(np.zeros((8, 6), np.uint8)).save(pair.mask, exif=tags)
    with pytest.raises(UserError, match=r"00\.png: the mask has an EXIF tag that turns it: store it upright"):
        check_pair(pair, data)


def test_planning_looks_no_further_than_it_has_to(folder, tmp_path, monkeypatch):
    data = build(SegmentationData, folder | {"hold_out": 0.5})
    read = []
    monkeypatch.setattr("trainers.evaluations.segmentation.pairs.LOOKED_AT", 5 * 48)
    monkeypatch.setattr(
        "trainers.evaluations.segmentation.pairs.read_mask", lambda path, of: read.append(path) or read_mask(path, of)
    )
    check(SegmentationOptions(data))
    check(SegmentationOptions(data))
    assert 10 <= len(read) < 20, "five of each side, or more where those have a single class; and once"


def test_a_sample_has_the_image_and_its_labels(tmp_path):
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (5, 7, 3), np.uint8), rng.integers(0, 2, (5, 7), np.uint8)
    write(tmp_path / "images/a.png", image[..., ::-1])  # OpenCV writes BGR
    write(tmp_path / "masks/a.png", labels)
    images, masks = str(tmp_path / "images"), str(tmp_path / "masks")
    own = {"validation_images": images, "validation_masks": masks}
    data = SegmentationData(kind="folder", images=images, masks=masks, classes=("a", "b"), **own)
    sample = MaskedImages(list_pairs(data)[0], data)[3, 0]
    assert (sample["key"], sample["epoch"]) == ("a", 3)
    assert sample["image"].dtype == torch.float32
    np.testing.assert_array_equal(sample["image"].permute(1, 2, 0).numpy() * 255, image)
    assert sample["labels"].dtype == torch.int64
    np.testing.assert_array_equal(sample["labels"].numpy(), labels)


def test_a_damaged_image_and_a_mask_of_another_size_are_found_before_training(folder, tmp_path):
    data = build(SegmentationData, folder | {"hold_out": 0.3})
    assert check_all(data) == []
    write_mask(tmp_path / "masks/07.png", size=(8, 6))
    with pytest.raises(UserError, match=r"^data: .*07\.jpg: the mask 07\.png of 6x8 beside a frame of 8x6"):
        check_all(data)
    write_mask(tmp_path / "masks/07.png")
    (tmp_path / "images/09.jpg").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"^data: .*09\.jpg: not an image"):
        check_all(data)


def test_camvid_as_it_comes(shared_data):
    root = shared_data / "segmentation/camvid"
    values = {"kind": "folder", "images": f"{root}/train", "masks": f"{root}/trainannot", "classes": CAMVID}
    values |= {"validation_images": f"{root}/val", "validation_masks": f"{root}/valannot"}
    without = build(SegmentationData, values)
    train, validation = list_pairs(without)
    assert len(train) == len(list((root / "trainannot").iterdir()))
    with pytest.raises(UserError, match="label 11 is unknown"):
        check_all(without)
    data = build(SegmentationData, values | {"ignore": [11]})
    assert check_all(data) == []
    crop = Joint(TransformOptions(shorter_side=None, scale=(0.5, 2), crop=64, flip=True), seed=0, train=True)
    for sample in (MaskedImages(train, data, crop)[0, i] for i in range(3)):
        assert sample["image"].shape == (3, 64, 64)
        assert sample["labels"].shape == (64, 64)
        assert set(sample["labels"].unique().tolist()) <= {*range(11), 255}
    whole = MaskedImages(validation, data)[0]
    assert whole["labels"].shape == (360, 480)
    mask = cv2.imread(str(validation[0].mask), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(whole["labels"].numpy(), np.where(mask == 11, 255, mask))
