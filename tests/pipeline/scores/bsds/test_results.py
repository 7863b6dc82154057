import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.ndimage import label
from scipy.sparse import csc_matrix
from skimage.segmentation import find_boundaries

from common_fate.errors import UserError
from pipeline.scores.bsds import ContourMap, Hierarchy, Human, Segmentations, read_result, read_truth
from pipeline.scores.bsds.regions import overlaps

SHAPE = (6, 7)
THRESHOLDS = np.array([0.15, 0.45, 0.75])


def ultrametric(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A contour map `(2H+1, 2W+1)` of labels that merge at two heights."""
    labels = random.integers(0, 6, shape)
    heights = np.zeros((2 * shape[0] + 1, 2 * shape[1] + 1))
    for height, merged in ((0.2, labels), (0.5, labels // 2), (0.9, labels // 4)):
        heights[1::2, 2:-1:2][merged[:, 1:] != merged[:, :-1]] = height
        heights[2:-1:2, 1::2][merged[1:] != merged[:-1]] = height
    sides = np.pad(heights, 1)  # a corner is as high as the highest of its edges
    around = [sides[:-2, 1:-1], sides[2:, 1:-1], sides[1:-1, :-2], sides[1:-1, 2:]]
    heights[::2, ::2] = np.max(around, axis=0)[::2, ::2]
    return heights


def cell_array(*images: np.ndarray) -> np.ndarray:
    cells = np.empty((1, len(images)), object)
    cells[0] = images
    return cells


@given(seed=st.integers(0, 2**32 - 1), shape=st.tuples(st.integers(1, 8), st.integers(1, 8)))
def test_regions_of_a_hierarchy_are_the_components_of_what_is_at_most_the_threshold(seed: int, shape: tuple[int, int]):
    """BSDS500 takes the 8-connected components of the whole map, at its odd places."""
    random = np.random.default_rng(seed)
    heights = ultrametric(random, shape)
    humans = [Human(np.arange(shape[0] * shape[1]).reshape(shape), np.zeros(shape, bool))]
    for threshold, (table,) in zip(THRESHOLDS, Hierarchy(heights).tables(THRESHOLDS, humans), strict=True):
        whole = label(heights <= threshold, np.ones((3, 3)))[0][1::2, 1::2]
        expected = overlaps(whole - 1, humans)[0]  # a column for each pixel: equal but for the order of rows
        assert sorted(map(tuple, table.tolist())) == sorted(map(tuple, expected[expected.any(axis=1)].tolist()))


def test_contours_of_a_hierarchy_are_its_lower_right_corners():
    heights = np.zeros((13, 15))
    heights[2, 4], heights[12, 14], heights[1, 2] = 0.5, 0.8, 0.9
    low, high = Hierarchy(heights).contours(np.array([0.5, 0.6]))
    assert np.argwhere(low).tolist() == [[0, 1], [5, 6]]
    assert np.argwhere(high).tolist() == [[5, 6]]


@given(seed=st.integers(0, 2**32 - 1))
def test_contours_of_a_segmentation_lie_within_its_boundaries(seed: int):
    labels = np.kron(np.random.default_rng(seed).integers(0, 3, (3, 4)), np.ones((3, 3), int))
    (contour,) = Segmentations([labels]).contours(np.array([1.0]))
    thick = find_boundaries(labels, connectivity=2, mode="thick")
    assert not (contour & ~thick).any()
    # Exactly the upper left pixel of each two by two that are not all alike.
    for y, x in np.ndindex(*labels.shape):
        assert contour[y, x] == (np.unique(labels[y : y + 2, x : x + 2]).size > 1)


@pytest.mark.parametrize(("kind", "most"), [(np.uint8, 255), (np.uint16, 65535)])
def test_pictures_are_scaled_to_one(tmp_path: Path, kind: type, most: int):
    values = np.random.default_rng(0).integers(0, most + 1, SHAPE).astype(kind)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    result = read_result(tmp_path / "a.png", SHAPE)
    assert isinstance(result, ContourMap)
    np.testing.assert_array_equal(result.strength, values / most)


def test_arrays_and_mat_files_are_told_apart_by_size_and_variable(tmp_path: Path):
    strength = np.random.default_rng(0).random(SHAPE)
    np.save(tmp_path / "a.npy", strength.astype(np.float32))
    np.save(tmp_path / "b.npy", ultrametric(np.random.default_rng(0), SHAPE))
    savemat(tmp_path / "c.mat", {"ucm2": np.load(tmp_path / "b.npy")})
    savemat(tmp_path / "d.mat", {"segs": cell_array(np.full(SHAPE, 7, np.uint16), np.ones(SHAPE))})
    map_, tree, same, segs = (read_result(tmp_path / name, SHAPE) for name in ("a.npy", "b.npy", "c.mat", "d.mat"))
    assert isinstance(map_, ContourMap)
    np.testing.assert_array_equal(map_.strength, strength.astype(np.float32))
    assert isinstance(tree, Hierarchy)
    assert isinstance(same, Hierarchy)
    np.testing.assert_array_equal(tree.heights, same.heights)
    assert isinstance(segs, Segmentations)
    assert [image.max() for image in segs.labels] == [0, 0]


def written(path: Path, content: Any) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        savemat(path, content)
    elif path.suffix == ".npy":
        np.save(path, content)
    else:
        cv2.imwrite(str(path), content)
    return path


def npy(header: str) -> bytes:
    return b"\x93NUMPY\1\0" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n" + bytes(8)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", b"not a picture", "is no picture that can be read"),
        ("a.png", np.zeros((*SHAPE, 3), np.uint8), "has 3 channels"),
        ("a.png", np.zeros((7, 6), np.uint8), r"is \(7, 6\), and the image \(6, 7\)"),
        ("a.npy", b"\x93NUMPY", "is no .npy file that can be read"),
        ("a.npy", np.full(SHAPE, 1.5), r"values outside \[0, 1\], from 1.5 to 1.5: scale them"),
        ("a.npy", np.full(SHAPE, -0.1), r"values outside \[0, 1\]"),
        ("a.npy", np.full(SHAPE, np.nan), r"values outside \[0, 1\]"),
        ("a.npy", np.full(SHAPE, "x"), "not of plain numbers"),
        ("a.npy", np.full(SHAPE, 1j), "not of plain numbers"),
        ("a.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (549755813888,), }"), "does not fit its"),
        ("a.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': ("), "damaged .npy header"),
        ("a.mat", b"not Matlab", "is no .mat file that can be read"),
        ("a.mat", b"MATLAB 5.0 MAT-file" + bytes(105) + b"\x00\x01IM" + b"\x0f\0\0\0\xff\0\0\0junk", "can be read"),
        ("a.mat", {"strength": np.zeros(SHAPE)}, "has neither ucm2 nor segs, but strength"),
        ("a.mat", {"ucm2": np.zeros(SHAPE)}, r"is \(6, 7\), and the image \(6, 7\)"),
        ("a.mat", {"segs": cell_array(np.ones((3, 3)))}, r"a segmentation is \(3, 3\)"),
        ("a.mat", {"segs": cell_array(np.full(SHAPE, 0.5))}, "whole numbers"),
        ("a.mat", {"segs": cell_array(np.full(SHAPE, np.inf))}, "should be .* numbers"),
        ("a.mat", {"segs": np.empty((0, 0), object)}, "segs is empty"),
    ],
)
def test_what_is_wrong_is_one_clear_line(tmp_path: Path, name: str, content: Any, message: str):
    path = written(tmp_path / name, content)
    with pytest.raises(UserError, match=message) as raised:
        read_result(path, SHAPE)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_numbers_are_of_their_class_however_they_are_kept(tmp_path: Path):
    """Matlab keeps floats that are whole in a byte each; a byte of its own would stand for a part of 255."""
    heights = (ultrametric(np.random.default_rng(0), SHAPE) > 0.4).astype(float)
    matrix = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", *heights.shape)) + element(1, b"ucm2")
    matrix += element(2, heights.astype(np.uint8).tobytes(order="F"))
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + element(14, matrix))
    result = read_result(tmp_path / "a.mat", SHAPE)
    assert isinstance(result, Hierarchy)
    np.testing.assert_array_equal(result.heights, heights)


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


@pytest.mark.parametrize(
    "boundaries", ["abc", {"a": 1}, np.full(SHAPE, np.nan), np.ones(SHAPE) * 1j, csc_matrix(np.eye(6))]
)
def test_boundaries_that_are_no_numbers_are_refused(tmp_path: Path, boundaries: Any):
    truth = cell_array({"Segmentation": np.ones(SHAPE), "Boundaries": boundaries})
    savemat(tmp_path / "a.mat", {"groundTruth": truth})
    with pytest.raises(UserError, match=r"a\.mat: (Boundaries: should be|is no \.mat file .* sparse)"):
        read_truth(tmp_path / "a.mat")


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path):
    pack = zlib.compressobj()
    packed = b"".join(pack.compress(bytes(1 << 20)) for _ in range(257)) + pack.flush()
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    path = tmp_path / "bomb.mat"
    path.write_bytes(header + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UserError, match="unpacks to more than 268435456 bytes"):
        read_result(path, (20, 30))
