"""The layouts that are read, in folders and archives, and what is refused of them."""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from common_fate.errors import UserError
from pipeline.sources import archives
from tests.support.boxed_shapes import (
    CLASSES,
    Shaped,
    shapes,
    write_annotation,
    write_coco,
    write_image,
    write_table,
    write_voc,
)
from trainers.data.voc import CLASSES as VOC
from trainers.evaluations.boxed_images import coco as coco_layout
from trainers.evaluations.boxed_images.images import decoded
from trainers.evaluations.boxed_images.listing import check, check_masks, list_images
from trainers.evaluations.boxed_images.options import BoxedData, DetectorOptions
from trainers.evaluations.boxed_images.shapes import drawn

ALL = shapes(12)
TRAIN, VALIDATION = ALL[:8], ALL[8:]


def write_yolo(root: Path, listed: list[Shaped], polygons: bool = False, side: str = "") -> Path:
    for one in listed:
        write_image(root / "images" / side / f"{one.name}.png", one.image)
        height, width = one.image.shape[:2]
        lines = []
        for label, (x0, y0, x1, y1) in zip(one.labels, one.boxes, strict=True):
            numbers = [x0, y0, x1, y0, x1, y1, x0, y1] if polygons else [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
            shares = [number / side for number, side in zip(numbers, [width, height] * 4, strict=False)]
            lines.append(" ".join([str(label), *map(str, shares)]))
        (root / "labels" / side).mkdir(parents=True, exist_ok=True)
        (root / "labels" / side / f"{one.name}.txt").write_text("\n".join(lines) + "\n")
    (root / "names.yaml").write_text("names: {0: disk, 1: square}\n")
    return root


def data_of(kind: str, root: Path, **more) -> BoxedData:
    if kind == "voc":
        write_voc(root, trainval=TRAIN, test=VALIDATION)
    elif kind == "coco":
        write_coco(root, train2017=TRAIN, val2017=VALIDATION)
    elif kind == "table":
        write_table(root, ALL)
        more = {"hold_out": 0.4} | more
    else:
        write_yolo(root, TRAIN, side="train")
        write_yolo(root, VALIDATION, side="val")
        more = {"names": "names.yaml", "train": "train", "validation": "val"} | more
    return BoxedData(kind=kind, path=str(root), **more)


def says(data: BoxedData, message: str, planned: bool = True) -> None:
    """Both the planning and the job refuse."""
    with pytest.raises(UserError, match=message):
        list_images(data)
    if planned:
        with pytest.raises(UserError, match=message):
            check(DetectorOptions(data))


@pytest.mark.parametrize("kind", ["voc", "coco", "yolo", "table"])
def test_every_layout_has_the_same_boxes(kind, tmp_path):
    data = data_of(kind, tmp_path / "set")
    check(DetectorOptions(data))
    images = list_images(data)
    known = {one.name: one for one in ALL}
    assert len(images.train) + len(images.validation) == len(ALL)
    assert images.classes == (VOC if kind == "voc" else CLASSES)
    for listed in (*images.train, *images.validation):
        one = known[Path(listed.image).stem]
        scale = one.image.shape[0] if listed.relative else 1
        np.testing.assert_allclose(listed.boxes * scale, one.boxes, atol=1e-3)
        names = [images.classes[label] for label in listed.labels]
        assert names == [("cat", "dog")[label] if kind == "voc" else CLASSES[label] for label in one.labels]
        assert listed.counted.all()
        assert listed.size == (None if kind in ("yolo", "table") else one.image.shape[:2])
        assert np.abs(decoded(images.tree, listed).astype(int) - one.image).mean() < 10  # JPEG
        for shape, mask in zip(listed.shapes, one.masks, strict=False):
            np.testing.assert_array_equal(drawn(shape, mask.shape), mask)
    assert all(len(one.shapes) == (len(one.labels) if kind == "coco" else 0) for one in images.train)


@pytest.mark.parametrize("kind", ["voc", "coco", "yolo", "table"])
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_archives_are_read_as_their_folders_are(kind, ending, tmp_path):
    inside = {"voc": "VOCdevkit/VOC2007", "coco": ""}.get(kind, "set")
    root = tmp_path / "made" / inside
    data = data_of(kind, root)
    archive = tmp_path / f"set{ending}"
    files = [path for path in sorted((tmp_path / "made").rglob("*")) if path.is_file()]
    if ending == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in files:
                file.write(path, path.relative_to(tmp_path / "made"))
    else:
        with tarfile.open(archive, "w") as file:
            for path in files:
                file.add(path, path.relative_to(tmp_path / "made"))
    folder, packed = (list_images(BoxedData(**vars(data) | {"path": str(path)})) for path in (root, archive))
    for side in ("train", "validation"):
        ours, theirs = getattr(folder, side), getattr(packed, side)
        assert [one.key for one in ours] == [one.key for one in theirs]
        assert all(np.array_equal(a.boxes, b.boxes) for a, b in zip(ours, theirs, strict=True))
        assert np.array_equal(decoded(folder.tree, ours[0]), decoded(packed.tree, theirs[0]))


def test_annotations_too_large_for_a_tar_are_told(tmp_path, monkeypatch):
    write_coco(tmp_path / "made", train2017=TRAIN, val2017=VALIDATION)
    with tarfile.open(tmp_path / "set.tar", "w") as file:
        file.add(tmp_path / "made", "")
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 1000)
    says(BoxedData(kind="coco", path=str(tmp_path / "set.tar")), "too large to be read from a tar: unpack it")


