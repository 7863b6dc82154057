"""Members that mean harm: pictures, arrays, flow and JSON, small on disk."""

import io
import pickle
import struct
import zlib

import blosc2
import cv2
import numpy as np

from common_fate.shards.codecs import encode
from tests.support.hostile.view import HEIGHT, WIDTH, Payload, good_members


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    data = bytearray(good_members()["jpg"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_scans(scans: int) -> bytes:
    """A progressive JPEG of 4096 x 4096 pixels, whose last scan is repeated: each costs a pass over the picture."""
    data = cv2.imencode(".jpg", np.zeros((4096, 4096, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, depth: int = 8, colour: int = 0, interlaced: int = 0, more: bytes = b"") -> bytes:
    """A PNG whose header claims a size; of pixels it has as many zeros as fit into a kilobyte."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    pixels = chunk(b"IDAT", zlib.compress(bytes(2**20), 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + pixels + chunk(b"IEND", b"")


def npy_of(text: bytes, data: bytes = bytes(12)) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def npy_shape(shape: str, data: bytes = bytes(12), kind: str = "<f4") -> bytes:
    return npy_of(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode(), data)


def pickled_npy(marker: str) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(marker)], object), allow_pickle=True)
    return buffer.getvalue()


def field_of(height: int, width: int, blosc: bytes) -> bytes:
    return struct.pack("<4sII", b"CFF1", height, width) + blosc


def blosc_of(size: int, **changes: int) -> bytes:
    """A chunk of zeros as the encoder writes them, with fields of its header changed."""
    data = bytearray(encode("flow.b2", np.zeros((2, HEIGHT, WIDTH), np.float32))[12:])
    fields = {"version": 0, "flags": 2, "typesize": 3}
    struct.pack_into("<I", data, 4, size)
    for name, value in changes.items():
        if name in fields:
            data[fields[name]] = value
        else:
            struct.pack_into("<I", data, {"block": 8, "stored": 12}[name], value)
    return bytes(data)


def special_chunk(size: int) -> bytes:
    """32 bytes that stand for any number of memory's own bytes, or of zeros: a chunk of a special value."""
    data = bytearray(blosc_of(size, block=min(size, 2**21)))
    data[31] = 0x40  # uninitialised
    return bytes(data)


def hostile_members(marker: str) -> dict[str, tuple[str, bytes, str]]:
    """By what they are: extension, bytes, and what the refusal says."""
    code = pickle.dumps(Payload(marker))
    zeros = blosc2.compress2(bytes(2**26), typesize=2)
    frame = blosc2.asarray(np.zeros(2**20, np.uint16)).to_cframe()
    return {
        "jpeg 60000x60000": ("jpg", jpeg_of(60_000, 60_000), "60000x60000 pixels"),
        "jpeg 0x0": ("jpg", jpeg_of(0, 0), "0x0 pixels"),
        "jpeg of 5000 scans": ("jpg", jpeg_of_scans(5000), "more than 100 scans"),
        "jpeg that is a png": ("jpg", png_of(8, 8), "damaged JPEG"),
        "jpeg of two frame headers": ("jpg", jpeg_of(8, 8)[:2] + jpeg_of(60_000, 60_000)[2:] * 2, "pixels|damaged"),
        "jpeg that is a pickle": ("jpg", code, "damaged JPEG"),
        "png 100000x100000": ("valid.png", png_of(100_000, 100_000), "100000x100000 pixels"),
        "png 2^31x2^31": ("valid.png", png_of(2**31 - 1, 2**31 - 1), "pixels"),
        "png of 16 bits": ("valid.png", png_of(8, 8, depth=16), "8 bits|damaged"),
        "png of 1 bit": ("valid.png", png_of(8, 8, depth=1), "not one channel of 8 or 16"),
        "png with a palette": ("valid.png", png_of(8, 8, colour=3), "not one channel"),
        "png, interlaced, huge": ("valid.png", png_of(50_000, 50_000, interlaced=1), "pixels"),
        "png with few pixels": ("valid.png", png_of(8000, 8000), "damaged PNG"),
        "png without end": ("valid.png", png_of(8, 8)[:-12], "no end"),
        "npy of objects": ("guidance.npy", pickled_npy(marker), "Python objects"),
        "npy that is a pickle": ("guidance.npy", code, r"not a version 1\.0 \.npy"),
        "npy of a huge shape": ("guidance.npy", npy_shape("(1000000000000, 3)"), "does not fit|damaged"),
        "npy of an overflowing shape": ("guidance.npy", npy_shape("(4294967296, 4294967296, 4)"), "does not fit"),
        "npy of a negative shape": ("guidance.npy", npy_shape("(-1, 3)"), "damaged"),
        "npy of nothing, often": ("guidance.npy", npy_shape("(999999999999,)", b"", "|V0"), "damaged"),
        "npy of two dimensions": ("guidance.npy", npy_shape("(1, 2)", bytes(8)), r"\(N, 3\) float32"),
        "npy of nan": ("guidance.npy", npy_shape("(1, 3)", struct.pack("<3f", 1, float("nan"), 1)), "not finite"),
        "npy of a deep header": ("guidance.npy", npy_of(b"(" * 60_000), "damaged"),
        "npy of a code header": (
            "guidance.npy",
            npy_of(f"__import__('os').system('touch {marker}')".encode()),
            "damaged",
        ),
        "npy of a long header": ("guidance.npy", npy_of(b"{" + b" " * 65_000 + b"}"), "damaged"),
        "flow 2^31x2^31": ("flow.b2", field_of(2**31, 2**31, blosc_of(0)), "pixels"),
        "flow whose chunk claims 4 GB": ("flow.b2", field_of(HEIGHT, WIDTH, blosc_of(2**32 - 1)), "claims"),
        "flow of huge blocks": ("flow.b2", field_of(HEIGHT, WIDTH, blosc_of(3072, block=2**29)), "blocks claim"),
        "flow of another length": ("flow.b2", field_of(HEIGHT, WIDTH, blosc_of(3072, stored=2**20)), "claims to be"),
        "flow of uninitialised memory": ("flow.b2", field_of(8192, 8192, special_chunk(2**28)), "not Zstandard"),
        "flow of another codec": ("flow.b2", field_of(4096, 4096, zeros), "not Zstandard"),
        "flow that is a frame": ("flow.b2", field_of(HEIGHT, WIDTH, bytes(frame)), "damaged"),
        "flow that is lazy": ("flow.b2", field_of(HEIGHT, WIDTH, blosc_of(3072, flags=0xF5)), "not Zstandard"),
        "json, deep": ("json", b'{"a":' * 60_000 + b"1" + b"}" * 60_000, "deeply|values"),
        "json, deep but whole": ("json", b'{"a":' * 400 + b"1" + b"}" * 400, "deeply"),
        "json of many lists": ("json", b'{"a": [' + b"[]," * 300_000 + b"[]]}", "more than 65536 values"),
        "json of a huge number": ("json", b'{"next": ' + b"9" * 4000 + b"}", "64 bits"),
        "json of a large number": ("json", b'{"next": 18446744073709551616}', "64 bits"),
        "json of infinity": ("json", b'{"seconds": 1e999}', "1e999"),
        "json of not-a-number": ("json", b'{"seconds": NaN}', "NaN"),
        "json of a name twice": ("json", b'{"next": 1, "next": 2}', "'next' stands twice"),
        "json of an escape twice": ("json", b'{"\\u001b[2J": 1, "\\u001b[2J": 2}', r"\\x1b\[2J' stands twice"),
        "json that is no object": ("json", b"[]", "must be an object"),
        "json that is no text": ("json", b'{"a": "\xff"}', "codec"),
    }
