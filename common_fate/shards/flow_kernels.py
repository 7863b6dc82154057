"""The flow codec's differences, compiled: the same numbers as those of `flow_arrays`, in a fraction of the time."""

import numpy as np
from numpy.typing import NDArray

from common_fate.compiled import njit


@njit(cache=True)
def code_of(flow: NDArray[np.float32]) -> tuple[NDArray[np.uint16], int]:
    """Returns zigzag-coded differences, uint16, and the number of clipped values (-1: some are not finite)."""
    code = np.empty(flow.shape, np.uint16)
    clipped = 0
    above = np.empty(flow.shape[2], np.int16)
    row = np.empty(flow.shape[2], np.int16)
    finite = True
    for c in range(flow.shape[0]):
        above[:] = 0
        for y in range(flow.shape[1]):
            for x in range(flow.shape[2]):
                value = flow[c, y, x]
                finite &= abs(value) < np.float32(np.inf)
                steps = np.rint(value * np.float32(64))
                clipped += abs(steps) > np.float32(32767)
                row[x] = np.int16(min(max(steps, np.float32(-32767)), np.float32(32767)))
            for x in range(flow.shape[2]):
                difference = np.int32(row[x]) - np.int32(above[x])
                if x > 0:
                    difference -= np.int32(row[x - 1]) - np.int32(above[x - 1])
                wrapped = np.int16(difference)
                code[c, y, x] = np.uint16((np.int32(wrapped) << 1) ^ (np.int32(wrapped) >> 15))
            row, above = above, row
    return code, clipped if finite else -1


@njit(cache=True)
def field_of(code: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Returns the field of zigzag-coded differences, float32, pixels."""
    flow = np.empty(code.shape, np.float32)
    width = code.shape[2]
    # Sums of the differences above each pixel, of four such sums, and of all to the left. Eight zeros stand before
    # each, so that sums of eight, each added to the one eight places before it, need no case of their own: these loops
    # become vector instructions, where adding one value after the other waits for every addition.
    above = np.zeros(8 + width, np.int16)
    four = np.zeros(8 + width, np.int16)
    row = np.zeros(8 + width, np.int16)
    for c in range(code.shape[0]):
        above[:] = 0
        for y in range(code.shape[1]):
            for x in range(width):
                value = np.int32(code[c, y, x])
                above[8 + x] = np.int16(np.int32(above[8 + x]) + ((value >> 1) ^ -(value & 1)))
            for x in range(8, 8 + width):
                four[x] = np.int16(above[x] + above[x - 1] + above[x - 2] + above[x - 3])
            for x in range(8, 8 + width):
                row[x] = np.int16(four[x] + four[x - 4] + row[x - 8])
            for x in range(width):
                flow[c, y, x] = np.float32(row[8 + x]) * np.float32(1 / 64)
    return flow
