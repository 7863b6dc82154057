"""Matlab files that mean harm."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

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


VALUES = {
    "nothing": np.zeros((0, 0)),
    "text": "text",
    "rows": np.array(["some", "text"]),
    "letters": "äö",
    "none": "",
    "complex": np.array([[1 + 2j, complex(np.inf, -1)]]),
    "struct": {"x": 1, "y": {"z": [1, 2, 3]}},
    "structs": np.array([[(1, "x"), (2, "y"), (3, "z")]], [("a", "O"), ("b", "O")]),
    "cells": np.array([[1, "a", np.zeros((2, 3))], [2, "", {"x": 3}]], object),
    "labels": np.arange(24, dtype=np.uint16).reshape(2, 3, 4),
    "flags": np.array([True]),
    "whole": np.arange(3, dtype=np.int64),
}


def same(mine: Any, theirs: Any) -> bool:
    if mine.dtype.names:
        fields = mine.dtype.names == theirs.dtype.names and mine.dtype.names
        return mine.shape == theirs.shape and all(same(mine[name], theirs[name]) for name in fields)
    if mine.dtype == object:
        return mine.shape == theirs.shape and all(map(same, mine.ravel(), theirs.ravel()))
    return mine.dtype == theirs.dtype and np.array_equal(mine, theirs)


@pytest.mark.parametrize("packed", [False, True])
def test_what_scipy_writes_is_read_as_scipy_reads_it(tmp_path: Path, packed: bool):
    path = tmp_path / "a.mat"
    savemat(path, VALUES, do_compression=packed)
    found, expected = read_variables(path), loadmat(path)
    assert set(found) == set(VALUES)
    assert [name for name in VALUES if not same(found[name], expected[name])] == []


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3))
def test_changed_bytes_are_read_or_refused(tmp_path: Path, changes: list[tuple[int, int]]):
    """SciPy's reader takes the process down with about one in sixty of these."""
    path = tmp_path / "a.mat"
    if not path.exists():
        savemat(path, {name: VALUES[name] for name in ("structs", "text", "complex", "labels")})
    data = bytearray(path.read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    changed = tmp_path / "changed.mat"
    changed.write_bytes(data)
    said = ""
    try:
        read_variables(changed)
    except UserError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (nested(200_000), "cells within cells"),  # with which SciPy takes the process down
        (element(15, zlib.compress(nested(200_000)))[: 8 + len(zlib.compress(nested(200_000)))], "cells within cells"),
        (element(14, start(1, (2**31 - 1, 2)) + number(1)), "more or fewer parts"),
        (element(14, start(4, (2**28, 1)) + element(4, b"")), "more or fewer letters"),
        (
            element(14, start(2, (2**26, 1)) + element(5, struct.pack("<i", 32)) + element(1, b"")),
            "more or fewer parts",
        ),
        (element(14, start(2) + element(5, struct.pack("<i", 1)) + element(1, b"a" * 5000)), "more than 4096 fields"),
        (element(14, start(1, (2**19, 1)) + struct.pack("<II", 14, 0) * 2**19), "more than 262144 cells"),
        (element(14, start(6) + element(10, bytes(8))), "of no type"),
        (element(14, start(4) + element(60000, bytes(8))), "of no encoding"),
        (element(14, element(6, struct.pack("<II", 4, 0)) + element(5, b"") + element(1, b"a")), "without flags"),
        (element(14, start(6, name=b"a\n\x1b[31m") + element(9, bytes(8))), "a name that is none"),
        (element(14, start(6, name=b"a" * 100) + element(9, bytes(8))), "a name that is none"),
        (element(14, start(5)), "sparse"),
        (element(14, start(1) + struct.pack("<II", 14, 2**31)), "longer than what it is in"),
        (element(14, start(17)), "objects or functions"),
        (element(14, element(6, bytes(2**10)) + nested(100)), "without flags|cut off"),
        (element(15, zlib.compress(bytes(2**28 + 1), 9)), "unpacks to more than"),
        (element(14, start(6, (2**30, 2**30)) + element(9, bytes(8))), "more or fewer numbers"),
        (element(9, bytes(8)), "no matrix"),
        (b"\x0e\0\0\0", "cut off"),
    ],
)
def test_what_means_harm_is_refused(tmp_path: Path, data: bytes, says: str):
    path = tmp_path / "a.mat"
    path.write_bytes(HEAD + data)
    with pytest.raises(UserError, match=rf"{path}: is no \.mat file that can be read: .*({says})"):
        read_variables(path)


def test_other_versions_are_named(tmp_path: Path):
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3".ljust(124) + b"\x00\x02IM" + bytes(600))
    with pytest.raises(UserError, match=r"format 7\.3"):
        read_variables(tmp_path / "a.mat")