def test_coco_may_lie_in_an_archive_for_each_folder(tmp_path):
    write_coco(tmp_path / "made", train2017=TRAIN, val2017=VALIDATION)
    for folder in ("annotations", "train2017", "val2017"):
        with zipfile.ZipFile(tmp_path / f"{folder}.zip", "w") as file:
            for path in sorted((tmp_path / "made" / folder).iterdir()):
                file.write(path, path.relative_to(tmp_path / "made"))
    data = BoxedData(kind="coco", path=str(tmp_path / "*.zip"))
    check_masks(DetectorOptions(data))
    assert len(list_images(data).train) == len(TRAIN)
    says(
        BoxedData(kind="coco", path=str(tmp_path / "*17.zip")),
        r"no annotations/instances_train2017\.json in data\.path",
    )
    says(BoxedData(kind="coco", path=str(tmp_path / "*.rar")), "there is no such folder or archive")


def test_difficult_objects_and_crowds_do_not_count(tmp_path):
    data = data_of("voc", tmp_path / "voc")
    objects = [("cat", [1, 2, 9, 9], 1), ("dog", [10, 2, 19, 9], 0)]
    write_annotation(tmp_path / "voc", TRAIN[0].name, TRAIN[0].image.shape[:2], objects)
    (first,) = (one for one in list_images(data).train if one.key == TRAIN[0].name)
    assert (first.difficult.tolist(), first.counted.tolist()) == ([True, False], [False, True])
    data = data_of("coco", tmp_path / "coco")
    edit(tmp_path / "coco", lambda facts: facts["annotations"][0].update(iscrowd=1))
    (first,) = (one for one in list_images(data).train if one.key == TRAIN[0].name)
    assert first.crowd[0]
    assert not first.counted[0]


def edit(root: Path, change, side: str = "train2017") -> None:
    path = root / f"annotations/instances_{side}.json"
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["annotations"][0].update(category_id=99), "annotation 1 is of category 99, not known"),
        (lambda f: f["annotations"][0].update(image_id="x"), "annotation 1 is of image 'x', which is not in"),
        (lambda f: f["annotations"][0].update(bbox=[1, 2, 3]), r"annotation 1: bbox is \[1, 2, 3\]: should be x, y"),
        (lambda f: f["annotations"][0].update(bbox=[1, 2, 3, 1e30]), "beyond any image"),
        (lambda f: f["annotations"][0].update(segmentation=[[1, 2]]), "segmentation: a polygon has fewer than three"),
        (
            lambda f: f["images"][0].update(file_name="../../etc/x.jpg"),
            "'../../etc/x.jpg', which is not in train2017",
        ),
        (lambda f: f["images"][0].update(file_name=f["images"][1]["file_name"]), "lists an image twice"),
        (lambda f: f["images"][0].update(file_name=5), "has file_name 5, which is none of an image"),
        (lambda f: f["images"][0].update(file_name="a\n.jpg"), "which is none of an image"),
        (lambda f: f["images"][0].update(file_name="a.txt"), "which is none of an image"),
        (lambda f: f["images"][0].update(id=f["images"][1]["id"]), "images have no ids of their own"),
        (lambda f: f["categories"][0].update(name="other"), "its categories are not those that are trained on"),
        (lambda f: f["annotations"].clear(), "no image to train on has an object that counts"),
        (lambda f: [one.update(iscrowd=1) for one in f["annotations"]], "no image to train on has an object"),
        (lambda f: f["images"].clear(), "lists no image"),
        (lambda f: f.pop("categories"), "should have lists of images, annotations and categories"),
    ],
)
def test_damaged_annotations_of_coco_are_refused(change, message, tmp_path):
    data = data_of("coco", tmp_path)
    edit(tmp_path, change)
    says(data, message)


def test_images_whose_endings_alone_differ_are_refused(tmp_path):
    data = data_of("coco", tmp_path)
    first = min((tmp_path / "train2017").iterdir())
    shutil.copy(first, first.with_suffix(".webp"))
    edit(tmp_path, lambda facts: facts["images"][-1].update(file_name=f"{first.stem}.webp"))
    says(data, "two that differ in no more than the extension")


