import numpy as np
import pytest

from common_fate.errors import UserError
from tests.support.labelled import tar_of, write_voc
from trainers.data.voc import CLASSES, image_files, listed_labels, voc_tree

LISTED = {"trainval": [("000005", {"chair": 1, "person": 0}), ("000002", {"train": 1}), ("000009", {})]}


@pytest.fixture
def voc(tmp_path):
    root = write_voc(tmp_path / "VOCdevkit/VOC2007", LISTED, CLASSES)
    for image in ("000002", "000005", "000009"):
        (root / f"JPEGImages/{image}.jpg").write_bytes(b"a")
    return root


def test_labels_are_there_not_there_or_hard_to_tell(voc, tmp_path):
    packed = {f"VOCdevkit/VOC2007/{f.relative_to(voc)}": f.read_bytes() for f in voc.rglob("*.*")}
    (tmp_path / "trainval.tar").write_bytes(tar_of(packed))
    for path in (voc, voc.parent, voc.parents[1], tmp_path / "trainval.tar"):
        tree = voc_tree(str(path), "data")
        images, labels = listed_labels(tree, "trainval", "data.train_list")
        assert images == ["000002", "000005", "000009"]
        assert labels.shape == (3, 20)
        assert labels[:, CLASSES.index("chair")].tolist() == [0, 1, 0]
        assert labels[:, CLASSES.index("person")].tolist() == [0, -1, 0]
        assert (np.abs(labels).sum(), labels[0, CLASSES.index("train")]) == (3, 1)
        assert image_files(tree, images, "data")[0] == "JPEGImages/000002.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000005 2\n", "'000005 2' is no image and -1, 0 or 1"),
        ("000005\n", "'000005' is no image and -1, 0 or 1"),
        ("000005 1\n000005 -1\n", "lists '000005' twice"),
        ("000005 1\n", "cat_trainval.txt lists other images than aeroplane_trainval.txt"),
    ],
)
def test_a_damaged_list_is_named(voc, text, message):
    (voc / "ImageSets/Main/cat_trainval.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        listed_labels(voc_tree(str(voc), "data"), "trainval", "data.train_list")


def test_what_is_missing_is_named(voc):
    tree = voc_tree(str(voc), "data")
    with pytest.raises(UserError, match=r"data.x: there is no ImageSets/Main/aeroplane_test.txt"):
        listed_labels(tree, "test", "data.x")
    with pytest.raises(UserError, match=r"data.x: '\.\./000005' is listed and not in JPEGImages"):
        image_files(tree, ["../000005"], "data.x")
    with pytest.raises(UserError, match=r"data.path: no ImageSets/Main in"):
        voc_tree(str(voc / "JPEGImages"), "data")
