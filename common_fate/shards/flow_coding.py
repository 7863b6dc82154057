"""The flow codec: flow fields as bytes, rounded to 1/64 pixel.

A payload is a 12-byte header (the magic `CFF1`, then height and width as little-endian uint32) and one blosc2 chunk
(Zstandard level 1, bit shuffle, 2-byte type) of the int16 field's differences to the left, then up, zigzag-coded. It
needs nothing of this package to read:

    height, width = np.frombuffer(payload, "<u4", count=2, offset=4)
    code = np.frombuffer(blosc2.decompress2(payload[12:]), "<u2").reshape(2, height, width)
    difference = (code >> 1).astype(np.int16) ^ -(code & 1).astype(np.int16)
    flow = difference.cumsum(axis=2, dtype=np.int16).cumsum(axis=1, dtype=np.int16).astype(np.float32) / 64
"""

import struct
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError

STEPS = 64
"""Steps a pixel: the same as KITTI's."""

LIMIT = 32767 / STEPS
"""The largest displacement the codec holds, in pixels; symmetric, so that a flipped field is held just as well."""

MAX_SIDE = 16384
MAX_AREA = 2**26
_SIZES = f"sides from 1 to {MAX_SIDE} and at most {MAX_AREA} pixels"

_HEADER = struct.Struct("<4sII")
_MAGIC = b"CFF1"
_CHUNK_HEADER = 32
_PIPELINE = bytes([0, 0, 0, 0, 0, 2, 5]) + bytes(8)  # bytes 16 to 30: the filters, the codec, their parameters
# Fixed, because blosc2's own choice may change between versions, and with it the bytes. Up to 724x724 in one block.
_BLOCK_BYTES = 2**21


def encode_flow(flow: NDArray[np.float32]) -> tuple[bytes, int]:
    """Encodes a flow field; the same field gives the same bytes.

    Args:
        flow: `(2, H, W)`, pixels; values are rounded to the nearest 1/64, halves to even.

    Returns:
        The payload, and how many values lay beyond +-511.98 pixels and were clipped to it.

    Raises:
        SampleError: a value is not finite, or the field is empty or larger than `MAX_SIDE` or `MAX_AREA`.
    """
    if flow.ndim != 3 or flow.shape[0] != 2 or not _is_size(*flow.shape[1:]):
        raise SampleError(f"a flow field is (2, H, W), {_SIZES}, and not {flow.shape}")
    code, clipped = _code().code_of(np.ascontiguousarray(flow, np.float32))
    if clipped < 0:
        raise SampleError("the flow has values that are not finite")
    import blosc2  # here, because it takes a second, which whoever only asks what stages there are need not wait

    chunk = blosc2.compress2(
        code,
        codec=blosc2.Codec.ZSTD,
        clevel=1,
        filters=[blosc2.Filter.NOFILTER] * 5 + [blosc2.Filter.BITSHUFFLE],
        typesize=2,
        blocksize=min(code.nbytes, _BLOCK_BYTES),
        splitmode=blosc2.SplitMode.NEVER_SPLIT,
        nthreads=1,
    )
    return _HEADER.pack(_MAGIC, *flow.shape[1:]) + chunk, clipped


def decode_flow(payload: bytes) -> NDArray[np.float32]:
    """Decodes `encode_flow`'s payload, which is not trusted: sizes are bounded before anything is decompressed.

    Returns:
        `(2, H, W)`, pixels.

    Raises:
        ValueError: the payload is not one that `encode_flow` writes.
    """
    if len(payload) < _HEADER.size + _CHUNK_HEADER:
        raise ValueError(f"not a flow field: {len(payload)} bytes are fewer than its headers have")
    magic, height, width = _HEADER.unpack_from(payload)
    if magic != _MAGIC:
        raise ValueError(f"not a flow field: it starts with {magic!r} and not with {_MAGIC!r}")
    if not _is_size(height, width):
        raise ValueError(f"damaged flow field: {height}x{width} pixels where a field has {_SIZES}")
    code = np.frombuffer(_decompress(memoryview(payload)[_HEADER.size :], 4 * height * width), "<u2")
    return _code().field_of(code.reshape(2, height, width))


def _is_size(height: int, width: int) -> bool:
    return 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and height * width <= MAX_AREA


def _decompress(chunk: memoryview, size: int) -> bytes:
    """The content of a blosc2 chunk that has to be of the kind `encode_flow` makes, and of `size` bytes.

    Source of the layout: "Blosc Chunk Format" in the documentation of C-Blosc2.
    """
    version, _, flags, typesize, claimed, block, stored = struct.unpack_from("<4B3I", chunk)
    if claimed != size:
        raise ValueError(f"damaged flow field: its chunk claims {claimed} bytes where its size needs {size}")
    if stored != len(chunk):
        raise ValueError(f"damaged flow field: its chunk claims to be {stored} bytes long and is {len(chunk)}")
    # Blosc2 reads far more than we write: dictionaries, plug-in codecs and filters, lazy chunks, chunks that stand for
    # memory left uninitialised. None of that is let in.
    compressed, copied = flags == 0x95, flags & 0x0F == 0x07
    zeros_or_plain = chunk[31] in (0x10, 0x00)
    if (
        (version, typesize, bytes(chunk[16:31])) != (5, 2, _PIPELINE)
        or not (compressed or copied)
        or not zeros_or_plain
    ):
        raise ValueError("damaged flow field: its chunk is not Zstandard with a bit shuffle of 2-byte values")
    # It takes working memory by the size of its blocks.
    if block != min(size, _BLOCK_BYTES):
        raise ValueError(
            f"damaged flow field: its blocks claim {block} bytes where they have {min(size, _BLOCK_BYTES)}"
        )
    import blosc2

    try:
        content = blosc2.decompress2(chunk, nthreads=1)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise ValueError(f"damaged flow field: {error}") from None
    return bytes(content)


@cache
def _code() -> ModuleType:
    """What turns fields into code and back; found at the first field, since Numba takes a third of a second to come."""
    try:
        from common_fate.shards import flow_kernels
    except ImportError:  # not installed, or it does not go with this NumPy: it is faster, and nothing else
        from common_fate.shards import flow_arrays

        return flow_arrays
    return flow_kernels
