"""Which labelled images there are, in folders, archives and tables, and what is refused of them."""

import logging
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from common_fate.datasets.holdout import in_share
from common_fate.errors import UserError
from tests.support.labelled import COLOURS, coloured, tar_of, write_classes, write_zip
from trainers.engine.options import TransformOptions, build
from trainers.evaluations.labelled_images.images import Crop, LabelledImages
from trainers.evaluations.labelled_images.listing import list_images, look_at
from trainers.evaluations.labelled_images.options import LabelledData, paths

CLASSES = ("blue", "green", "red")


def data(**values):
    return build(LabelledData, values)


def classes_of(side):
    return [side.classes[label] for label in side.labels]


def test_two_folders(tmp_path):
    train, validation = write_classes(tmp_path / "set/train", 3), write_classes(tmp_path / "set/val", 2)
    found, held_out = list_images(data(path=str(train), validation=str(validation)))
    assert found.classes == held_out.classes == CLASSES
    assert list(found.names) == [f"{name}/{i:03d}.jpg" for name in CLASSES for i in range(3)]
    assert classes_of(held_out) == ["blue"] * 2 + ["green"] * 2 + ["red"] * 2
    assert found.image(8).shape == (40, 48, 3)
    assert np.abs(found.image(8).mean(axis=(0, 1)) / max(COLOURS["red"])).argmax() == 0
    assert data(path=str(train), validation="v").title == "set"


def test_a_share_is_held_out_by_the_hash_of_names(tmp_path):
    folder = write_classes(tmp_path / "set", 20)
    train, validation = list_images(data(path=str(folder), hold_out=0.3))
    assert not set(train.names) & set(validation.names)
    assert len(train) + len(validation) == 60
    assert all(in_share(0.3, name) for name in validation.names)
    write_classes(folder, 5, first=20)
    assert set(train.names) <= set(list_images(data(path=str(folder), hold_out=0.3))[0].names), "none changes sides"


@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_an_archive_is_read_as_the_folder_is_by_processes_that_were_forked(tmp_path, ending):
    folder = write_classes(tmp_path / "set", 12)
    write_classes(folder / "train", 12)
    write_classes(folder / "val", 2)
    packed = tmp_path / f"set.{ending}"
    if ending == "zip":
        write_zip(packed, folder)
    else:
        packed.write_bytes(tar_of({f"set/{f.relative_to(folder)}": f.read_bytes() for f in folder.rglob("*.jpg")}))
    options = data(path=f"{packed}/set/train", validation=f"{packed}/set/val")
    assert paths_of(options) == {"data.path": str(packed), "data.validation": str(packed)}
    train, _ = list_images(options)
    plain, _ = list_images(data(path=str(folder / "train"), validation=str(folder / "val")))
    assert list(train.names) == list(plain.names)
    train.image(0)  # so that the archive is open here already
    crop = Crop(TransformOptions(shorter_side=None, crop=32), 0, train=False)
    batches = DataLoader(LabelledImages(train, crop), 2, num_workers=2), DataLoader(LabelledImages(plain, crop), 2)
    for found, expected in zip(*batches, strict=True):
        assert found["problem"] == ["", ""]
        assert (found["image"] == expected["image"]).all()


def paths_of(options):
    return paths(SimpleNamespace(data=options))


def write_table(path, rows, header="file,class,part"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def test_a_table_names_images_by_path_or_stem_and_may_say_their_side(tmp_path):
    folder = write_classes(tmp_path / "images", 2)
    shutil.copy(folder / "red/000.jpg", folder / "zero.jpg")
    rows = ["red/000.jpg,r,train", "zero,r,test", "blue/001,b,train", "red/001.jpg,r,Valid", "blue/000.jpg,b,val"]
    table = write_table(tmp_path / "labels.csv", rows)
    train, validation = list_images(data(kind="table", path=str(folder), table=table, split="part"))
    assert (list(train.names), classes_of(train)) == (["blue/001.jpg", "red/000.jpg"], ["b", "r"])
    assert (list(validation.names), classes_of(validation)) == (["blue/000.jpg", "red/001.jpg"], ["b", "r"])
    every = data(kind="table", path=str(folder), table=table, hold_out=0.5)
    with pytest.raises(UserError, match=r"the class 'b' has no image to train on|none of 5 images|'r' has no image"):
        list_images(build(LabelledData, {**vars(every), "hold_out": 0.95}))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["../set/red/000.jpg,r,train"], r"row 2: there is no image '\.\./set/red/000\.jpg'"),
        (["/etc/passwd,r,train"], "row 2: there is no image '/etc/passwd'"),
        (["red/000.jpg,r,train", "red/9.jpg,r,val"], "row 3: there is no image 'red/9.jpg'"),
        (["red/000.jpg,,train"], "row 2 has no class"),
        ([",r,train"], "row 2 has no file"),
        (["red/000.jpg,r,train", "red/000,b,val"], "row 3: 'red/000' is of two classes"),
        (["red/000.jpg,r,train"], "no row of .* has val in its column 'part'"),
        (["red/000.jpg,r"], "row 2: it has 2 columns"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path, rows, message):
    folder = write_classes(tmp_path / "set", 2)
    table = write_table(tmp_path / "labels.csv", rows)
    with pytest.raises(UserError, match=message):
        list_images(data(kind="table", path=str(folder), table=table, split="part"))


