"""The dataset's files as streams: tens of gigabytes of lines, plain or bz2, or a Parquet of them."""

import bz2
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO, TypeVar

import pyarrow as pa

from common_fate.errors import UserError
from common_fate.foreign.files import open_file
from common_fate.foreign.parquet import ParquetFile
from common_fate.progress import progress
from common_fate.shards.limits import quoted

T = TypeVar("T")

MAX_LINE = 2**20  # bytes
_CHUNK = 2**20  # bytes read at once
_UNPACKED = 2**23  # bytes unpacked at once
_MAX_ROWS = 2**28

# The columns, named as in the dataset's SQLite form. Later releases have the number of the line before the id, and the
# hash that names the media after it.
COLUMNS = [
    *("photoid", "uid", "unickname", "datetaken", "dateuploaded", "capturedevice", "title", "description"),
    *("usertags", "machinetags", "longitude", "latitude", "accuracy", "pageurl", "downloadurl", "licensename"),
    *("licenseurl", "serverid", "farmid", "secret", "secretoriginal", "ext", "marker"),
]
FORMS = {len(names): names for names in (COLUMNS, ["line", "photoid", "hash", *COLUMNS[1:]])}
_ID = re.compile(r"\d{1,18}", re.ASCII)
_VIDEO = b"\t1"  # the marker, which stands last


@dataclass(frozen=True)
class Line:
    """What the line of a video says, by column and as it is encoded there; `hash` where the release has it."""

    photoid: str
    uid: str
    unickname: str
    datetaken: str
    dateuploaded: str
    title: str
    description: str
    usertags: str
    pageurl: str
    downloadurl: str
    licensename: str
    licenseurl: str
    hash: str = ""


_NEEDED = [field.name for field in fields(Line) if field.name != "hash"]
_PLACES = {
    count: {name: names.index(name) for name in (*_NEEDED, "hash") if name in names} for count, names in FORMS.items()
}


def videos(paths: Sequence[Path]) -> Iterator[Line]:
    """Yields the lines of videos, one file after the other; what is a photo's is passed over without being parsed.

    Raises:
        UserError: a file cannot be read, is cut short, or is no file of the dataset.
    """
    for path in paths:
        for line in _checked(path, _rows if path.suffix == ".parquet" else _parsed):
            if not _ID.fullmatch(line.photoid):
                raise UserError(f"{path}: {quoted(line.photoid)} is no id of a video: this is no file of the dataset")
            yield line


def lines(path: Path) -> Iterator[bytes]:
    """Yields all lines of a file of the dataset, plain or bz2. Raises `UserError` as `videos`."""
    yield from _checked(path, lambda file, name: (line for block in _blocks(file, name) for line in block))


def _checked(path: Path, read: Callable[[BinaryIO, str], Iterator[T]]) -> Iterator[T]:
    try:
        with open_file(path) as file:
            yield from read(file, path.name)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or 'damaged: copy it again'}") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _parsed(file: BinaryIO, name: str) -> Iterator[Line]:
    number = 0
    for block in _blocks(file, name):
        for place in [0, -1] if number == 0 else [-1]:  # what it is, and whether it is cut short
            _values(block[place], number + place % len(block) + 1)
        for place, line in enumerate(block):
            if line.endswith(_VIDEO):
                values = _values(line, number + place + 1)
                yield Line(**{name: values[at] for name, at in _PLACES[len(values)].items()})
        number += len(block)


def _values(line: bytes, number: int) -> list[str]:
    values = line.split(b"\t")
    if len(values) not in FORMS:
        raise ValueError(
            f"line {number} has {len(values)} columns where yfcc100m_dataset has {' or '.join(map(str, FORMS))}: "
            "this is another file, or it is damaged"
        )
    return [value.decode("utf-8", "replace") for value in values]


def _blocks(file: BinaryIO, name: str) -> Iterator[list[bytes]]:
    """Some thousands of lines at a time, none of which is empty."""
    rest = b""
    for data in _unpacked(file, name):
        *whole, rest = (rest + data).replace(b"\r\n", b"\n").split(b"\n")
        if len(rest) > MAX_LINE:
            raise ValueError(f"it has a line of more than {MAX_LINE} bytes: this is no file of the dataset")
        if whole := list(filter(None, whole)):
            yield whole
    if rest:
        yield [rest]


def _unpacked(file: BinaryIO, name: str) -> Iterator[bytes]:
    chunks = _chunks(file, name)
    return _from_bz2(chunks) if name.endswith(".bz2") else chunks


def _chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    total = -(-os.fstat(file.fileno()).st_size // _CHUNK)
    yield from progress(iter(lambda: file.read(_CHUNK), b""), total, f"reading {name} (MiB)")


def _from_bz2(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What bz2 holds, of any number of streams, and never much of it at once."""
    unpacker = bz2.BZ2Decompressor()
    for chunk in chunks:
        while True:
            if unpacker.eof:
                unpacker = bz2.BZ2Decompressor()
            if data := unpacker.decompress(chunk, _UNPACKED):
                yield data
            chunk = unpacker.unused_data if unpacker.eof else b""
            if not chunk and (unpacker.eof or unpacker.needs_input):
                break
    if not unpacker.eof:
        raise ValueError("it is cut short: copy it again")


def _rows(file: BinaryIO, name: str) -> Iterator[Line]:
    """Of a Parquet that names its columns as the dataset's SQLite form does, and may have `hash` or others beside."""
    table = ParquetFile(file, _MAX_ROWS)
    columns = {}
    for column in [*_NEEDED, "marker", *(["hash"] if "hash" in table.names else [])]:
        columns[column] = _kind(table, column)
    for part in table.parts(columns):
        for row in part.to_pylist():
            if row.pop("marker") in (1, "1"):
                yield Line(**{column: "" if value is None else str(value) for column, value in row.items()})


def _kind(table: ParquetFile, column: str) -> pa.DataType:
    """Of numbers that some write as text."""
    if column in ("photoid", "dateuploaded", "marker"):
        try:
            table.check({column: pa.int64()})
        except ValueError:
            return pa.string()
        return pa.int64()
    return pa.string()
