"""Members: bytes in the tar, arrays in the code. The extension says how.

Nothing here executes what it reads, and every size is bounded before memory is taken for it.
"""

import io
import json
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.kernels.flowcode import decode_flow, encode_flow

MAX_PIXELS = 2**26
MAX_JSON_BYTES = 2**20
MAX_ARRAY_BYTES = 2**30


def encode(extension: str, value: Any) -> bytes:
    """A member's bytes. `bytes` pass through: the stage has encoded them itself.

    `json`: a dict; `npy`: any array but of objects; `png`: `(H, W)` uint8 or uint16; `b2`: flow, `(2, H, W)` float32.
    """
    if isinstance(value, bytes):
        return value
    return _ENCODERS[_kind(extension)](value)


def decode(extension: str, data: bytes) -> Any:
    """A member's value: `jpg` `(H, W, 3)` uint8 RGB, `png` `(H, W)` uint8 or uint16, `npy` an array, `json` a dict,
    `b2` flow, `(2, H, W)` float32 in pixels.

    Raises:
        ValueError: damaged, or larger than any sample has reason to be.
    """
    return _DECODERS[_kind(extension)](data)


def _kind(extension: str) -> str:
    kind = extension.rpartition(".")[2]
    if kind not in _DECODERS:
        raise ValueError(f"a member {extension!r} has no place in a shard (only {', '.join(_DECODERS)})")
    return kind


def _encode_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def _encode_npy(value: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(value), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _encode_png(value: NDArray[np.uint8 | np.uint16]) -> bytes:
    if value.ndim != 2 or value.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a PNG in a shard is (H, W) uint8 or uint16, not {value.shape} {value.dtype}")
    return cv2.imencode(".png", value)[1].tobytes()


def _encode_flow(value: NDArray[np.float32]) -> bytes:
    return encode_flow(value)[0]


def _decode_json(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_JSON_BYTES:
        raise ValueError(f"a JSON member of {len(data)} bytes; at most {MAX_JSON_BYTES}")
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError("a JSON member nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("a JSON member must be an object")
    return value


def _decode_npy(data: bytes) -> NDArray[Any]:
    buffer = io.BytesIO(data)
    if np.lib.format.read_magic(buffer) != (1, 0):
        raise ValueError("not a version 1.0 .npy")
    try:
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(buffer)
    except Exception as error:  # NumPy parses the header as Python: a damaged one may raise SyntaxError and others
        raise ValueError("damaged .npy header") from error
    if dtype.hasobject:
        raise ValueError("an array of Python objects is refused: loading it could run code")
    # In Python integers: a hostile shape must not overflow past the bound.
    count = 1
    for length in shape:
        count *= length
    size = count * dtype.itemsize
    # Of nothing at all there may be any number in no bytes, but NumPy makes room for one byte each.
    if dtype.itemsize == 0 or size > MAX_ARRAY_BYTES or size != len(data) - buffer.tell():
        raise ValueError(f"an array {shape} {dtype} does not fit its {len(data)} bytes")
    array = np.frombuffer(data, dtype, count, buffer.tell())
    return array.reshape(shape, order="F" if by_column else "C").copy()


def _decode_jpg(data: bytes) -> NDArray[np.uint8]:
    _check_size(data, "JPEG")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError("damaged JPEG")
    return image


def _decode_png(data: bytes) -> NDArray[np.uint8 | np.uint16]:
    _check_size(data, "PNG")
    labels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if labels is None or labels.ndim != 2:
        raise ValueError("damaged PNG, or not one channel")
    return labels


def _check_size(data: bytes, expected: str) -> None:
    """Reads the header alone: a few bytes may claim a picture larger than memory."""
    try:
        with Image.open(io.BytesIO(data), formats=(expected,)) as image:
            width, height = image.size
    except Exception as error:
        raise ValueError(f"damaged {expected}") from error
    if width * height > MAX_PIXELS:
        raise ValueError(f"a picture of {width}x{height} pixels; at most {MAX_PIXELS} in all")


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "json": _encode_json,
    "npy": _encode_npy,
    "png": _encode_png,
    "b2": _encode_flow,
}
_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "json": _decode_json,
    "npy": _decode_npy,
    "png": _decode_png,
    "jpg": _decode_jpg,
    "b2": decode_flow,
}
