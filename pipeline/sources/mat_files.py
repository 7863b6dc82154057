"""Matlab's .mat files, in which BSDS500, SBD and ImageNet keep their truth: read, and what means harm refused."""

import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from scipy.io import loadmat
from scipy.io.matlab import matfile_version

from common_fate.errors import UserError
from common_fate.foreign.files import read_file

MOST_BYTES = 1 << 28  # of a file, and of its variables
_MOST_NESTED = 16

# Types of elements, and classes of matrices with the number of their parts; a complex one has one more.
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_CELL, _STRUCT = 1, 2
_LEAVES = {4: 1, 5: 3} | dict.fromkeys(range(6, 16), 1)  # characters, sparse, numbers
_COMPLEX = 0x800

Order = Literal["little", "big"]


def read_variables(path: Path, most: int = MOST_BYTES) -> dict[str, Any]:
    """Reads a file's variables by name.

    Args:
        path: of the file.
        most: bytes that it may have, packed and unpacked.

    Raises:
        UserError: the file cannot be read, or unpacks to more than that.
    """
    try:
        data = read_file(path, most)
        _check(data, most)
        found = loadmat(io.BytesIO(data))
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except NotImplementedError as error:  # HDF5
        raise UserError(f"{path}: is of Matlab's format 7.3; save it with `-v7`") from error
    except Exception as error:  # a garbled file raises whatever its bytes happen to hit
        raise UserError(f"{path}: is no .mat file that can be read: {error}") from error
    return {name: value for name, value in found.items() if not name.startswith("__")}


def _check(whole: bytes, left: int) -> None:
    """Raises ValueError where a file of version 5 unpacks to too much, or is not built by the letter.

    SciPy believes a cell array's dimensions and not its length, and follows cells within cells until its stack and with
    it the process ends. So all lengths and counts have to fit, and the nesting is bounded. Other versions have nothing
    that is compressed or nested. Source: "MAT-File Format", The MathWorks.
    """
    if matfile_version(io.BytesIO(whole))[0] != 1:
        return
    data = memoryview(whole)
    order: Order = "little" if whole[126:128] == b"IM" else "big"
    most = left
    for kind, content in _elements(data[128:], order):
        if kind == _COMPRESSED:
            variable = memoryview(zlib.decompressobj().decompress(content, left + 1))
            left -= len(variable)
            if left < 0:
                raise ValueError(f"unpacks to more than {most} bytes")
            for kind, content in _elements(variable, order):
                _check_matrix(kind, content, order, _MOST_NESTED)
        else:
            _check_matrix(kind, content, order, _MOST_NESTED)


def _check_matrix(kind: int, content: memoryview, order: Order, nested: int) -> None:
    """Raises ValueError unless the element is a matrix whose parts are those of its class, `nested` deep at most."""
    if kind != _MATRIX or not nested:
        raise ValueError("has an element that is no matrix, or cells within cells without end")
    if not content:
        return
    parts = _elements(content, order)
    try:
        flags, sides, name = next(parts), next(parts), next(parts)
        if (flags[0], len(flags[1]), sides[0], name[0]) != (_UINT32, 8, _INT32, _INT8):
            raise ValueError("has a matrix without flags, dimensions or name")
        cls, is_complex = _integer(flags[1], order) & 0xFF, bool(_integer(flags[1], order) & _COMPLEX)
        count = math.prod(_integer(sides[1][i : i + 4], order) for i in range(0, len(sides[1]), 4))
        if cls == _STRUCT:
            (_, length), (_, names) = next(parts), next(parts)
            count *= len(names) // _integer(length, order) if _integer(length, order) else 0
        elif cls in _LEAVES:
            count = _LEAVES[cls] + is_complex
        elif cls != _CELL:
            raise ValueError("has objects or functions, and only plain arrays, cells and structs are read")
    except StopIteration:
        raise ValueError("has a matrix that is cut off") from None
    for kind, part in parts:
        count -= 1
        if cls not in _LEAVES:
            _check_matrix(kind, part, order, nested - 1)
    if count:
        raise ValueError("has a matrix with more or fewer parts than it says")


def _elements(data: memoryview, order: Order) -> Iterator[tuple[int, memoryview]]:
    """Type and content of each element: a tag of 8 bytes and what it says, or 4 bytes at most within the tag itself."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("is cut off")
        kind, size, start, step = _integer(data[at:], order), _integer(data[at + 4 :], order), at + 8, 8
        if kind >> 16:
            kind, size, start, step = kind & 0xFFFF, kind >> 16, at + 4, 0
        end = start + size
        if end > len(data) or (not step and size > 4):
            raise ValueError("has an element longer than what it is in")
        yield kind, data[start:end]
        # Compressed variables alone follow each other without padding.
        at = at + 8 if not step else end if kind == _COMPRESSED else end + -size % 8


def _integer(data: memoryview, order: Order) -> int:
    return int.from_bytes(data[:4], order)
