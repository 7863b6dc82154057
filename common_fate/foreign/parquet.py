"""Parquet tables that others wrote: what reading them would take is known before anything is decoded.

A few bytes of Parquet can stand for any number of rows (as runs), of long texts (as a dictionary) or of zeros
(compressed). So the headers of all pages are read first, and texts stay references into dictionaries until counted.
"""

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common_fate.foreign.files import open_file
from common_fate.foreign.thrift import Fields, read_struct
from common_fate.shards.limits import quoted

_MAX_COLUMNS = 256
_DEEPEST = 16  # columns within columns; a list of texts is three
_MAX_FOOTER_BYTES = 2**25
_MAX_PAGE_BYTES = 2**26
_MAX_PAGES = 2**18
_MAX_HEADER_BYTES = 2**16
_MAX_STRUCTS = 2**19
_PART = 2**16  # rows that are read at once
_MAX_THRIFT = 2**20
# A table of keys and sizes has ten bytes a row or more, and unpacks to some ten times its bytes. Whoever wants more
# memory from the reader has to send a larger file.
_SPARE_ROWS, _ROWS_A_BYTE = 2**18, 1
_SPARE_BYTES, _UNPACKED_A_BYTE = 2**26, 64
# The type of a page, in its first field, and the field that has what is of this type alone.
_DICTIONARY = 2
_PAGES = {0: 5, _DICTIONARY: 7, 3: 8}
# Of a schema's depth nothing is said: one that is too deep never reaches PyArrow.
_SAFE: dict[str, Any] = {
    "thrift_string_size_limit": _MAX_THRIFT,
    "thrift_container_size_limit": _MAX_THRIFT,
    "arrow_extensions_enabled": False,
    "pre_buffer": False,
}

Columns = Mapping[str, pa.DataType]
"""The columns to read, and what they become: `pa.string()`, `pa.float64()` or a type of whole numbers."""