def test_a_table_without_a_row_is_refused(tmp_path):
    folder, table = write_classes(tmp_path / "set", 2), write_table(tmp_path / "labels.csv", [])
    with pytest.raises(UserError, match=r"data\.table: names no image with a class"):
        list_images(data(kind="table", path=str(folder), table=table, hold_out=0.3))


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    table = write_table(tmp_path / "labels.csv", ["red/000.jpg,r,train"])
    options = data(kind="table", path=str(write_classes(tmp_path / "set", 1)), table=table, split="fold")
    with pytest.raises(UserError, match=r"data.split: .* has no column 'fold': it has 'file', 'class', 'part'"):
        list_images(options)


def test_classes_that_cannot_be_learnt_are_refused_and_those_that_are_not_measured_told(tmp_path, caplog):
    train, validation = write_classes(tmp_path / "train", 2), write_classes(tmp_path / "val", 2)
    options = data(path=str(train), validation=str(validation))
    shutil.rmtree(validation / "green")
    with caplog.at_level(logging.WARNING):
        assert len(list_images(options)[1]) == 4
    assert "no image that validates is of green" in caplog.text
    shutil.rmtree(train / "red")
    with pytest.raises(UserError, match=r"data.path: the class 'red' has no image to train on: add some, or leave"):
        list_images(options)
    found = list_images(data(path=str(train), validation=str(validation), classes=["green", "blue"]))
    assert found[0].classes == ("green", "blue"), "in the order of the option"
    assert classes_of(found[1]) == ["blue", "blue"]
    with pytest.raises(UserError, match=r"data.classes: no image is of the class 'yellow': is it spelt so"):
        list_images(data(path=str(train), validation=str(validation), classes=["green", "yellow"]))
    (train / "empty").mkdir()
    with pytest.raises(UserError, match=r"data\.path: .*train: the folder of the class 'empty' has no image"):
        list_images(options)


def test_folders_that_are_none_are_refused(tmp_path):
    folder = write_classes(tmp_path / "set", 2)
    for path, message in (
        (folder / "red", "has no folder of images for each class"),
        (tmp_path / "nowhere", "nowhere.*cannot be read: No such file"),
    ):
        with pytest.raises(UserError, match=message):
            list_images(data(path=str(path), hold_out=0.5))
    with pytest.raises(UserError, match="is what is trained on"):
        list_images(data(path=str(folder), validation=str(folder)))
    for name in ("red", "green"):
        shutil.rmtree(folder / name)
    with pytest.raises(UserError, match="all images are of one class, 'blue'"):
        list_images(data(path=str(folder), validation=str(write_classes(tmp_path / "val", 1, ["blue"]))))


def test_one_damaged_image_is_told_and_most_of_them_refused(tmp_path, caplog):
    folder = write_classes(tmp_path / "set", 4)
    (folder / "red/000.jpg").write_bytes(coloured(COLOURS["red"], 0)[:300])
    train, _ = list_images(data(path=str(folder), hold_out=0.2))
    with caplog.at_level(logging.WARNING):
        look_at(train, "train")
    assert "1 cannot be read, such as red/000.jpg" in caplog.text
    for file in folder.rglob("*.jpg"):
        file.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"data\.path: of \d+ images to train on .* such as .*known format"):
        look_at(train, "train")


def test_an_image_is_what_its_exif_tag_shows(tmp_path):
    folder = write_classes(tmp_path / "set", 2)
    turned = Image.new("RGB", (30, 20))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "blue/000.jpg", exif=exif)
    train, _ = list_images(data(path=str(folder), validation=str(write_classes(tmp_path / "val", 1))))
    assert train.image(0).shape == (30, 20, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "coco"}, "kind is 'coco'"),
        ({}, "path is missing"),
        ({"kind": "table", "path": "p"}, "table is missing"),
        ({"path": "p"}, "what validates"),
        ({"path": "p", "hold_out": 0.1, "validation": "v"}, "what validates"),
        ({"path": "p", "hold_out": 1.0}, "hold_out is 1.0"),
        ({"path": "p", "table": "t", "hold_out": 0.1}, "table is of kind table, and this is folder"),
        ({"kind": "voc", "path": "p", "classes": ["a", "b"]}, "classes is of kind folder and table and imagenet"),
        ({"path": "p", "hold_out": 0.1, "classes": ["a", "a"]}, r"classes is \['a', 'a'\]"),
    ],
)
def test_options_that_do_not_fit_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        data(**values)


def test_no_torch_is_needed_to_plan():
    code = "import sys, trainers.evaluations.labelled_images.listing; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_real_folders_and_a_real_table(shared_data):
    clothing = shared_data / "clothing10"
    train, validation = list_images(data(path=str(clothing / "train"), validation=str(clothing / "validation")))
    assert (len(train), len(validation), len(train.classes)) == (3068, 341, 10)
    tiny = shared_data / "tiny_imagenet10"
    options = data(kind="table", path=str(tiny / "images"), table=str(tiny / "labels.csv"), hold_out=0.2)
    train, validation = list_images(options)
    assert len(train) + len(validation) == 2000
    assert "lemon" in train.classes
    assert options.title == "tiny_imagenet10"
    look_at(validation, "validate")
