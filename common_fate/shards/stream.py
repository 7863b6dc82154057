"""Reading a shard from its first byte to its last, as it comes from a pipe or a socket."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from common_fate.errors import ShardError
from common_fate.shards.keys import check_keys
from common_fate.shards.limits import MAX_EXTENSIONS, MAX_SAMPLE_BYTES, MAX_SAMPLES, check_extension, check_size, quoted
from common_fate.shards.tar import BLOCK, END, padded, parse_header


def stream_samples(
    file: BinaryIO, where: str, size: int, samples: int, sha256: str
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Each sample's key and encoded members, in order, as soon as the sample is whole.

    Args:
        file: read sequentially; never more than `size` bytes are asked of it, and one more.
        where: the shard's name in errors.
        size, samples, sha256: what the manifest says the shard is.

    Raises:
        ShardError: the shard is cut off, longer, damaged or another one. A changed payload shows when the last byte
            has been read: samples have been handed out by then.
    """
    if samples > MAX_SAMPLES:
        raise ShardError(f"{where}: has {samples} samples by the manifest; a shard has at most {MAX_SAMPLES}")
    counted = _Counted(file, where, size)
    key, members = "", dict[str, bytes]()
    extensions: list[str] | None = None
    keys = set[str]()
    while True:
        header = counted.read(BLOCK, key)
        last = header == bytes(BLOCK)
        try:
            name, length = ("", 0) if last else parse_header(header, counted.position - BLOCK)
        except ValueError as error:
            raise ShardError(f"{where}: {error}{_after(key)}") from None
        next_key, _, extension = name.partition(".")
        if next_key != key:
            if members:
                extensions = extensions or list(members)
                if list(members) != extensions:
                    raise ShardError(f"{where}: {key} has members {list(members)}, the samples before it {extensions}")
                keys.add(key)
                yield key, members
            key, members = next_key, {}
        if last:
            break
        try:
            _check_member(key, extension, length, members)
        except ValueError as error:
            raise ShardError(f"{where}: {quoted(name)}: {error}") from None
        if key in keys or extension in members:
            raise ShardError(f"{where}: {name} stands twice")
        if len(keys) == samples:
            raise ShardError(f"{where}: goes on with {key} after the {samples} samples that the manifest says it has")
        members[extension] = counted.read(padded(length), name)[:length]
    counted.end(len(END) - BLOCK)
    if len(keys) != samples:
        raise ShardError(f"{where}: has {len(keys)} samples, the manifest says {samples}")
    if counted.digest.hexdigest() != sha256:
        raise ShardError(f"{where}: its bytes changed since it was written (sha256 differs from the manifest)")


def _check_member(key: str, extension: str, size: int, before: dict[str, bytes]) -> None:
    """Raises ValueError where a member is none of a shard's, or its sample larger than any."""
    check_keys([key])
    check_extension(extension)
    check_size(extension, size)
    if len(before) == MAX_EXTENSIONS or sum(map(len, before.values())) + size > MAX_SAMPLE_BYTES:
        raise ValueError(f"a sample of more than {MAX_EXTENSIONS} members, or {MAX_SAMPLE_BYTES} bytes")


class _Counted:
    """A stream that knows where it is and how long it ought to be, and sums what passes."""

    def __init__(self, file: BinaryIO, where: str, size: int) -> None:
        self.file, self.where, self.size = file, where, size
        self.position = 0
        self.digest = hashlib.sha256()

    def read(self, count: int, name: str) -> bytes:
        # A header may claim gigabytes: no memory is taken for more than the shard can hold.
        if count > self.size - self.position:
            raise ShardError(f"{self.where}: runs over its {self.size} bytes{_after(name)}")
        data = self._read(count)
        if len(data) < count:
            found = self.position + len(data)
            raise ShardError(f"{self.where}: cut off after {found} of {self.size} bytes{_after(name)}")
        self.position += count
        self.digest.update(data)
        return data

    def end(self, count: int) -> None:
        """Reads the archive's last `count` bytes, zeros, and makes sure that nothing follows."""
        if self.read(count, "").strip(b"\0") or self.position != self.size or self._read(1):
            raise ShardError(f"{self.where}: does not end where its samples end (byte {self.position} of {self.size})")

    def _read(self, count: int) -> bytes:
        try:
            return self.file.read(count)
        except OSError as error:
            raise ShardError(f"{self.where}: cannot be read: {error}") from error


def _after(name: str) -> str:
    return f", at or after {name}" if name else ""
