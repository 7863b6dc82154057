import cv2
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from common_fate.errors import UserError
from trainers.evaluations.segmentation import masks
from trainers.evaluations.segmentation.masks import read_mask
from trainers.evaluations.segmentation.options import SegmentationData

VOC = SegmentationData(path="VOC2012")


def folder(classes, ignore):
    names = tuple(f"class {i}" for i in range(classes))
    return SegmentationData(kind="folder", images="i", masks="m", classes=names, ignore=ignore, hold_out=0.5)


def write_palette(path, labels):
    image = Image.fromarray(labels)  # grey, then with colours that have nothing to do with the labels
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    assert image.mode == "P"
    image.save(path)


def write_mat(path, labels, name="GTcls"):
    scipy.io.savemat(
        path, {name: {"Segmentation": labels, "CategoriesPresent": np.unique(labels)}}, do_compression=True
    )


@settings(max_examples=20, deadline=None)
@given(
    labels=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 3, 20, 255])),
    kind=st.sampled_from(["palette", "grey", "mat"]),
)
def test_labels_are_what_was_written(tmp_path_factory, labels, kind):
    path = tmp_path_factory.mktemp("mask") / ("a.mat" if kind == "mat" else "a.png")
    if kind == "palette":
        write_palette(path, labels)
    elif kind == "grey":
        cv2.imwrite(str(path), labels)
    else:
        write_mat(path, labels)
    read = read_mask(path, VOC)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, labels)


def test_ignored_labels_become_one(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 1, 2, 7, 255]], np.uint8))
    assert read_mask(tmp_path / "a.png", folder(2, (2, 7, 255))).tolist() == [[0, 1, 255, 255, 255]]


def test_a_label_of_16_bits(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[1, 40_000]], np.uint16))
    assert read_mask(tmp_path / "a.png", folder(2, (40_000,))).tolist() == [[1, 255]]
    with pytest.raises(UserError, match="label 40000 is unknown"):
        read_mask(tmp_path / "a.png", folder(2, ()))


def test_a_class_may_be_ignored_by_name(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 1]], np.uint8))
    assert read_mask(tmp_path / "a.png", folder(2, (1,))).tolist() == [[0, 255]]


def test_an_unknown_label_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.array([[0, 1, 5]], np.uint8))
    with pytest.raises(UserError, match=r"a\.png: label 5 .*0 to 1, ignored 255.*data\.classes, add 5 to data\.ignore"):
        read_mask(path, folder(2, (255,)))
    cv2.imwrite(str(path), np.array([[21]], np.uint8))
    with pytest.raises(UserError, match=r"label 21 is unknown .*another data set"):
        read_mask(path, VOC)


def test_what_is_no_mask_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    with pytest.raises(UserError, match="there is no such mask"):
        read_mask(path, VOC)
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a mask in PNG"):
        read_mask(path, VOC)
    Image.new("RGB", (4, 4)).save(path)
    with pytest.raises(UserError, match="this is RGB"):
        read_mask(path, VOC)
    Image.new("L", (4, 4)).save(path)
    monkeypatch.setattr(masks, "MAX_PIXELS", 15)
    with pytest.raises(UserError, match="at most 15"):
        read_mask(path, VOC)


def test_what_is_no_mask_of_sbd_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    with pytest.raises(UserError, match="there is no such file"):
        read_mask(path, VOC)
    path.write_bytes(b"nonsense" * 40)
    with pytest.raises(UserError, match=r"no \.mat file that can be read"):
        read_mask(path, VOC)
    write_mat(path, np.zeros((4, 4), np.uint8), name="GTinst")
    with pytest.raises(UserError, match="not a mask of SBD"):
        read_mask(path, VOC)
    write_mat(path, np.zeros((4, 4)))
    with pytest.raises(UserError, match="not a matrix of labels"):
        read_mask(path, VOC)
    scipy.io.savemat(path, {"GTcls": np.zeros((2**12 + 1, 2**12), np.uint8)}, do_compression=True)
    assert path.stat().st_size < masks.MAX_MAT_BYTES
    with pytest.raises(UserError, match=f"unpacks to more than {masks.MAX_MAT_BYTES} bytes"):
        read_mask(path, VOC)
