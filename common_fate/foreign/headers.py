"""What the headers of members claim, read before a decoder believes it.

Stricter than the decoders' own reading: what passes here means the same to them, and what they would bear with (bytes
between segments, a second frame header) is refused.
"""

import re
import struct
from typing import NamedTuple

import numpy as np

from common_fate.shards.limits import MAX_PIXELS, MAX_SCANS, quoted

_MOST_SEGMENTS = 4096
_MOST_CHUNKS = 2**17
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_HUFFMAN = (0xC0, 0xC1, _PROGRESSIVE)  # with baseline and extended
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NPY = re.compile(
    rb"\{'descr': '(\|b1|[<>|][iu][1248]|[<>]f[248])', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,12}, ?){0,8}[0-9]{0,12})\),? ?\} *\n?"
)


class Size(NamedTuple):
    """The size of a picture, in pixels."""

    height: int
    width: int


def jpeg_size(data: bytes) -> Size:
    """Returns the size that a JPEG's one frame header claims.

    Raises:
        ValueError: it is damaged, too large, neither grey nor of three colours, of a rare coding, or has so many scans
            that decoding it would not end.
    """
    if data[:2] != b"\xff\xd8":
        raise ValueError("damaged JPEG: it does not start like one")
    at, size, channels, progressive = 2, None, 0, False
    for _ in range(_MOST_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if len(data) < at + 4 or data[at] != 0xFF:
            break
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if length < 2 or not 0xC0 <= marker <= 0xFE or 0xD0 <= marker <= 0xD9:
            break
        if marker in _FRAME_HEADERS:
            if size or marker not in _HUFFMAN or length < 8 or len(data) < at + 10:
                break
            bits, height, width, channels = struct.unpack_from(">BHHB", data, at + 4)
            if bits != 8 or channels not in (1, 3):
                raise ValueError(f"a JPEG of {channels} channels of {bits} bits, neither grey nor RGB")
            size, progressive = _checked(height, width), marker == _PROGRESSIVE
        elif marker == 0xDA and size:
            # Whatever comes after a scan of all there is, decoders (jdinput.c of libjpeg) take no second one.
            several = progressive or data[at + 4 : at + 5] != bytes([channels])
            if several and data.count(b"\xff\xda") > MAX_SCANS:
                raise ValueError(f"a JPEG of more than {MAX_SCANS} scans")
            return size
        at += 2 + length
    raise ValueError(f"damaged JPEG: no header of a picture up to byte {at}")


def plain_png(data: bytes) -> tuple[bytes, Size, int]:
    """Returns a PNG without all that is not its pixels (profiles, texts, animation); its size and depth, 8 or 16 bits.

    Raises:
        ValueError: it is damaged, too large, or not of one channel of 8 or 16 bits.
    """
    if data[:16] != _SIGNATURE + b"\0\0\0\rIHDR" or len(data) < 33:
        raise ValueError("damaged PNG: it does not start like one")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    size = _checked(height, width)
    if colour != 0 or depth not in (8, 16):
        raise ValueError("a PNG that is not one channel of 8 or 16 bits")
    parts, at = [data[:33]], 33
    for _ in range(_MOST_CHUNKS):
        if len(data) < at + 12:
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind in (b"IDAT", b"IEND"):
            parts.append(data[at:end])
        if kind == b"IEND" and length == 0:
            return b"".join(parts), size, depth
        at = end
    raise ValueError("damaged PNG: it has no end")


def npy_layout(data: bytes) -> tuple[np.dtype[np.generic], tuple[int, ...], bool, int]:
    """Returns type, shape, whether by column, and where the numbers start, of a version 1.0 `.npy` of plain numbers.

    NumPy itself reads the header as a Python literal; here it has to be what NumPy writes, letter for letter.

    Raises:
        ValueError: it is none, or its shape does not fit its bytes.
    """
    if data[:8] != b"\x93NUMPY\x01\x00" or len(data) < 10:
        raise ValueError("not a version 1.0 .npy")
    start = 10 + int.from_bytes(data[8:10], "little")
    header = data[10 : min(start, 1024)]
    if b"O" in header:
        raise ValueError("an array of Python objects is refused: loading it could run code")
    found = _NPY.fullmatch(header)
    if not found or len(data) < start:
        raise ValueError(f"damaged .npy header, or not of plain numbers: {quoted(header.decode('latin-1'))}")
    dtype = np.dtype(found[1].decode())
    shape = tuple(int(length) for length in found[3].split(b",") if length.strip())
    # In Python integers: a hostile shape must not overflow past the bound.
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize != len(data) - start:
        raise ValueError(f"an array {shape} {dtype} does not fit its {len(data) - start} bytes")
    return dtype, shape, found[2] == b"True", start


def _checked(height: int, width: int) -> Size:
    if not height or not width or height * width > MAX_PIXELS:
        raise ValueError(f"a picture of {width}x{height} pixels; at least 1 and at most {MAX_PIXELS} in all")
    return Size(height, width)
