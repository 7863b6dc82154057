"""Reading a finished shard: its record says where each member is."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from common_fate.errors import ShardError
from common_fate.foreign.files import open_file
from common_fate.shards.codecs import decode
from common_fate.shards.files import readable
from common_fate.shards.keys import MAX_FRAME, frame_key, video_of
from common_fate.shards.limits import quoted
from common_fate.shards.record import Record, file_sha256, record_path
from common_fate.shards.tar import BLOCK, parse_header


class Members(Mapping[str, Any]):
    """A sample's members by extension, decoded when first asked for: a damaged one raises ValueError then."""

    def __init__(self, encoded: dict[str, bytes]) -> None:
        self.encoded = encoded
        self._decoded: dict[str, Any] = {}

    def __getitem__(self, extension: str) -> Any:
        if extension not in self._decoded:
            self._decoded[extension] = decode(extension, self.encoded[extension])
        return self._decoded[extension]

    def __iter__(self) -> Iterator[str]:
        return iter(self.encoded)

    def __len__(self) -> int:
        return len(self.encoded)


class Shard:
    """A finished shard, opened: `record`, and samples by key.

    Raises:
        ShardError: record and tar disagree, or (on reading) a header is not where the record says, or there is no such
            sample.
    """

    def __init__(self, tar: Path) -> None:
        self.path = tar
        self.record = Record.read(record_path(tar))
        if self.record.shard != tar.stem:
            raise ShardError(f"{tar}: its record is of shard {self.record.shard}: another's file stands in its place")
        try:
            with open_file(tar) as file:
                size = os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            raise ShardError(f"{tar}: missing, though its record is there") from None
        except OSError as error:
            raise ShardError(f"{tar}: cannot be read: {error.strerror}") from error
        if size != self.record.bytes:
            raise ShardError(f"{tar}: has {size} bytes, its record says {self.record.bytes}: cut off or replaced")
        self._rows = {key: row for row, key in enumerate(self.record.keys)}
        self._offsets = self.record.offsets()

    def check_sum(self) -> None:
        """Raises ShardError unless the tar's sha256 is the recorded one."""
        with readable(self.path):
            found = file_sha256(self.path)
        if found != self.record.sha256:
            raise ShardError(f"{self.path}: its bytes changed since it was written (sha256 differs from its record)")

    def __enter__(self) -> "Shard":
        self._file = open_file(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> Members:
        if key not in self._rows:
            raise ShardError(f"{self.path}: has no sample {quoted(key)}")
        row = self._rows[key]
        members = {}
        for extension, offset, size in zip(
            self.record.extensions, self._offsets[row], self.record.sizes[row], strict=True
        ):
            try:
                found = parse_header(self._bytes(offset - BLOCK, BLOCK), offset - BLOCK)
            except ValueError as error:
                raise ShardError(f"{self.path}: {error}") from error
            if found != (f"{key}.{extension}", size):
                raise ShardError(f"{self.path}: holds {quoted(found[0])} where its record has {key}.{extension}")
            members[extension] = self._bytes(offset, size)
        return Members(members)

    def _bytes(self, offset: int, size: int) -> bytes:
        """Not by mmap: there, a disk that fails and a file that is cut off meanwhile kill the process."""
        with readable(self.path):
            data = os.pread(self._file.fileno(), size, offset)
        if len(data) != size:
            raise ShardError(f"{self.path}: cut off at byte {offset + len(data)} while it was read")
        return data

    def facts(self, key: str) -> dict[str, Any]:
        """A sample's `json`. Raises ShardError where it is damaged or there is none."""
        try:
            return self[key]["json"]
        except (ValueError, KeyError) as error:
            raise ShardError(f"{self.path}: {key}.json: {error}") from error

    def neighbour(self, key: str, field: str) -> str | None:
        """The key of the frame of the same video that a sample's `json` names in `field`; None where that is null.

        Raises:
            ShardError: the member is damaged or names no frame.
        """
        number = self.facts(key).get(field, "nothing")
        if number is None:
            return None
        if type(number) is not int or not 0 <= number <= MAX_FRAME:
            raise ShardError(f"{self.path}: {key}.json: its {field} is {quoted(number)}, and no frame's number")
        return frame_key(video_of(key), number)

    def __iter__(self) -> Iterator[str]:
        return iter(self.record.keys)

    def __len__(self) -> int:
        return self.record.samples


def sound_shard(tar: Path) -> Shard:
    """Returns a shard whose bytes are those that were written, so that damage never travels into what is made from it.

    Raises:
        ShardError: they are not, or there is no such shard.
    """
    shard = Shard(tar)
    shard.check_sum()
    return shard