def test_names_that_are_none_are_refused(tmp_path):
    data = data_of("coco", tmp_path)
    for side in ("train2017", "val2017"):
        edit(tmp_path, lambda facts: facts["categories"][0].update(name="a\nb"), side)
    says(data, r"data\.path: 'a\\nb' is no name of a class")


def test_images_of_two_folders_may_have_the_same_names(tmp_path):
    write_coco(tmp_path, train2017=TRAIN, val2017=TRAIN[:3])
    check(DetectorOptions(BoxedData(kind="coco", path=str(tmp_path))))
    says(BoxedData(kind="coco", path=str(tmp_path), validation="train2017"), "'train2017/0000.png' is trained on, too")


def test_large_annotations_wait_for_the_job(tmp_path, monkeypatch):
    data = data_of("coco", tmp_path)
    edit(tmp_path, lambda facts: facts["annotations"][0].update(bbox=None))
    monkeypatch.setattr(coco_layout, "PLANNED_BYTES", 100)
    check(DetectorOptions(data))
    with pytest.raises(UserError, match="bbox is None"):
        list_images(data)
    monkeypatch.setattr(coco_layout, "MAX_BYTES", 200)
    with pytest.raises(UserError, match="cannot be read: larger than 200 bytes"):
        list_images(data)


def test_damaged_annotations_of_voc_are_refused(tmp_path):
    data = data_of("voc", tmp_path)
    path = tmp_path / f"Annotations/{TRAIN[3].name}.xml"
    right = path.read_text()
    path.write_text(right.replace("dog", "unicorn").replace("cat", "unicorn"))
    says(data, rf"data\.path: Annotations/{TRAIN[3].name}\.xml: 'unicorn' is no class of VOC")
    path.write_text("<!DOCTYPE a []>" + right)
    says(BoxedData(**vars(data) | {"name": "b"}), "declares a document type")
    path.unlink()
    says(
        BoxedData(**vars(data) | {"name": "c"}), rf"data\.train: .*names '{TRAIN[3].name}\.xml', which is not in Annota"
    )
    path.write_text(right)
    says(
        BoxedData(**vars(data) | {"train": "test"}),
        rf"data\.validation: 'JPEGImages/{VALIDATION[0].name}\.jpg' is trained on",
    )
    says(BoxedData(**vars(data) | {"train": "val"}), r"data\.train: there is no ImageSets/Main/val\.txt")
    (tmp_path / "ImageSets/Main/none.txt").write_text("\n")
    says(BoxedData(**vars(data) | {"validation": "none"}), r"data\.validation: .* names no image")
    says(
        BoxedData(kind="voc", path=str(tmp_path / "JPEGImages")), "no Annotations in .*: is this PASCAL VOC as unpacked"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 .5 .5 .1 .1", r"labels/train/0003\.txt: line 1: class '2' has no name"),
        ("-1 .5 .5 .1 .1", "class '-1' has no name"),
        ("disk .5 .5 .1 .1", "class 'disk' has no name"),
        ("0 .5 .5 .1", r"line 1: should be a class and cx cy w h"),
        ("0 .5 .5 .1 .1 .3", "should be a class and cx cy w h"),
        ("0 .5 .5 .1 x", "should be a class and cx cy w h"),
        ("0 .5 .5 nan .1", "no shares of an image's sides"),
        ("0 320 200 50 60", "no shares of an image's sides"),
    ],
)
def test_damaged_lines_of_yolo_are_refused(line, message, tmp_path):
    data = data_of("yolo", tmp_path)
    (tmp_path / f"labels/train/{TRAIN[3].name}.txt").write_text(line + "\n")
    says(data, message)


def test_polygons_of_yolo_are_masks_and_give_boxes(tmp_path):
    data = data_of("yolo", tmp_path)
    write_yolo(tmp_path, TRAIN, polygons=True, side="train")
    one = list_images(data).train[0]
    np.testing.assert_allclose(one.boxes * 64, TRAIN[0].boxes, atol=1e-3)
    assert len(one.shapes) == len(one.labels)
    with pytest.raises(UserError, match=r"data\.path: images/val/.*has boxes without masks"):
        check_masks(DetectorOptions(data))


def test_an_image_without_a_file_of_labels_has_no_object_or_is_left_out(tmp_path):
    data = data_of("yolo", tmp_path)
    (tmp_path / f"labels/train/{TRAIN[0].name}.txt").unlink()
    (tmp_path / f"labels/train/{TRAIN[1].name}.txt").write_text("\n")
    assert [len(one.labels) for one in list_images(data).train[:2]] == [0, 0]
    without = list_images(BoxedData(**vars(data) | {"background": False})).train
    assert [one.key for one in without] == [one.name for one in TRAIN[1:]]


