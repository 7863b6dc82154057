"""Label images, as Matlab keeps them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError


def cells(value: Any) -> list[Any]:
    """Returns what a cell array holds, in Matlab's order; anything else is a list of itself."""
    return list(value.ravel("F")) if isinstance(value, np.ndarray) and value.dtype == object else [value]


def numbers(value: Any, what: str) -> NDArray[Any]:
    """Returns a value that is a matrix of finite real numbers, with at least one.

    Raises:
        UserError: it is none.
    """
    matrix = np.asarray(value)
    if matrix.ndim != 2 or matrix.size == 0 or matrix.dtype.kind not in "uifb" or not np.isfinite(matrix).all():
        raise UserError(f"{what}: should be (H, W) numbers, and is {matrix.dtype} {matrix.shape}")
    return matrix


def label_image(value: Any, what: str) -> NDArray[np.int64]:
    """Returns a label image with its labels made 0 to n-1, in the order of their numbers.

    Raises:
        UserError: it is not two-dimensional, has no pixel, or its values are not whole numbers.
    """
    labels = numbers(value, what)
    if not np.all(labels == labels // 1):
        raise UserError(f"{what}: should be whole numbers, and has fractions")
    _, compact = np.unique(labels, return_inverse=True)
    return np.asarray(compact, np.int64).reshape(labels.shape)
