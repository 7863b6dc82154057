"""Matlab's .mat files, in which BSDS500, SBD and ImageNet keep their truth: read, with nothing but NumPy.

SciPy's reader believes what a file says of itself: types and lengths that are none end the process, and a file of a few
hundred bytes can take all memory. Here nothing is built that the file does not hold.
"""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.foreign.files import read_file

MOST_BYTES = 1 << 28  # of a file, and of its variables
_MOST_PARTS = 1 << 18  # of cells and fields: an array of Python's takes a hundred bytes
_MOST_NESTED, _MOST_FIELDS, _MOST_SIDES, _LONGEST_NAME = 16, 1 << 12, 32, 63

# Types of elements, and classes of matrices: "MAT-File Format", The MathWorks, tables 1-1 and 1-3.
_UINT32, _MATRIX, _COMPRESSED = 6, 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _TEXT = 1, 2, 4
_ARRAYS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x800
_HEADER, _VERSION_5, _VERSION_73 = 128, 1, 2

Order = Literal["little", "big"]


def read_variables(path: Path, most: int = MOST_BYTES) -> dict[str, Any]:
    """Reads a file's variables by name, as `scipy.io.loadmat` does, but for numbers kept in fewer bytes.

    Numbers are arrays of their class (logical ones of uint8), text is an array of its rows, cells are one of objects,
    and structs one with a field of objects for each of theirs.

    Args:
        path: of the file, of version 5: what Matlab writes with `-v6` and `-v7`.
        most: bytes that it may have packed, and that its unpacked data and its arrays may have together.

    Raises:
        UserError: the file cannot be read, unpacks to more than that, or holds sparse matrices, objects or functions.
    """
    try:
        data = read_file(path, most)
        return _File(data, most).variables()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except (OSError, ValueError, zlib.error) as error:
        raise UserError(f"{path}: is no .mat file that can be read: {error}") from error


