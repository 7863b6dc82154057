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

from common_fate.foreign.files import parse_json
from common_fate.foreign.headers import jpeg_size, npy_layout, plain_png
from common_fate.shards.flow_coding import decode_flow, encode_flow
from common_fate.shards.limits import check_extension, check_size
from common_fate.shards.members import check_member


def encode(extension: str, value: Any) -> bytes:
    """A member's bytes. `bytes` pass through: the stage has encoded them itself.

    `json`: a dict; `npy`: any array of numbers; `png`: `(H, W)` uint8 or uint16; `b2`: flow, `(2, H, W)` float32.

    Raises:
        ValueError: none of these, or so large that no reader would take it.
    """
    data = value if isinstance(value, bytes) else _ENCODERS[check_extension(extension)](value)
    check_size(extension, len(data))
    return data


def decode(extension: str, data: bytes) -> Any:
    """A member's value: `jpg` `(H, W, 3)` uint8 RGB, `png` `(H, W)` uint8 or uint16, `npy` an array, `json` a dict,
    `b2` flow, `(2, H, W)` float32 in pixels.

    Raises:
        ValueError: damaged, larger than any sample has reason to be, or not what a member of that name holds.
    """
    check_size(extension, len(data))
    value = _DECODERS[check_extension(extension)](data)
    check_member(extension, value)
    return value


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
    value = parse_json(data)
    if not isinstance(value, dict):
        raise ValueError("a JSON member must be an object")
    return value


def _decode_npy(data: bytes) -> NDArray[Any]:
    dtype, shape, by_column, start = npy_layout(data)
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if by_column else "C").copy()


def _decode_jpg(data: bytes) -> NDArray[np.uint8]:
    size = jpeg_size(data)
    return _pixels(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION, (*size, 3), np.uint8, "JPEG")


def _decode_png(data: bytes) -> NDArray[np.uint8 | np.uint16]:
    plain, size, depth = plain_png(data)
    return _pixels(plain, cv2.IMREAD_UNCHANGED, size, np.uint8 if depth == 8 else np.uint16, "PNG")


def _pixels(data: bytes, flags: int, shape: tuple[int, ...], dtype: type[Any], kind: str) -> NDArray[Any]:
    """A picture, which has to be of the size and depth that its header claimed."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(f"damaged {kind}") from error
    if image is None or image.shape != shape or image.dtype != dtype:
        raise ValueError(f"damaged {kind}")
    return image


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
