"""Matlab's .mat files, in which BSDS500 keeps segmentations."""

import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from pipeline.errors import UserError

_MOST_BYTES = 1 << 28  # of a file's variables
_COMPRESSED = 15  # the type of a compressed variable


def read_variables(path: Path) -> dict[str, Any]:
    """A file's variables by name.

    Raises:
        UserError: the file cannot be read, or unpacks to more than any segmentation has reason to be.
    """
    try:
        if _unpacked_bytes(path) > _MOST_BYTES:
            raise UserError(f"{path}: unpacks to more than {_MOST_BYTES >> 20} MB, and no segmentation has that many")
        found = loadmat(path)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except NotImplementedError as error:  # HDF5
        raise UserError(f"{path}: is of Matlab's format 7.3; save it with `-v7`") from error
    except Exception as error:  # a garbled file raises whatever its bytes happen to hit
        raise UserError(f"{path}: is no .mat file that can be read ({type(error).__name__}: {error})") from error
    return {name: value for name, value in found.items() if not name.startswith("__")}


def _unpacked_bytes(path: Path) -> int:
    """At least how many bytes a file unpacks to; counting ends once there are too many.

    A variable of version 5 is a tag of type and size, and zlib data if it is of the compressed type. Other versions
    have nothing that is compressed: there the file's own size is returned.
    """
    if path.stat().st_size > _MOST_BYTES:
        return path.stat().st_size
    data = path.read_bytes()
    total, at = len(data), 128
    order: Literal["little", "big"] = "big" if data[126:128] == b"MI" else "little"
    if data[126:128] not in (b"IM", b"MI"):
        return total
    while at + 8 <= len(data) and total <= _MOST_BYTES:
        kind, size = (int.from_bytes(data[i : i + 4], order) for i in (at, at + 4))
        if kind == _COMPRESSED:
            unpack = zlib.decompressobj()
            packed = data[at + 8 : at + 8 + size]
            while packed and total <= _MOST_BYTES:
                total += len(unpack.decompress(packed, 1 << 20))
                packed = unpack.unconsumed_tail
        at += 8 + size
    return total


def cells(value: Any) -> list[Any]:
    """What a cell array holds, in Matlab's order; anything else is a list of itself."""
    return list(value.ravel("F")) if isinstance(value, np.ndarray) and value.dtype == object else [value]


def label_image(value: Any, what: str) -> NDArray[np.int64]:
    """A label image with its labels made 0 to n-1, in the order of their numbers.

    Raises:
        UserError: it is not two-dimensional, has no pixel, or its values are not whole numbers.
    """
    labels = np.asarray(value)
    if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "uifb" or not np.all(labels == labels // 1):
        raise UserError(f"{what}: should be (H, W) whole numbers, and is {labels.dtype} {labels.shape}")
    _, compact = np.unique(labels, return_inverse=True)
    return np.asarray(compact, np.int64).reshape(labels.shape)
