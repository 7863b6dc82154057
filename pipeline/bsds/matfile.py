"""Matlab's .mat files, in which BSDS500 keeps segmentations."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from pipeline.errors import UserError


def read_variables(path: Path) -> dict[str, Any]:
    """A file's variables by name.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        found = loadmat(path)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except NotImplementedError as error:  # HDF5
        raise UserError(f"{path}: is of Matlab's format 7.3; save it with `-v7`") from error
    except Exception as error:  # a garbled file raises whatever its bytes happen to hit
        raise UserError(f"{path}: is no .mat file that can be read ({type(error).__name__}: {error})") from error
    return {name: value for name, value in found.items() if not name.startswith("__")}


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
