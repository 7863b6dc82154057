"""Headers of H.264, written bit by bit."""

import pytest

from pipeline.sources.h264 import SecondFields

START = b"\0\0\1"


def bits(*values: tuple[int, int] | int) -> bytes:
    """Fixed fields as (value, width), Exp-Golomb codes as whole numbers, and the bit that ends them."""
    text = ""
    for value in values:
        if isinstance(value, tuple):
            text += format(value[0], f"0{value[1]}b")
        else:
            code = format(value + 1, "b")
            text += "0" * (len(code) - 1) + code
    text += "1"
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


def sets(frames_only: bool) -> list[bytes]:
    sequence = bits((77, 8), (0, 8), (30, 8), 0, 0, 2, 1, (0, 1), 3, 3, (int(frames_only), 1))
    return [b"\x67" + sequence, b"\x68" + bits(0, 0, (0, 1))]


def field(frame: int, bottom: bool, kind: int = 0x61) -> bytes:
    return bytes([kind]) + bits(0, 7, 0, (frame, 4), (1, 1), (int(bottom), 1)) + bytes(20)


def frame(number: int) -> bytes:
    return b"\x61" + bits(0, 7, 0, (number, 4), (0, 1)) + bytes(20)


PACKETS = [
    *(field(0, False, 0x65), field(0, True), field(1, True), field(1, False)),
    *(frame(2), field(3, False), field(4, True), field(4, False)),  # one field lacks its other one
    *(field(5, False), field(5, False), field(6, False, 0x65), field(6, True, 0x65), b"torn", b""),
]
SECOND = [False, True, False, True, False, False, False, True, *[False] * 6]


@pytest.mark.parametrize("prefixed", [False, True])
def test_second_fields_are_told_by_their_headers(prefixed: bool):
    if prefixed:
        sequence, picture = (len(one).to_bytes(2) + one for one in sets(False))
        extradata = b"\x01\x4d\x00\x1e\xff\xe1" + sequence + b"\x01" + picture
        packets = [len(one).to_bytes(4) + one for one in PACKETS]
    else:
        extradata = b"".join(START + one for one in sets(False))
        packets = [START + one for one in PACKETS]
    fields = SecondFields(extradata)
    assert [fields.is_second(packet) for packet in packets] == SECOND


def test_parameter_sets_in_the_stream_are_taken():
    fields = SecondFields(None)
    first = b"".join(START + one for one in [*sets(False), PACKETS[0]])
    assert [fields.is_second(first), fields.is_second(START + PACKETS[1])] == [False, True]


def test_frames_are_no_fields():
    fields = SecondFields(b"".join(START + one for one in sets(True)))
    assert not any(fields.is_second(START + one) for one in PACKETS)
