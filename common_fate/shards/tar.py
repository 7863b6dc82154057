"""Byte-deterministic USTAR archives: plain headers, no time, no owner, and member offsets that follow from sizes."""

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from common_fate.shards.limits import quoted

BLOCK = 512
END = bytes(2 * BLOCK)


def _template() -> bytes:
    """The header of an empty regular file without a name, as the standard library writes it."""
    info = tarfile.TarInfo()
    info.mode = 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


# A header's fields (POSIX.1-1988): name 100 bytes, mode and owners 24, size 12, time 12, checksum 8, and the rest.
# Readers compare every member with its header: the standard library would take longer over it than over the member.
_MODE, _TIME, _REST = _template()[100:124], _template()[135:148], _template()[156:]
_SUM = sum(_MODE + _TIME + _REST) + 8 * ord(" ")


def header(name: str, size: int) -> bytes:
    """Returns the 512-byte USTAR header of a regular file: mode 0644, owner 0, time 0.

    Raises:
        ValueError: the name is longer than 100 bytes or not ASCII, or the size 8 GiB or more, which USTAR cannot say.
    """
    text, octal = name.encode("ascii"), b"%011o" % size
    if len(text) > 100:
        raise ValueError(f"member name {name!r} is longer than 100 bytes")
    if not 0 <= size < 8**11:
        raise ValueError(f"member {name!r} has {size} bytes, and USTAR takes less than 8 GiB")
    checksum = b"%06o\0 " % (_SUM + sum(text) + sum(octal))
    return text.ljust(100, b"\0") + _MODE + octal + _TIME + checksum + _REST


def padded(size: int) -> int:
    """Returns a member's size on disk: rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def walk(file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """Yields each member's name, data offset and size, in order.

    Raises:
        ValueError: anything that `header` did not write: a cut, a wrong checksum, a link, a directory, a PAX header, or
            data after the end.
    """
    file.seek(0, 2)
    total = file.tell()
    offset = 0
    while True:
        file.seek(offset)
        block = file.read(BLOCK)
        if block == bytes(BLOCK):
            if total != offset + len(END) or file.read(BLOCK) != bytes(BLOCK):
                raise ValueError(f"the end of the archive is not where its members end (byte {offset} of {total})")
            return
        name, size = parse_header(block, offset)
        if offset + BLOCK + padded(size) + len(END) > total:
            raise ValueError(f"{name} is cut off (needs {size} bytes from byte {offset + BLOCK}, the file has {total})")
        yield name, offset + BLOCK, size
        offset += BLOCK + padded(size)


def parse_header(block: bytes, offset: int) -> tuple[str, int]:
    """Returns name and size from a 512-byte header; it must be byte for byte what `header` writes for them."""
    if len(block) < BLOCK:
        raise ValueError(f"cut off inside a header at byte {offset}")
    try:
        name = block[:100].rstrip(b"\0").decode("ascii")
        size = int(block[124:135], 8)
        expected = header(name, size)
    except ValueError as error:
        raise ValueError(f"damaged or foreign header at byte {offset}{_kind(block)}") from error
    if block != expected:
        raise ValueError(f"damaged or foreign header at byte {offset}{_kind(block)}")
    return name, size


_KINDS = {
    b"1": "a hard link",
    b"2": "a link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
    b"x": "a PAX header",
    b"g": "a PAX header",
    b"K": "a GNU long link",
    b"L": "a GNU long name",
    b"S": "a GNU sparse file",
}


def _kind(block: bytes) -> str:
    """What a tar's header is of, where that is no plain file; for a message."""
    kind = _KINDS.get(block[156:157]) if block[257:262] == b"ustar" else None
    return f" ({kind}, {quoted(block[:100].rstrip(bytes(1)).decode('latin-1'))})" if kind else ""