class _File:
    """Reads one file. What is left to read of parts and bytes is counted, so that the whole is bounded."""

    def __init__(self, data: bytes, most: int) -> None:
        self._order: Order = "little" if data[126:128] == b"IM" else "big"
        version = int.from_bytes(data[124:126], self._order) >> 8
        if version == _VERSION_73 or data.startswith(b"\x89HDF"):
            raise ValueError("it is of Matlab's format 7.3; save it with `-v7`")
        if data[126:128] not in (b"IM", b"MI") or version != _VERSION_5:
            raise ValueError("it is not of Matlab's format 5; save it with `-v7`")
        self._data, self._most = memoryview(data)[_HEADER:], most
        self._bytes, self._parts = most, _MOST_PARTS

    def variables(self) -> dict[str, Any]:
        found = {}
        for kind, content in self._elements(self._data):
            for inner, matrix in self._unpacked(content) if kind == _COMPRESSED else [(kind, content)]:
                name, value = self._matrix(inner, matrix, _MOST_NESTED)
                if name:
                    found[name] = value
        return found

    def _unpacked(self, packed: memoryview) -> Iterator[tuple[int, memoryview]]:
        data = zlib.decompressobj().decompress(packed, self._bytes + 1)
        self._take(len(data))
        return self._elements(memoryview(data))

    def _take(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise ValueError(f"unpacks to more than {self._most} bytes")

    def _elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Type and content of each element: a tag of 8 bytes and what it says, or 4 bytes at most within the tag."""
        at = 0
        while at < len(data):
            if at + 8 > len(data):
                raise ValueError("is cut off")
            kind, size, start, short = self._integer(data[at:]), self._integer(data[at + 4 :]), at + 8, False
            if kind >> 16:
                kind, size, start, short = kind & 0xFFFF, kind >> 16, at + 4, True
            end = start + size
            if end > len(data) or (short and size > 4):
                raise ValueError("has an element longer than what it is in")
            yield kind, data[start:end]
            # Compressed variables alone follow each other without padding.
            at = at + 8 if short else end if kind == _COMPRESSED else end + -size % 8

    def _matrix(self, kind: int, content: memoryview, nested: int) -> tuple[str, Any]:
        """The name and the value of an element that is a matrix."""
        if kind != _MATRIX or not nested:
            raise ValueError("has an element that is no matrix, or cells within cells without end")
        self._parts -= 1
        if self._parts < 0:
            raise ValueError(f"has more than {_MOST_PARTS} cells and fields")
        if not content:
            return "", np.zeros((0, 0))
        parts = self._elements(content)
        try:
            (flags_kind, flags), (_, sides_of), (_, name) = next(parts), next(parts), next(parts)
            if (
                flags_kind != _UINT32
                or len(flags) != 8
                or len(sides_of) % 4
                or not 8 <= len(sides_of) <= 4 * _MOST_SIDES
            ):
                raise ValueError("has a matrix without flags or dimensions")
            cls, is_complex = self._integer(flags) & 0xFF, self._integer(flags) & _COMPLEX
            sides = tuple(self._integer(sides_of[at:]) for at in range(0, len(sides_of), 4))
            value: Any
            if cls == _CELL:
                value = self._cells(parts, sides, nested)
            elif cls == _STRUCT:
                value = self._structs(parts, sides, nested)
            elif cls == _TEXT:
                value = self._text(*next(parts), sides)
            elif cls in _ARRAYS:
                value = self._numbers(*next(parts), sides, _ARRAYS[cls])
                if is_complex:
                    real, value = value, np.empty(sides, np.complex128)
                    value.real, value.imag = real, self._numbers(*next(parts), sides, _ARRAYS[cls])
            else:
                raise ValueError(
                    "has sparse matrices, objects or functions: only full arrays, cells and structs are read"
                )
        except StopIteration:
            raise ValueError("has a matrix that is cut off, or with fewer parts than it says") from None
        if next(parts, None):
            raise ValueError("has a matrix with more parts than it says")
        return _name(name), value

    def _cells(self, parts: Iterator[tuple[int, memoryview]], sides: tuple[int, ...], nested: int) -> NDArray[Any]:
        values = [self._matrix(*part, nested - 1)[1] for part in parts]
        if len(values) != math.prod(sides):
            raise ValueError("has a cell array with more or fewer parts than it says")
        return _objects(values).reshape(sides, order="F")

    def _structs(self, parts: Iterator[tuple[int, memoryview]], sides: tuple[int, ...], nested: int) -> NDArray[Any]:
        length, (_, text) = self._integer(next(parts)[1]), next(parts)
        count = len(text) // length if length else 0
        if count > _MOST_FIELDS:
            raise ValueError(f"has a struct of more than {_MOST_FIELDS} fields")
        names = [_name(text[at * length :][:length]) for at in range(count)]
        if not all(names) or len(set(names)) < count:
            raise ValueError("has a struct whose fields have no names of their own")
        values = _objects([self._matrix(*part, nested - 1)[1] for part in parts])
        if len(values) != math.prod(sides) * count or math.prod(sides) > _MOST_PARTS:
            raise ValueError("has a struct array with more or fewer parts than it says")
        made = np.empty(math.prod(sides), [(name, object) for name in names])
        for number, name in enumerate(names):
            made[name] = values[number::count]
        return made.reshape(sides, order="F")

    def _numbers(self, kind: int, content: memoryview, sides: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Numbers may be kept in fewer bytes than their class has."""
        if kind not in _NUMBERS:
            raise ValueError("has a matrix whose numbers are of no type")
        kept = np.dtype(_NUMBERS[kind]).newbyteorder(self._order)
        if len(content) != math.prod(sides) * kept.itemsize:
            raise ValueError("has a matrix with more or fewer numbers than it says")
        self._take(math.prod(sides) * np.dtype(dtype).itemsize)
        with np.errstate(invalid="ignore"):  # what is no number becomes a whole one
            return np.frombuffer(content, kept).astype(dtype).reshape(sides, order="F")

    def _text(self, kind: int, content: memoryview, sides: tuple[int, ...]) -> NDArray[np.str_]:
        """The rows of a text, each as one."""
        if kind not in _TEXTS:
            raise ValueError("has a text of no encoding")
        codec = _TEXTS[kind]
        letters = bytes(content).decode(f"{codec}-{self._order[0]}e" if codec in ("utf-16", "utf-32") else codec)
        if len(letters) != math.prod(sides):
            raise ValueError("has a text with more or fewer letters than it says")
        self._take(4 * len(letters))
        if not letters:
            return np.zeros(0, np.str_)
        grid = np.frombuffer(letters.encode("utf-32-le"), "<U1").reshape(sides, order="F")
        return np.ascontiguousarray(grid).view(f"<U{sides[-1]}")[..., 0]

    def _integer(self, data: memoryview) -> int:
        return int.from_bytes(data[:4], self._order)


def _objects(values: list[Any]) -> NDArray[Any]:
    made = np.empty(len(values), object)
    for number, value in enumerate(values):
        made[number] = value
    return made


def _name(text: memoryview) -> str:
    """What comes before the first zero: nothing, or a name as Matlab's are."""
    name = bytes(text).partition(b"\0")[0].decode()
    if name and not (name.isidentifier() and len(name) <= _LONGEST_NAME):
        raise ValueError("has a variable or a field with a name that is none")
    return name
