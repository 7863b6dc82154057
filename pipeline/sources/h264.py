"""Which packets of H.264 hold the second field of a picture: containers keep the fields of one picture apart.

Read from the headers of the stream itself: ITU-T H.264, sections 7.3.2.1.1, 7.3.2.2 and 7.3.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_SLICES = (1, 2, 5)
_IDR, _SPS, _PPS = 5, 7, 8
_HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
_HEADER = 64  # bytes of a slice that its fields of interest are in
_ENDED = ValueError("a header of H.264 ends early")


@dataclass(frozen=True)
class _Sequence:
    """What a slice's header needs of a sequence parameter set."""

    frame_bits: int  # of frame_num
    planes_apart: bool
    frames_only: bool


@dataclass(frozen=True)
class _Field:
    """A coded field: the bottom one or the top one, its frame's number, and whether it starts all anew."""

    bottom: bool
    frame: int
    anew: bool


class SecondFields:
    """Tells of each packet, in the file's order, whether it is the second field of the picture before it.

    Args:
        extradata: of the stream: parameter sets, as MP4 or as MPEG-TS writes them.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self._sequences: dict[int, _Sequence] = {}
        self._pictures: dict[int, int] = {}
        self._length = 0  # bytes that a unit's length takes; 0: units stand between start codes
        self._first: _Field | None = None
        extradata = extradata or b""
        if extradata[:1] == b"\x01" and len(extradata) > 6:
            self._length = (extradata[4] & 3) + 1
            for unit in _of_configuration(extradata):
                self._keep(unit)
        else:
            for unit in _between_start_codes(extradata):
                self._keep(unit)

    def is_second(self, packet: bytes) -> bool:
        """Returns whether this packet completes the field of the packet before it; damaged ones do not."""
        field = self._field(packet)
        first, self._first = self._first, field
        pair = (
            field is not None
            and first is not None
            and (field.bottom, field.frame, field.anew) == (not first.bottom, first.frame, False)
        )
        if pair:
            self._first = None
        return pair

    def _field(self, packet: bytes) -> _Field | None:
        units = _by_length(packet, self._length) if self._length else _between_start_codes(packet)
        for unit in units:
            if unit[:1] and unit[0] & 31 in _SLICES:
                return self._slice(unit)
            self._keep(unit)
        return None

    def _keep(self, unit: bytes) -> None:
        kind = unit[0] & 31 if unit else 0
        try:
            if kind == _SPS:
                number, sequence = _sequence(_Bits(unit[1:]))
                self._sequences[number] = sequence
            elif kind == _PPS:
                bits = _Bits(unit[1:_HEADER])
                number = bits.count()
                self._pictures[number] = bits.count()
        except ValueError:
            return

    def _slice(self, unit: bytes) -> _Field | None:
        if all(sequence.frames_only for sequence in self._sequences.values()):
            return None
        bits = _Bits(unit[1:_HEADER])
        try:
            bits.count()  # the first macroblock
            bits.count()  # the slice's type
            sequence = self._sequences.get(self._pictures.get(bits.count(), -1))
            if sequence is None or sequence.frames_only:
                return None
            if sequence.planes_apart:
                bits.take(2)
            frame = bits.take(sequence.frame_bits)
            return _Field(bool(bits.take(1)), frame, unit[0] & 31 == _IDR) if bits.take(1) else None
        except ValueError:
            return None


class _Bits:
    """Bits of a unit, most significant first, without the bytes that keep start codes out of it."""

    def __init__(self, unit: bytes) -> None:
        self._bytes = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(self._bytes, "big")
        self._left = 8 * len(self._bytes)

    def take(self, bits: int) -> int:
        if bits > self._left:
            raise _ENDED
        self._left -= bits
        return self._value >> self._left & ((1 << bits) - 1)

    def count(self) -> int:
        """An Exp-Golomb code, section 9.1."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("no number of H.264")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        code = self.count()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _sequence(bits: _Bits) -> tuple[int, _Sequence]:
    profile = bits.take(8)
    bits.take(16)  # constraints and level
    number = bits.count()
    planes_apart = False
    if profile in _HIGH:
        chroma = bits.count()
        planes_apart = chroma == 3 and bool(bits.take(1))
        bits.count()
        bits.count()
        bits.take(1)
        if bits.take(1):  # scaling matrices
            for index in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling(bits, 16 if index < 6 else 64)
    frame_bits = bits.count() + 4
    order = bits.count()
    if order == 0:
        bits.count()
    elif order == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.count(), 255)):
            bits.signed()
    bits.count()  # reference frames
    bits.take(1)
    bits.count()  # width
    bits.count()  # height
    return number, _Sequence(min(frame_bits, 16), planes_apart, frames_only=bool(bits.take(1)))


def _skip_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _of_configuration(extradata: bytes) -> Iterator[bytes]:
    """The parameter sets of an avcC box: ISO/IEC 14496-15, section 5.3.3.1."""
    at, kinds = 5, (31, 255)
    for mask in kinds:
        if at >= len(extradata):
            return
        count, at = extradata[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : at + 2 + size]
            at += 2 + size


def _by_length(packet: bytes, length: int) -> Iterator[bytes]:
    at = 0
    while at + length < len(packet):
        size = int.from_bytes(packet[at : at + length], "big")
        yield packet[at + length : at + length + size]
        at += length + size


def _between_start_codes(packet: bytes) -> Iterator[bytes]:
    start = packet.find(b"\x00\x00\x01")
    while start >= 0:
        start += 3
        # A slice is long, and only its header is of interest.
        if packet[start : start + 1] and packet[start] & 31 in _SLICES:
            yield packet[start : start + _HEADER]
            return
        end = packet.find(b"\x00\x00\x01", start)
        yield packet[start:end] if end >= 0 else packet[start:]
        start = end
