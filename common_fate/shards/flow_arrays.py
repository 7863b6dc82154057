"""The flow codec's differences in NumPy, where Numba is not installed: the same numbers as those of `flow_kernels`."""

import numpy as np
from numpy.typing import NDArray


def code_of(flow: NDArray[np.float32]) -> tuple[NDArray[np.uint16], int]:
    """Returns zigzag-coded differences, uint16, and the number of clipped values (-1: some are not finite)."""
    if not np.isfinite(flow).all():
        return np.zeros(flow.shape, np.uint16), -1
    with np.errstate(over="ignore"):  # what becomes infinite is clipped
        steps = np.rint(flow * np.float32(64))
    clipped = int(np.count_nonzero(np.abs(steps) > 32767))
    level = np.clip(steps, -32767, 32767).astype(np.int16)
    # Differences wrap around in 16 bits, and so do the sums that undo them.
    level[:, 1:] -= level[:, :-1].copy()
    level[..., 1:] -= level[..., :-1].copy()
    return ((level << 1) ^ (level >> 15)).view(np.uint16), clipped


def field_of(code: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Returns the field of zigzag-coded differences, float32, pixels."""
    level = (code >> 1).astype(np.int16) ^ -(code & 1).astype(np.int16)
    np.cumsum(level, axis=2, dtype=np.int16, out=level)
    np.cumsum(level, axis=1, dtype=np.int16, out=level)
    return level * np.float32(1 / 64)
