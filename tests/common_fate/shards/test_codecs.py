import contextlib
import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.shards.codecs import decode, encode
from common_fate.shards.limits import MAX_MEMBER_BYTES


def picture(height: int = 24, width: int = 32) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 8, columns * 6, np.full_like(rows, 200)], axis=-1).astype(np.uint8)


def png(width: int, height: int, colour: int = 0, depth: int = 8) -> bytes:
    """A PNG whose header claims a size, without the pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def npy(header: str) -> bytes:
    text = header.encode().ljust(118)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


VALUES: dict[str, Any] = {
    "json": {"video": "v", "seconds": None, "next": 3},
    "guidance.npy": np.arange(12, dtype=np.float32).reshape(4, 3),
    "tree.npy": np.empty((0, 4), np.float32),
    "regions.png": np.arange(96, dtype=np.uint8).reshape(8, 12),
    "superpixels.png": np.arange(96, dtype=np.uint16).reshape(8, 12) * 500,
    "flow.b2": (np.arange(384, dtype=np.float32).reshape(2, 12, 16) - 200) / 64,
}


@pytest.mark.parametrize("extension", VALUES)
def test_members_come_back_as_they_were(extension: str):
    value = decode(extension, encode(extension, VALUES[extension]))
    if isinstance(value, dict):
        assert value == VALUES[extension]
    else:
        assert value.dtype == VALUES[extension].dtype
        np.testing.assert_array_equal(value, VALUES[extension])


@pytest.mark.parametrize("extension", VALUES)
def test_encoding_twice_gives_the_same_bytes(extension: str):
    assert encode(extension, VALUES[extension]) == encode(extension, VALUES[extension])


def test_a_jpeg_is_rgb():
    data = cv2.imencode(".jpg", picture()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    decoded = decode("jpg", data)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - picture()).mean() < 4


def test_a_jpeg_s_own_rotation_is_left_alone():
    """Frames are stored upright; a foreign shard's Exif must not turn an image against its flow."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, "JPEG", exif=exif)
    assert decode("jpg", buffer.getvalue()).shape == (24, 32, 3)


def test_bytes_pass_through():
    assert encode("jpg", b"encoded") == b"encoded"


@pytest.mark.parametrize("extension", ["pickle", "pkl", "pt", "pth", "cls", "", "jpg.gz", "exe"])
def test_other_members_have_no_place(extension: str):
    with pytest.raises(ValueError, match="has no place"):
        decode(extension, b"")
    with pytest.raises(ValueError, match="has no place"):
        encode(extension, {})


@pytest.mark.parametrize("value", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.int32), np.zeros(4, np.uint8)])
def test_a_png_that_readers_would_change_is_refused(value: np.ndarray):
    with pytest.raises(ValueError, match="PNG in a shard"):
        encode("labels.png", value)


def test_json_says_no_not_a_number():
    with pytest.raises(ValueError, match="JSON"):
        encode("json", {"seconds": float("nan")})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"3",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b" " * (MAX_MEMBER_BYTES["json"] + 1),
        b'{"a": 9' + b"9" * 9999,
    ],
)
def test_json_that_is_damaged_or_hostile_is_refused(data: bytes):
    with pytest.raises(ValueError):  # noqa: PT011  any message will do
        decode("json", data)


def test_an_array_of_objects_is_refused():
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="objects"):
        decode("x.npy", buffer.getvalue())
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        encode("x.npy", np.array([{}], dtype=object))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': 3, 'fortran_order': False, 'shape': (1,), }",
        "{'shape': (1,), }",
        "__import__('os')",
        "(" * 100,
        "'''",
        "",
    ],
)
def test_an_array_whose_header_lies_is_refused(header: str):
    with pytest.raises(ValueError):  # noqa: PT011  any message will do
        decode("x.npy", npy(header))


@pytest.mark.parametrize("data", [b"", b"not a picture", png(8, 8)[:20]])
@pytest.mark.parametrize("extension", ["jpg", "labels.png"])
def test_no_picture_is_refused(extension: str, data: bytes):
    with pytest.raises(ValueError, match="damaged"):
        decode(extension, data)


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (2**26, 1), (1, 2**26), (2**31 - 1, 1), (0, 8)])
def test_a_picture_that_claims_too_much_is_refused(width: int, height: int):
    with pytest.raises(ValueError, match=r"pixels|damaged"):
        decode("labels.png", png(width, height))


def test_scans_of_a_jpeg_are_counted_where_there_may_be_several():
    """Decoders take one scan of a baseline JPEG whose first has all components, whatever stands behind it."""
    data = cv2.imencode(".jpg", picture())[1].tobytes()
    scan = data.index(b"\xff\xda")
    several = data[: scan + 4] + b"\1" + data[scan + 5 :]  # one component of three
    more = b"\xff\xda" * 100
    np.testing.assert_array_equal(decode("jpg", data + more), decode("jpg", data))
    with pytest.raises(ValueError, match="more than 100 scans"):
        decode("jpg", several + more)


def test_a_png_of_colours_is_no_label_map():
    data = cv2.imencode(".png", picture())[1].tobytes()
    with pytest.raises(ValueError, match="one channel"):
        decode("labels.png", data)


def test_a_png_is_no_jpg_and_the_other_way_round():
    jpeg = cv2.imencode(".jpg", picture())[1].tobytes()
    with pytest.raises(ValueError, match="damaged"):
        decode("labels.png", jpeg)
    with pytest.raises(ValueError, match="damaged"):
        decode("jpg", encode("labels.png", VALUES["regions.png"]))


@pytest.mark.parametrize("extension", [*VALUES, "jpg"])
@settings(max_examples=60, deadline=None)
@given(draw=st.data())
def test_damage_decodes_or_raises_value_error(extension: str, draw: st.DataObject):
    """Whatever the bytes, nothing but ValueError: readers turn it into an error that names shard and key."""
    whole = cv2.imencode(".jpg", picture())[1].tobytes() if extension == "jpg" else encode(extension, VALUES[extension])
    data = bytearray(whole[: draw.draw(st.integers(0, len(whole)))] if draw.draw(st.booleans()) else whole)
    for _ in range(draw.draw(st.integers(1, 4))):
        if data:
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        decode(extension, bytes(data))