def test_names_of_yolo_are_a_list_or_by_number(tmp_path):
    data = data_of("yolo", tmp_path)
    (tmp_path / "names.yaml").write_text("classes: {0: unlabeled, 1: b, 4: d, 90: a}\n")
    (tmp_path / f"labels/train/{TRAIN[0].name}.txt").write_text("90 .5 .5 .1 .1\n1 .5 .5 .2 .2\n")
    images = list_images(data)
    assert images.classes == ("unlabeled", "b", "d", "a")
    assert images.train[0].labels.tolist() == [3, 1]
    for text, message in (
        ("names: 3", "has no names or classes, a list or by number"),
        ("names: {a: b}", "has no names or classes"),
        ("names: {0: '', 1: b, 90: c}", "is no name of a class"),
        ("names: [", r"data\.names: names\.yaml: while parsing"),
        ("!!python/object/apply:os.system ['false']", "could not determine a constructor"),
        ("a: &a [x, x]\nnames: {0: *a}\n", r"has aliases \(\*name\): write out what they mean"),
    ):
        (tmp_path / "names.yaml").write_text(text)
        says(BoxedData(**vars(data) | {"name": text}), message)
    says(BoxedData(**vars(data) | {"names": "no.yaml"}), r"data\.names: no\.yaml: there is no such file")


def test_a_row_without_a_class_is_an_image_without_an_object(tmp_path):
    data = data_of("table", tmp_path)
    write_image(tmp_path / "images/empty.png", TRAIN[0].image)
    with (tmp_path / "labels.csv").open("a") as file:
        file.write("empty.png,,,,,\n")
    images = list_images(data)
    (empty,) = (one for one in (*images.train, *images.validation) if one.key == "empty.png")
    assert empty.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\n", r"data\.table: labels\.csv: has no column x0: should have file, class, x0"),
        ("file,class,x0,y0,x1,y1\n0001.png,a,1,2,x,4\n", "line 2: x1 is 'x': should be a number of pixels"),
        ("file,class,x0,y0,x1,y1\n0001.png,a,1,2,3\n", "line 2: y1 is None"),
        ("file,class,x0,y0,x1,y1\n../a.png,a,1,2,3,4\n", r"names '\.\./a\.png', which is not in images"),
        ("file,class,x0,y0,x1,y1\n" + "".join(f"{i:04d}.png,,,,,\n" for i in range(12)), "no row has a class"),
        ("file,class,x0,y0,x1,y1\n", "no row has a class"),
    ],
)
def test_damaged_tables_are_refused(text, message, tmp_path):
    data = data_of("table", tmp_path)
    (tmp_path / "labels.csv").write_text(text)
    says(data, message)


def test_what_is_no_archive_is_named_by_its_key(tmp_path):
    (tmp_path / "notes.txt").write_text("no archive")
    says(BoxedData(path=str(tmp_path / "notes.txt")), r"^data\.path: .*notes\.txt: no folder, \.zip or plain \.tar")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../Annotations/a.xml", "")
    says(BoxedData(path=str(tmp_path / "a.zip")), r"^data\.path: .*a\.zip: holds .* not an archive to trust")


def test_planning_refuses_images_that_do_not_decode(tmp_path):
    data = data_of("coco", tmp_path)
    for one in TRAIN:
        (tmp_path / f"train2017/{one.name}.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"data\.path: none of 8 images to train on can be read: train2017/"):
        check(DetectorOptions(data))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "other"}, "kind is 'other': should be one of voc, coco, yolo, table"),
        ({"kind": "voc"}, "path is missing"),
        ({"kind": "voc", "path": "a", "hold_out": 0.1}, "hold_out is 0.1: kind voc says itself what validates"),
        ({"kind": "table", "path": "a", "train": "b"}, "kind table has no lists of its own"),
        ({"kind": "table", "path": "a"}, "what validates"),
        ({"kind": "yolo", "path": "a", "train": "b"}, "train and validation go together"),
        ({"kind": "yolo", "path": "a", "hold_out": 0.1}, "give one of classes and names"),
        ({"kind": "table", "path": "a", "hold_out": 1.0}, "hold_out is 1.0"),
    ],
)
def test_what_options_cannot_mean_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        BoxedData(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 8}, "size is 8: pixels, from 32"),
        ({"sizes": ()}, "sizes is empty"),
        ({"sizes": (800, 9)}, r"sizes\[1\] is 9"),
        ({"anchors": (8, 16)}, "should be 5 sides"),
        ({"rois": 0}, "rois is 0: from 1 to 100000"),
        ({"channels": 10**9}, "channels is 1000000000: from 1 to 4096"),
        ({"pictured": -1}, "pictured is -1"),
    ],
)
def test_detectors_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        DetectorOptions(BoxedData(path="a"), **values)
