"""Parquet tables that others wrote: what reading them would take is known before anything is decoded.

A few bytes of Parquet can stand for any number of rows (as runs), of long texts (as a dictionary) or of zeros
(compressed). So the headers of all pages are read first, and texts stay references into dictionaries until counted.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.shards.foreign import open_file
from pipeline.shards.limits import quoted

_MAX_COLUMNS = 256
_MAX_FOOTER_BYTES = 2**25
_MAX_PAGE_BYTES = 2**26
_MAX_PAGES = 2**18
_MAX_HEADER_BYTES = 2**16
_MAX_THRIFT = 2**20
# A table of keys and sizes has ten bytes a row or more, and two bytes of text for each byte of the file. Whoever wants
# more memory from the reader has to send a larger file.
_SPARE_ROWS, _ROWS_A_BYTE = 2**18, 1
_SPARE_TEXT, _TEXT_A_BYTE = 2**26, 64
_SAFE: dict[str, Any] = {
    "thrift_string_size_limit": _MAX_THRIFT,
    "thrift_container_size_limit": _MAX_THRIFT,
    "schema_depth_limit": 8,
    "arrow_extensions_enabled": False,
    "pre_buffer": False,
}

Columns = Mapping[str, pa.DataType]
"""The columns to read, and what they become: `pa.string()` or `pa.int64()`."""


class ParquetFile:
    """A table of texts and whole numbers whose claims have been looked into: `names` of its columns, `read`.

    Args:
        file: of which nothing but the footer and the pages' headers is read.
        most_rows: how many rows such a table may have.

    Raises:
        ValueError: it is no such table, or would take far more memory than its bytes are worth.
    """

    def __init__(self, file: BinaryIO, most_rows: int) -> None:
        self._file, self._size = file, file.seek(0, 2)
        _check_footer(file, self._size)
        try:
            opened = pq.ParquetFile(file, **_SAFE)
            self._schema = opened.schema_arrow
            facts = opened.metadata
        except (OSError, pa.ArrowException) as error:
            raise ValueError(_line(error)) from error
        self.names: list[str] = self._schema.names
        if not 0 <= facts.num_rows <= min(most_rows, _SPARE_ROWS + _ROWS_A_BYTE * self._size):
            raise ValueError(f"it claims {facts.num_rows} rows in {self._size} bytes: far more than there can be")
        if len(self.names) != facts.num_columns or len(set(self.names)) != len(self.names):
            raise ValueError("it has columns within columns, or two of one name")
        groups = [facts.row_group(number) for number in range(facts.num_row_groups)]
        pages = 0
        if facts.num_rows != sum(group.num_rows for group in groups) or any(group.num_rows < 0 for group in groups):
            raise ValueError("its rows are not those of its groups")
        for group in groups:
            for column in range(facts.num_columns):
                pages += _check_pages(file, group.column(column), group.num_rows, self._size)
                if pages > _MAX_PAGES:
                    raise ValueError(f"it has more than {_MAX_PAGES} pages")

    def read(self, columns: Columns) -> pa.Table:
        """The columns, in that order. Raises ValueError where one is missing, damaged, or of another type."""
        for name, kind in columns.items():
            if name not in self.names:
                raise ValueError(f"it lacks the column {name}")
            found = self._schema.field(name).type
            if not (_is_text(found) if kind == pa.string() else pa.types.is_integer(found)):
                what = "text" if kind == pa.string() else "whole numbers"
                raise ValueError(f"its column {quoted(name)} is of {quoted(str(found))} and not of {what}")
        text = [name for name, kind in columns.items() if kind == pa.string()]
        try:
            table = pq.ParquetFile(self._file, read_dictionary=text, **_SAFE).read(list(columns), use_threads=False)
            table = table.select(list(columns))
            table.validate(full=True)
            room = _SPARE_TEXT + _TEXT_A_BYTE * self._size
            for name in text:
                room -= sum(map(_text_bytes, table[name].chunks))
                if room < 0:
                    raise ValueError(f"its column {quoted(name)} unpacks to far more text than the file has bytes")
            return table.cast(pa.schema(list(columns.items())))
        except (OSError, pa.ArrowException) as error:
            raise ValueError(_line(error)) from error


def read_parquet(source: Path | bytes, columns: Columns, most_rows: int) -> pa.Table:
    """Reads columns of a table from a file, or from its bytes; see `ParquetFile`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no table that has these columns, or would take far more memory than its bytes are worth.
    """
    with opened(source) as file:
        return ParquetFile(file, most_rows).read(columns)


@contextmanager
def opened(source: Path | bytes) -> Iterator[BinaryIO]:
    """A file, or bytes as one. Raises OSError where it cannot be opened, or is none but a pipe, device or folder."""
    with io.BytesIO(source) if isinstance(source, bytes) else open_file(source) as file:
        yield file


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _text_bytes(chunk: pa.DictionaryArray) -> int:
    """What the texts of a chunk take when written out."""
    lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
    return pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0


def _check_footer(file: BinaryIO, size: int) -> None:
    """Raises ValueError where the footer is not one of a flat table, before anything recurses into it."""
    file.seek(max(size - 8, 0))
    end = file.read(8)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != b"PAR1" or size < length + 12:
        raise ValueError("it does not end like a Parquet file")
    if length > _MAX_FOOTER_BYTES:
        raise ValueError(f"its footer has {length} bytes; at most {_MAX_FOOTER_BYTES}")
    file.seek(size - 8 - length)
    # FileMetaData starts with the version and the list of the schema's elements.
    start = _Thrift(file.read(min(length, 32)))
    try:
        found = start.byte() == 0x15 and start.number() is not None and start.byte() == 0x19 and start.list_head()
    except IndexError:
        found = False
    if not found or found[0] != _STRUCT or found[1] > _MAX_COLUMNS + 1:
        raise ValueError(f"its footer does not start with a schema of at most {_MAX_COLUMNS} columns")


def _check_pages(file: BinaryIO, column: Any, rows: int, size: int) -> int:
    """How many pages a chunk of a column has.

    Raises:
        ValueError: they lie outside the file, are too large or too many, or have other rows than their group.
    """
    starts = [at for at in (column.dictionary_page_offset, column.data_page_offset) if at]
    at = min(starts, default=0)
    end = at + column.total_compressed_size
    if column.file_path or column.num_values != rows or not 4 <= at <= end <= size:
        raise ValueError("a chunk of a column lies outside the file, or has other rows than its group")
    pages = found = 0
    while found < rows and pages <= _MAX_PAGES:
        file.seek(at)
        header = _Thrift(file.read(min(_MAX_HEADER_BYTES, end - at)))
        try:
            page = header.struct()
        except (IndexError, RecursionError):
            raise ValueError("the header of a page is damaged") from None
        unpacked, packed = page.get(2), page.get(3)
        if not (isinstance(unpacked, int) and isinstance(packed, int) and 0 <= unpacked <= _MAX_PAGE_BYTES):
            raise ValueError(f"a page unpacks to {unpacked} bytes; at most {_MAX_PAGE_BYTES}")
        at += header.at + packed
        data = page.get(5) or page.get(8)  # of version 1 or 2; their first field is the number of values
        values = data.get(1) if isinstance(data, dict) else 0
        if packed < 0 or at > end or not isinstance(values, int) or not 0 <= values <= rows - found:
            raise ValueError("a page lies outside its column, or has other rows than its group")
        found += values
        pages += 1
    return pages


_STRUCT = 12


class _Thrift:
    """Just as much of Thrift's compact protocol as the headers of Parquet's pages need.

    Source: "Thrift Compact protocol encoding" in Apache Thrift's documentation.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self.byte()) & 0x80:
            value, shift = value | (byte & 0x7F) << shift, shift + 7
            if shift > 63:
                raise IndexError
        return value | byte << shift

    def number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def list_head(self) -> tuple[int, int]:
        """The type of a list's elements, and how many there are."""
        head = self.byte()
        return head & 15, self._varint() if head >> 4 == 15 else head >> 4

    def struct(self, depth: int = 4) -> dict[int, Any]:
        """A struct's fields by number: whole numbers and structs; what else there is is passed over."""
        fields: dict[int, Any] = {}
        last = 0
        while head := self.byte():
            last = last + (head >> 4) if head >> 4 else self.number()
            fields[last] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):  # true and false, which have no bytes of their own
            return None
        if kind in (4, 5, 6):
            return self.number()
        if kind == _STRUCT and depth:
            return self.struct(depth - 1)
        if kind == 8:
            size = self._varint()
            self.at += size
        elif kind in (3, 7):
            self.at += 1 if kind == 3 else 8
        else:  # lists and maps: no page's header has any
            raise IndexError
        return None
