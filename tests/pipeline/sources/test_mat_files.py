"""Matlab files that mean harm."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from common_fate.errors import UserError
from pipeline.sources.mat_files import read_variables

HEAD = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def start(matrix_class: int, sides: tuple[int, ...] = (1, 1), name: bytes = b"") -> bytes:
    dimensions = element(5, struct.pack(f"<{len(sides)}i", *sides))
    return element(6, struct.pack("<II", matrix_class, 0)) + dimensions + element(1, name)


def number(value: float) -> bytes:
    return element(14, start(6) + element(9, struct.pack("<d", value)))


def nested(depth: int) -> bytes:
    """A number in a cell in a cell ..."""
    parts, size = [number(1)], len(number(1))
    for _ in range(depth):
        parts.append(struct.pack("<II", 14, len(start(1)) + size) + start(1))
        size += len(parts[-1])
    return b"".join(reversed(parts))


def test_what_scipy_writes_is_read(tmp_path: Path):
    structs = np.array([(1, "x"), (2, "y")], [("a", "O"), ("b", "O")])
    values = {
        "nothing": np.zeros((0, 0)),
        "text": "text",
        "none": "",
        "complex": np.array([[1 + 2j]]),
        "sparse": csc_matrix(np.eye(3)),
        "struct": {"x": 1, "y": {"z": [1, 2, 3]}},
        "structs": structs,
        "cells": np.array([1, "a", np.zeros((2, 3))], object),
        "labels": np.zeros((2, 3, 4), np.uint16),
        "flags": np.array([True]),
    }
    for packed in (False, True):
        savemat(tmp_path / "a.mat", values, do_compression=packed)
        assert set(read_variables(tmp_path / "a.mat")) == set(values)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (nested(200_000), "cells within cells"),  # with which SciPy takes the process down
        (element(15, zlib.compress(nested(200_000)))[: 8 + len(zlib.compress(nested(200_000)))], "cells within cells"),
        (element(14, start(1, (2**31 - 1, 2)) + number(1)), "more or fewer parts"),
        (element(14, start(1) + struct.pack("<II", 14, 2**31)), "longer than what it is in"),
        (element(14, start(17)), "objects or functions"),
        (element(14, element(6, bytes(2**10)) + nested(100)), "without flags|cut off"),
        (element(15, zlib.compress(bytes(2**28 + 1), 9)), "unpacks to more than"),
        (element(14, start(6, (2**30, 2**30)) + element(9, bytes(8))), "no .mat file that can be read"),
        (element(9, bytes(8)), "no matrix"),
        (b"\x0e\0\0\0", "cut off"),
    ],
)
def test_what_means_harm_is_refused(tmp_path: Path, data: bytes, says: str):
    path = tmp_path / "a.mat"
    path.write_bytes(HEAD + data)
    with pytest.raises(UserError, match=rf"{path}: is no \.mat file that can be read: .*{says}|{says}"):
        read_variables(path)


def test_other_versions_are_named(tmp_path: Path):
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3".ljust(124) + b"\x00\x02IM" + bytes(600))
    with pytest.raises(UserError, match=r"format 7\.3"):
        read_variables(tmp_path / "a.mat")
