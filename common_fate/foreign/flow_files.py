"""The flow files of other people: Middlebury's `.flo`, KITTI's 16-bit PNG and CMP's pair of JPEGs.

Flow is `(2, H, W)` float32 in pixels, u to the right and v down, 0 where unknown; `valid` is `(H, W)` bool.
Readers check a file's size against its header before they decode it, and raise `ValueError` naming the file.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_PIXELS = 1 << 26  # 8192 x 8192: far above any flow field, far below what would exhaust a job's memory

_FLO_MAGIC = np.float32(202021.25)
_FLO_UNKNOWN = 1e9
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KITTI_STEP = 64.0
_KITTI_ZERO = 1 << 15
_CMP_RANGE = 50.0

Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]


def read_flo(path: str | Path | BinaryIO) -> tuple[Flow, Mask]:
    """A `.flo` file (Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011).

    Returns flow and valid; a pixel is unknown where a component is beyond 1e9 or not a number.
    """
    with _opened(path) as file:
        header = file.read(12)
        if len(header) < 12 or np.frombuffer(header, "<f4", 1)[0] != _FLO_MAGIC:
            raise ValueError(f"{path}: not a .flo file: it does not begin with the magic number 202021.25")
        width, height = struct.unpack("<ii", header[4:])
        _check_size(path, width, height)
        payload = file.read(8 * width * height + 1)
    if len(payload) != 8 * width * height:
        fault = "cut short" if len(payload) < 8 * width * height else "longer than its header says"
        raise ValueError(f"{path}: {fault}: {width} x {height} flow takes {12 + 8 * width * height} bytes")
    flow = np.frombuffer(payload, "<f4").reshape(height, width, 2).transpose(2, 0, 1)
    valid = (np.abs(flow) <= _FLO_UNKNOWN).all(axis=0)
    return np.where(valid, flow, np.float32(0)), valid


def write_flo(path: str | Path, flow: Flow, valid: Mask | None = None) -> None:
    """Writes `flow (2, H, W)` as a `.flo` file; pixels outside `valid (H, W)` are marked unknown.

    Raises `ValueError` for valid flow that is not finite.
    """
    Path(path).write_bytes(flo_bytes(flow, valid))


def flo_bytes(flow: Flow, valid: Mask | None = None) -> bytes:
    """Returns what `write_flo` writes."""
    valid = _checked(flow, valid)
    height, width = valid.shape
    values = np.where(valid, flow, np.float32(1e10)).transpose(1, 2, 0).astype("<f4")
    return bytes(_FLO_MAGIC.astype("<f4").tobytes() + struct.pack("<ii", width, height) + values.tobytes())


def read_kitti_png(path: str | Path | BinaryIO) -> tuple[Flow, Mask]:
    """A KITTI flow PNG: 16-bit red and green are u and v as `64 x + 32768`, blue is 1 where the flow is known."""
    blue_green_red = cv2.imdecode(np.frombuffer(_whole_png(path), np.uint8), cv2.IMREAD_UNCHANGED)
    if blue_green_red is None or blue_green_red.ndim != 3 or blue_green_red.dtype != np.uint16:
        raise ValueError(f"{path}: the PNG does not decode")
    valid = blue_green_red[..., 0] > 0
    flow = (blue_green_red[..., :0:-1].transpose(2, 0, 1).astype(np.float32) - _KITTI_ZERO) / np.float32(_KITTI_STEP)
    return np.where(valid, flow, np.float32(0)), valid


def write_kitti_png(path: str | Path, flow: Flow, valid: Mask | None = None) -> int:
    """Writes `flow (2, H, W)` as a KITTI PNG, rounded to 1/64 px.

    Returns how many valid values lay outside [-512, 511.98] and were clipped. Raises `ValueError` for valid flow that
    is not finite.
    """
    data, clipped = kitti_png_bytes(flow, valid)
    Path(path).write_bytes(data)
    return clipped


def kitti_png_bytes(flow: Flow, valid: Mask | None = None) -> tuple[bytes, int]:
    """Returns what `write_kitti_png` writes, and what it returns."""
    valid = _checked(flow, valid)
    levels = np.where(valid, np.rint(flow * np.float64(_KITTI_STEP)) + _KITTI_ZERO, 0)
    stored = np.clip(levels, 0, 65535)
    blue_green_red = np.stack([valid, stored[1], stored[0]], axis=-1).astype(np.uint16)
    return cv2.imencode(".png", blue_green_red)[1].tobytes(), int(np.count_nonzero(stored != levels))


def read_jpeg_pair(x: str | Path, y: str | Path) -> Flow:
    """CMP's pair of 8-bit JPEGs, u in one and v in the other: `v = pixel / 255 * 100 - 50`.

    Returns flow alone, for the format knows no unknown. Its step is 0.39 px and zero falls between two levels: motion
    that was still reads as 0.2 px.
    """
    levels = [_grey_jpeg(path) for path in (x, y)]
    if levels[0].shape != levels[1].shape:
        raise ValueError(f"{x} and {y}: u and v differ in size: {levels[0].shape} and {levels[1].shape}")
    return np.stack(levels).astype(np.float32) / np.float32(255) * np.float32(2 * _CMP_RANGE) - np.float32(_CMP_RANGE)


def write_jpeg_pair(x: str | Path, y: str | Path, flow: Flow) -> int:
    """Writes `flow (2, H, W)` as CMP's pair of JPEGs (quality 95).

    Returns how many values lay outside +-50 px and were clipped. Raises `ValueError` for flow that is not finite.
    """
    _checked(flow, None)
    clipped = np.clip(flow, -_CMP_RANGE, _CMP_RANGE)
    levels = np.rint((clipped + _CMP_RANGE) / (2 * _CMP_RANGE) * 255).astype(np.uint8)
    for path, component in zip((x, y), levels, strict=True):
        _write_image(path, ".jpg", component)
    return int(np.count_nonzero(clipped != flow))


@contextmanager
def _opened(path: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    """A file, which may be open already."""
    if isinstance(path, str | Path):
        with Path(path).open("rb") as file:
            yield file
    else:
        yield path


def _check_size(path: str | Path | BinaryIO, width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise ValueError(f"{path}: {width} x {height} is no size of a flow field (at most {MAX_PIXELS} pixels)")


def _checked(flow: Flow, valid: Mask | None) -> Mask:
    """The mask of known pixels, once the shapes fit and the flow is finite there."""
    if flow.ndim != 3 or flow.shape[0] != 2 or flow[0].size == 0:
        raise ValueError(f"flow is (2, H, W), not {flow.shape}")
    valid = np.ones(flow.shape[1:], np.bool_) if valid is None else valid
    if valid.shape != flow.shape[1:]:
        raise ValueError(f"flow {flow.shape} and valid {valid.shape} differ in size")
    if not np.isfinite(flow[:, valid]).all():
        raise ValueError("the flow has values that are not finite where it is valid")
    return valid


def _whole_png(path: str | Path | BinaryIO) -> bytes:
    """The bytes of a whole 16-bit RGB PNG, its size bounded and its checksums tested before anything is decoded.

    OpenCV says so on standard error where a PNG is cut short, and decodes some damaged ones all the same.
    """
    with _opened(path) as file:
        head = file.read(33)
        if len(head) < 33 or head[:8] != _PNG_SIGNATURE or head[12:16] != b"IHDR":
            raise ValueError(f"{path}: not a PNG")
        width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
        if (depth, colour) != (16, 2):
            raise ValueError(
                f"{path}: a KITTI flow is a 16-bit RGB PNG; this one has {depth} bits and colour type {colour}"
            )
        _check_size(path, width, height)
        data = head + file.read(8 * width * height + (1 << 20))
    position = len(_PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        (length,) = struct.unpack(">I", data[position : position + 4].rjust(4, b"\xff"))
        body = data[position + 4 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        if len(checksum) < 4:
            raise ValueError(f"{path}: the PNG is cut short")
        if zlib.crc32(body) != int.from_bytes(checksum, "big"):
            raise ValueError(f"{path}: the PNG is damaged: a checksum does not match")
        kind, position = body[:4], position + 12 + length
    return data[:position]


def _grey_jpeg(path: str | Path) -> NDArray[np.uint8]:
    data = Path(path).read_bytes()
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            _check_size(path, *image.size)
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a whole JPEG: {error}") from None


def _write_image(path: str | Path, extension: str, pixels: NDArray[np.generic]) -> None:
    # Encoded in memory and written by Python, because OpenCV's own writing reports neither a bad path nor a full disk.
    Path(path).write_bytes(cv2.imencode(extension, pixels)[1].tobytes())
