"""ImageNet's layout: folders, its own tars, and the ground truth of images without folders."""

import io
import tarfile

import numpy as np
import pytest
import scipy.io
from torch.utils.data import DataLoader

from common_fate.errors import UserError
from tests.support.labelled import COLOURS, coloured, tar_of
from trainers.engine.options import TransformOptions, build
from trainers.evaluations.labelled_images.imagenet import small_part
from trainers.evaluations.labelled_images.images import Crop, LabelledImages
from trainers.evaluations.labelled_images.listing import list_images
from trainers.evaluations.labelled_images.nested_tar import NestedTar
from trainers.evaluations.labelled_images.options import LabelledData

SYNSETS = [f"n{number:08d}" for number in (11, 22, 33, 44, 55, 66)]
VAL = [f"ILSVRC2012_val_{row:08d}" for row in range(1, 7)]
TRUTH = [3, 1, 2, 2, 5, 4]  # ILSVRC2012's own numbers of classes, which are not in the order of the ids
IDS = dict(zip([2, 1, 3, 5, 4, 6], SYNSETS, strict=True))


def images_of(number, count=3):
    colour = list(COLOURS.values())[number % 3]
    return {f"{SYNSETS[number]}_{i}.JPEG": coloured(colour, 100 * number + i) for i in range(count)}


def write_files(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def tars(tmp_path):
    root = tmp_path / "tars"
    root.mkdir()
    inner = {f"{one}.tar": tar_of(images_of(number)) for number, one in enumerate(SYNSETS)}
    (root / "ILSVRC2012_img_train.tar").write_bytes(tar_of(inner))
    val = {f"{name}.JPEG": coloured((9, 9, 9), row) for row, name in enumerate(VAL)}
    (root / "ILSVRC2012_img_val.tar").write_bytes(tar_of(val))
    devkit = root / "ILSVRC2012_devkit_t12/data"
    devkit.mkdir(parents=True)
    (devkit / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{number}\n" for number in TRUTH))
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
    synsets = np.array([[(float(number), one, f"a {one}")] for number, one in IDS.items()], kind)
    scipy.io.savemat(devkit / "meta.mat", {"synsets": synsets})
    return root


@pytest.fixture
def folders(tmp_path):
    root = tmp_path / "imagenet"
    for number, one in enumerate(SYNSETS):
        write_files(root / "ILSVRC/Data/CLS-LOC/train" / one, images_of(number))
    write_files(root / "ILSVRC/Data/CLS-LOC/val", {f"{name}.JPEG": coloured((9, 9, 9), 0) for name in VAL})
    rows = (f"{name},{IDS[number]} 1 2 3 4 {IDS[number]} 5 6 7 8" for name, number in zip(VAL, TRUTH, strict=True))
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]) + "\n")
    return root


def listed(root, **more):
    return list_images(build(LabelledData, {"kind": "imagenet", "path": str(root), **more}))


def test_tars_and_folders_have_the_same_images(tars, folders):
    (one, held_out), (other, also_held_out) = listed(tars), listed(folders)
    assert one.classes == tuple(SYNSETS)
    assert list(one.names) == list(other.names)
    assert (one.labels == other.labels).all()
    assert [held_out.classes[label] for label in held_out.labels] == [IDS[number] for number in TRUTH]
    assert (held_out.labels == also_held_out.labels).all()
    crop = Crop(TransformOptions(shorter_side=None, crop=32), 0, train=False)
    batches = DataLoader(LabelledImages(one, crop), 3, num_workers=2), DataLoader(LabelledImages(other, crop), 3)
    for found, expected in zip(*batches, strict=True):
        assert found["problem"] == [""] * 3
        assert (found["image"] == expected["image"]).all()


def test_val_may_have_folders_and_classes_may_be_few(tmp_path):
    for number, one in enumerate(SYNSETS):
        write_files(tmp_path / "train" / one, images_of(number))
        write_files(tmp_path / "val" / one, images_of(number, 1))
    train, validation = listed(tmp_path, classes=[SYNSETS[4], SYNSETS[1]])
    assert (train.classes, validation.labels.tolist()) == ((SYNSETS[4], SYNSETS[1]), [1, 0])
    assert len(train) == 6


def test_planning_looks_into_a_few_of_the_tars(tars, folders, monkeypatch):
    data = build(LabelledData, {"kind": "imagenet", "path": str(tars)})
    part = small_part(data)
    assert part.classes == tuple(SYNSETS[:4])
    asked, real = [], NestedTar.files
    monkeypatch.setattr(NestedTar, "files", lambda self, one: asked.append(one) or real(self, one))
    list_images(part)
    assert set(asked) == set(SYNSETS[:4])
    whole = build(LabelledData, {"kind": "imagenet", "path": str(folders)})
    assert small_part(whole) is whole


def test_what_is_missing_or_damaged_is_named(tars, tmp_path):
    with pytest.raises(UserError, match=r"has neither a folder train nor ILSVRC2012_img_train.tar"):
        listed(tmp_path / "tars/ILSVRC2012_devkit_t12")
    (tars / "ILSVRC2012_devkit_t12/data/meta.mat").write_bytes(b"nonsense" * 40)
    with pytest.raises(UserError, match=r"data.ground_truth: .*devkit_t12/data/meta.mat: is no \.mat file"):
        listed(tars)
    (tars / "ILSVRC2012_devkit_t12").rename(tars / "elsewhere")
    with pytest.raises(UserError, match=r"data.ground_truth is missing: .* give ILSVRC2012_devkit_t12"):
        listed(tars)
    whole = tars / "ILSVRC2012_img_train.tar"
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"ILSVRC2012_img_train.tar: cut short, damaged, or no tar"):
        listed(tars)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (tar_of({"../../evil.jpg": b"x"}), "holds '../../evil.jpg', which is no plain name"),
        (tar_of({"a.jpg": b"x" * 2000})[:1500], "n1.tar in it: cut short"),
        (b"no tar" * 400, "n1.tar in it: cut short, damaged, or no tar"),
    ],
)
def test_a_tar_in_a_tar_is_not_trusted(tmp_path, inner, message):
    (tmp_path / "a.tar").write_bytes(tar_of({"n1.tar": inner, "n2.tar": tar_of({"b.jpg": b"b"})}))
    nested = NestedTar(str(tmp_path / "a.tar"))
    assert nested.folders() == ["n1", "n2"]
    assert (nested.files("n2"), nested.read("n2/b.jpg"), nested.read("n2/c.jpg"), nested.read("n3/b.jpg")) == (
        ["b.jpg"],
        b"b",
        None,
        None,
    )
    with pytest.raises(UserError, match=message):
        nested.files("n1")


def test_planning_refuses_a_tar_of_one_damaged_tar_by_its_key(tmp_path):
    with tarfile.open(tmp_path / "ILSVRC2012_img_train.tar", "w") as whole:
        inner = tarfile.TarInfo("n01.tar")
        inner.size = 10
        whole.addfile(inner, io.BytesIO(b"x" * 10))
    data = LabelledData(kind="imagenet", path=str(tmp_path))
    with pytest.raises(UserError, match=r"^data\.path: .*n01\.tar in it: cut short, damaged, or no tar"):
        list_images(small_part(data))
