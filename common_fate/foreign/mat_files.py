"""Matlab's .mat files, in which the field keeps contour maps: written, with nothing but NumPy."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

# Types of elements, and the class of a matrix of floats: "MAT-File Format", The MathWorks, tables 1-1 and 1-3.
_INT8, _INT32, _UINT32, _SINGLE, _MATRIX, _COMPRESSED = 1, 5, 6, 7, 14, 15
_SINGLE_CLASS = 7
_HEADER = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + struct.pack("<H", 0x0100) + b"IM"


def mat_bytes(name: str, matrix: NDArray[np.float32]) -> bytes:
    """Returns a file of version 5, compressed, with one variable `(H, W)`.

    Raises:
        ValueError: the array is no matrix.
    """
    if matrix.ndim != 2:
        raise ValueError(f"a matrix is (H, W), not {matrix.shape}")
    parts = (
        _element(_UINT32, struct.pack("<II", _SINGLE_CLASS, 0)),
        _element(_INT32, struct.pack("<ii", *matrix.shape)),
        _element(_INT8, name.encode("ascii")),
        _element(_SINGLE, matrix.astype("<f4").tobytes(order="F")),
    )
    packed = zlib.compress(_element(_MATRIX, b"".join(parts)))
    return _HEADER + struct.pack("<II", _COMPRESSED, len(packed)) + packed


def _element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)