class ParquetFile:
    """A table of which columns of texts and numbers are read, whose claims have been looked into: `names` of its
    columns, `read`. What its other columns hold does not matter: they may be of any type, lists and structs as well.

    Args:
        file: of which nothing but the footer and the pages' headers is read.
        most_rows: how many rows such a table may have.

    Raises:
        ValueError: it is no table, or claims more than there can be.
    """

    def __init__(self, file: BinaryIO, most_rows: int) -> None:
        self._file, self._size = file, file.seek(0, 2)
        footer = _footer(file, self._size)
        rows = _number(footer, 3)
        if not 0 <= rows <= min(most_rows, _SPARE_ROWS + _ROWS_A_BYTE * self._size):
            raise ValueError(f"it claims {rows} rows in {self._size} bytes: far more than there can be")
        places = _places(_structs(footer, 2))
        self._groups = _structs(footer, 4)
        if rows != sum(_number(group, 3) for group in self._groups):
            raise ValueError("its rows are not those of its groups")
        if any(len(_structs(group, 1)) != len(places) for group in self._groups):
            raise ValueError("a group of rows has other columns than the table")
        try:
            opened = pq.ParquetFile(file, **_SAFE)
            self._schema = opened.schema_arrow
            paths = [opened.schema.column(number).path for number in range(len(places))]
        except (OSError, IndexError, pa.ArrowException) as error:
            raise ValueError(_line(error)) from error
        self.names: list[str] = self._schema.names
        if len(self.names) != len(set(places)) or len(set(self.names)) != len(self.names):
            raise ValueError("it has two columns of one name")
        self._chunk = {self.names[place]: number for number, place in enumerate(places)}
        # PyArrow takes a dot in a name for a column within a column, and would read those, too.
        self._dotted = [path for path in paths if "." in path]

    def check(self, columns: Columns) -> None:
        """Raises ValueError where a column is missing or of another type."""
        for name, kind in columns.items():
            if name not in self.names:
                raise ValueError(f"it lacks the column {name}")
            found = self._schema.field(name).type
            of_kind, what = _kind_of(kind)
            if not of_kind(found):
                raise ValueError(f"its column {quoted(name)} is of {quoted(str(found))} and not of {what}")
        parts = tuple(f"{name}." for name in columns)
        if odd := [
            path
            for path in self._dotted
            if (path not in columns and path.startswith(parts))
            or (path in columns and (path not in self.names or self._dotted.count(path) > 1))
        ]:
            raise ValueError(f"it has the column {quoted(odd[0])}, which looks like a part of another")

    def read(self, columns: Columns, among: tuple[str, Collection[str]] | None = None) -> pa.Table:
        """Reads the columns, in that order. Raises ValueError where one is missing, damaged, or of another type.

        Args:
            columns: to read.
            among: a column of texts, and those that a row may have in it; groups of rows that have none are not read.
        """
        file = self._opened(columns)
        every = range(len(self._groups))
        if among is None:
            whole = (file.read_row_groups(groups, list(columns), use_threads=False) for groups in [[*every]])
            return next(self._checked(whole, columns))
        place, values = self._chunk[among[0]], pa.array(among[1], pa.string())
        groups = [group for group in every if _may_have(_structs(self._groups[group], 1)[place], among[1])]
        found = [part.filter(pc.is_in(part[among[0]], values)) for part in self._parts(file, groups, columns)]
        return pa.concat_tables([pa.schema(list(columns.items())).empty_table(), *found])

    def parts(self, columns: Columns) -> Iterator[pa.Table]:
        """Yields what `read` reads, at most 65,536 rows at a time."""
        file = self._opened(columns)
        yield from self._parts(file, list(range(len(self._groups))), columns)

    def _parts(self, file: pq.ParquetFile, groups: list[int], columns: Columns) -> Iterator[pa.Table]:
        batches = file.iter_batches(_PART, groups, list(columns), use_threads=False) if groups else iter(())
        yield from self._checked((pa.Table.from_batches([batch]) for batch in batches), columns)

    def _opened(self, columns: Columns) -> pq.ParquetFile:
        self.check(columns)
        self._check_pages(columns)
        text = [name for name, kind in columns.items() if kind == pa.string()]
        try:
            # Not `pq.read_table(filters=)`: its threads outlive it with the Python file in hand, and abort at exit.
            return pq.ParquetFile(self._file, read_dictionary=text, **_SAFE)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(_line(error)) from error

    def _check_pages(self, columns: Columns) -> None:
        """Raises ValueError where reading these would take far more memory than the file's bytes are worth."""
        pages, room = _MAX_PAGES, _SPARE_BYTES + _UNPACKED_A_BYTE * self._size
        for group in self._groups:
            chunks = _structs(group, 1)
            for name in columns:
                count, unpacked = _pages(self._file, chunks[self._chunk[name]], _number(group, 3), self._size)
                pages, room = pages - count, room - unpacked
                if pages < 0 or room < 0:
                    raise ValueError("its pages are too many, or unpack to far more than the file has bytes")

    def _checked(self, tables: Iterator[pa.Table], columns: Columns) -> Iterator[pa.Table]:
        """Tables as they are read, with their texts written out once it is known how long all of them are."""
        room = _SPARE_BYTES + _UNPACKED_A_BYTE * self._size
        while True:
            try:
                if (table := next(tables, None)) is None:
                    return
                table = table.select(list(columns))
                table.validate(full=True)
                for name in (name for name, kind in columns.items() if kind == pa.string()):
                    room -= sum(map(_text_bytes, table[name].chunks))
                    if room < 0:
                        raise ValueError(f"its column {quoted(name)} unpacks to far more text than the file has bytes")
                table = table.cast(pa.schema(list(columns.items())))
            except (OSError, pa.ArrowException) as error:
                raise ValueError(_line(error)) from error
            yield table


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
    """Opens a file, or bytes as one. Raises OSError where it cannot be opened, or is a pipe, device or folder."""
    with io.BytesIO(source) if isinstance(source, bytes) else open_file(source) as file:
        yield file


def _may_have(chunk: Fields, values: Collection[str]) -> bool:
    """Whether a chunk of a column of texts may have one of the values, by the least and greatest that it says it has.

    Not by PyArrow's statistics, which end the process where their type and the column's do not agree.
    """
    facts = chunk[3].get(12)
    least, greatest = (facts.get(field) if isinstance(facts, dict) else None for field in (6, 5))
    if not isinstance(least, bytes) or not isinstance(greatest, bytes):
        return True
    return min(values).encode() <= greatest and least <= max(values).encode()


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _kind_of(kind: pa.DataType) -> tuple[Callable[[pa.DataType], bool], str]:
    """How columns are known that may become this, and what they have."""
    if kind == pa.string():
        return _is_text, "text"
    if kind == pa.float64():
        return pa.types.is_floating, "real numbers"
    return pa.types.is_integer, "whole numbers"


