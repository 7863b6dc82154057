"""Structs in Thrift's compact protocol, as Parquet's footers and page headers are: numbers, texts and structs in them.

Source: "Thrift Compact protocol encoding" in Apache Thrift's documentation.
"""

from typing import Any

Fields = dict[int, Any]
"""A struct's fields by number: whole numbers, bytes, structs and lists of structs; of anything else, None."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_DEPTH = 8


def read_struct(data: bytes, most: int) -> tuple[Fields, int]:
    """Reads the struct at the start of `data`, and its length.

    Args:
        most: how many structs it may hold, itself included.

    Raises:
        ValueError: it is damaged or cut off, names a field twice, or holds more.
    """
    reader = _Reader(data, most)
    try:
        return reader.struct(_DEPTH), reader.at
    except IndexError:
        raise ValueError("a damaged header") from None


class _Reader:
    def __init__(self, data: bytes, most: int) -> None:
        self.data, self.at, self.left = data, 0, most

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def size(self) -> int:
        value = shift = 0
        while (byte := self.byte()) & 0x80:
            value, shift = value | (byte & 0x7F) << shift, shift + 7
            if shift > 63:
                raise IndexError
        return value | byte << shift

    def number(self) -> int:
        value = self.size()
        return value >> 1 ^ -(value & 1)

    def struct(self, depth: int) -> Fields:
        self.left -= 1
        if not depth or self.left < 0:
            raise IndexError
        fields: Fields = {}
        last = 0
        while head := self.byte():
            last = last + (head >> 4) if head >> 4 else self.number()
            if last in fields:  # readers differ in which of the two they believe
                raise IndexError
            fields[last] = None if head & 15 in (_TRUE, _FALSE) else self.value(head & 15, depth - 1)
        return fields

    def value(self, kind: int, depth: int) -> Any:
        if kind in (_I16, _I32, _I64):
            return self.number()
        if kind == _STRUCT:
            return self.struct(depth)
        if kind == _LIST:
            return self.list(depth)
        if kind == _BINARY:
            length = self.size()
            self.at += length
            return self.data[self.at - length : self.at]
        skipped = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8}
        if kind not in skipped:  # sets and maps: Parquet has none
            raise IndexError
        self.at += skipped[kind]
        return None

    def list(self, depth: int) -> Any:
        head = self.byte()
        count = self.size() if head >> 4 == 15 else head >> 4
        if count > len(self.data) - self.at:  # each element has a byte at least
            raise IndexError
        found = [self.value(head & 15, depth) for _ in range(count)] if head & 15 == _STRUCT else None
        if found is None:
            for _ in range(count):
                self.value(head & 15, depth - 1)
        return found
