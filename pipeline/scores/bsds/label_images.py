"""Label images, as Matlab keeps them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError


def cells(value: Any) -> list[Any]:
    """Returns what a cell array holds, in Matlab's order; anything else is a list of itself."""
    return list(value.ravel("F")) if isinstance(value, np.ndarray) and value.dtype == object else [value]


def label_image(value: Any, what: str) -> NDArray[np.int64]:
    """Returns a label image with its labels made 0 to n-1, in the order of their numbers.

    Raises:
        UserError: it is not two-dimensional, has no pixel, or its values are not whole numbers.
    """
    labels = np.asarray(value)
    if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "uifb" or not np.all(labels == labels // 1):
        raise UserError(f"{what}: should be (H, W) whole numbers, and is {labels.dtype} {labels.shape}")
    _, compact = np.unique(labels, return_inverse=True)
    return np.asarray(compact, np.int64).reshape(labels.shape)