def _text_bytes(chunk: pa.DictionaryArray) -> int:
    """What the texts of a chunk take when written out."""
    lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
    return pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0


def _footer(file: BinaryIO, size: int) -> Fields:
    """Parquet's FileMetaData. PyArrow's own view of it ends the process where some of its numbers do not agree."""
    file.seek(max(size - 8, 0))
    end = file.read(8)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != b"PAR1" or size < length + 12:
        raise ValueError("it does not end like a Parquet file")
    if length > _MAX_FOOTER_BYTES:
        raise ValueError(f"its footer has {length} bytes; at most {_MAX_FOOTER_BYTES}")
    file.seek(size - 8 - length)
    return read_struct(file.read(length), _MAX_STRUCTS)[0]


def _number(fields: Fields, field: int) -> int:
    if not isinstance(value := fields.get(field), int):
        raise ValueError("a header lacks a number")
    return value


def _structs(fields: Fields, field: int) -> list[Fields]:
    if not isinstance(value := fields.get(field), list):
        raise ValueError("a header lacks a list")
    return value


def _places(schema: list[Fields]) -> list[int]:
    """To which of the table's columns each chunk of a group belongs: of one that has columns within it, several do.

    Args:
        schema: Parquet's SchemaElements: the root, and depth first what is in it.

    Raises:
        ValueError: they are no tree, or a large or deep one.
    """
    if not schema:
        raise ValueError("it has no columns")
    places, left, top = list[int](), [_children(schema[0])], -1
    for element in schema[1:]:
        while left and not left[-1]:
            left.pop()
        if not left:
            raise ValueError("its columns are more than it says")
        left[-1] -= 1
        top += len(left) == 1
        if children := _children(element):
            left.append(children)
        else:
            places.append(top)
        if len(left) > _DEEPEST or top >= _MAX_COLUMNS or len(places) > 4 * _MAX_COLUMNS:
            raise ValueError(f"it has columns within columns, deep or many of them, or more than {_MAX_COLUMNS}")
    if any(left):
        raise ValueError("its columns are fewer than it says")
    return places


def _children(element: Fields) -> int:
    children = element.get(5, 0)
    if not isinstance(children, int) or children < 0:
        raise ValueError("a header lacks a number")
    return children


def _pages(file: BinaryIO, chunk: Fields, rows: int, size: int) -> tuple[int, int]:
    """How many pages a chunk of a column has, and to how many bytes they unpack; of Parquet's ColumnChunk.

    Raises:
        ValueError: they lie outside the file, are too large or too many, or have other rows than their group.
    """
    facts = chunk.get(3)
    if not isinstance(facts, dict) or 1 in chunk or _number(facts, 5) != rows:
        raise ValueError("a chunk of a column lies in another file, or has other rows than its group")
    if not rows:
        return 0, 0
    at = min(_number(facts, field) for field in (9, 11) if facts.get(field, 0) != 0 or field == 9)
    end = at + _number(facts, 7)
    if not 4 <= at <= end <= size:
        raise ValueError("a chunk of a column lies outside the file")
    pages = found = unpacked = 0
    while found < rows and pages <= _MAX_PAGES:
        file.seek(at)
        page, length = read_struct(file.read(min(_MAX_HEADER_BYTES, end - at)), 16)
        kind, size, packed = (_number(page, field) for field in (1, 2, 3))
        at += length + packed
        data = page.get(_PAGES[kind]) if kind in _PAGES else None
        if packed < 0 or at > end or not 0 <= size <= _MAX_PAGE_BYTES or not isinstance(data, dict):
            raise ValueError(
                f"a page is damaged, lies outside its column or unpacks to more than {_MAX_PAGE_BYTES} bytes"
            )
        values = 0 if kind == _DICTIONARY else _number(data, 1)
        if not 0 <= values <= rows - found:
            raise ValueError("the pages of a column have other rows than its group")
        found, unpacked, pages = found + values, unpacked + size, pages + 1
    return pages, unpacked
