"""Tables that others wrote, row by row as texts: CSV, TSV, JSON Lines, Parquet. None is believed to be small."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from common_fate.foreign.files import open_file, parse_json
from common_fate.foreign.parquet import ParquetFile, opened
from common_fate.shards.limits import quoted

MAX_LINE = 10**6  # bytes, also of a row of CSV that goes over several lines
MAX_COLUMNS = 256
MAX_TABLE_ROWS = 2**22
_BATCH = 2**12
# Addresses differ, which takes some bytes a row however they are packed, and texts shrink to a tenth or so.
_SPARE_ROWS, _BYTES_A_ROW = 2**17, 2
_SPARE_TEXT, _TEXT_A_BYTE = 2**25, 32
_KINDS = (pa.string(), pa.int64(), pa.float64())
_LINES_A_VALUE = 16  # of TSV, after the first: a quote that is not closed by then was none

Row = dict[str, str]
"""Texts by column; of what is null or empty, `""`."""


class RowError(ValueError):
    """What is wrong with a row: numbered as spreadsheets do, where a header is row 1, or by its line in JSON Lines."""

    def __init__(self, number: int, fault: object) -> None:
        super().__init__(f"row {number}: {fault}")


def read_rows(path: Path, needed: Collection[str] = (), floats: bool = False) -> Iterator[tuple[int, Row]]:
    """Yields the rows of a table with their numbers, as a stream but for Parquet.

    The file's name decides on the format: `.csv`, `.tsv` or `.jsonl`, each with or without `.gz`, or `.parquet`, of
    which columns of other kinds than texts and whole numbers are left out.

    Args:
        path: of the table.
        needed: columns that cannot be left out.
        floats: whether columns of floating-point numbers are not left out, either.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such table, or has lines, columns or rows beyond reason (`RowError`, where a row has).
    """
    name = path.name.lower()
    kind = name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet" and not name.endswith(".gz"):
        rows = _parquet(path, needed, _KINDS if floats else _KINDS[:2])
    elif kind in ("csv", "tsv", "jsonl"):
        rows = _text(path, kind)
    else:
        raise ValueError("its name should end in .csv, .tsv or .jsonl, with or without .gz, or in .parquet")
    yield from _bounded(rows, path.stat().st_size)


def _bounded(rows: Iterator[tuple[int, Row]], size: int) -> Iterator[tuple[int, Row]]:
    """The rows of a file of `size` bytes. What is packed can stand for any number of rows, of any length."""
    most = min(MAX_TABLE_ROWS, _SPARE_ROWS + size // _BYTES_A_ROW)
    room = _SPARE_TEXT + _TEXT_A_BYTE * size
    for count, (number, row) in enumerate(rows):
        if count == MAX_TABLE_ROWS:
            raise RowError(number, f"a table has at most {MAX_TABLE_ROWS} rows: split it into several datasets")
        room -= sum(map(len, row.values()))
        if count == most or room < 0:
            raise RowError(number, f"it unpacks to far more rows or text than a table of {size} bytes has")
        yield number, row


def _text(path: Path, kind: str) -> Iterator[tuple[int, Row]]:
    with open_file(path) as packed, closing(_unpacked(packed, path)) as file:
        lines = _Lines(file)
        try:
            yield from _json_lines(lines) if kind == "jsonl" else _separated(lines, "\t" if kind == "tsv" else ",")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RowError(lines.row + 1, "the file is cut short or damaged from here on: copy it again") from error


def _unpacked(file: BinaryIO, path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if path.name.lower().endswith(".gz") else file


class _Lines:
    """The lines of a file as texts; `row`, which whoever parses them counts, says how far that is.

    They end in LF, CRLF or, as some spreadsheets have it, CR, and keep their ends.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = io.TextIOWrapper(file, "latin-1", newline="")  # bytes as they are, to be split into lines
        self.row = 0
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        first = True
        while line := self._file.readline(MAX_LINE + 1):
            self._size += len(line)
            if self._size > MAX_LINE:
                raise RowError(
                    self.row + 1, f"it has more than {MAX_LINE} bytes: is a quote left open, or is this no table?"
                )
            try:
                yield line.encode("latin-1").decode("utf-8-sig" if first else "utf-8")
            except UnicodeDecodeError as error:
                raise RowError(self.row + 1, "it is not in UTF-8: save the table as UTF-8") from error
            first = False

    def next_row(self) -> int:
        """Counts a row that was parsed, and gives its number."""
        self._size = 0
        self.row += 1
        return self.row


def _separated(lines: _Lines, delimiter: str) -> Iterator[tuple[int, Row]]:
    reader = _tabbed(lines) if delimiter == "\t" else csv.reader(lines, strict=True)
    names: list[str] = []
    try:
        for values in reader:
            number = lines.next_row()
            if not names:
                names = _distinct(values)
            elif len(values) == len(names):
                yield number, dict(zip(names, values, strict=True))
            elif values:  # an empty line is none
                raise RowError(number, f"it has {len(values)} columns, and the header has {len(names)}")
    except csv.Error as error:
        raise RowError(lines.row + 1, error) from error


def _tabbed(lines: _Lines) -> Iterator[list[str]]:
    """The rows of TSV: quotes enclose a value where they do so as in CSV, and else are a part of the text."""
    coming = iter(lines)
    ahead: list[str] = []  # read already, and no part of a row after all
    while text := ahead.pop(0) if ahead else next(coming, ""):
        row, taken = _quoted_row(text), 0
        while row is None and taken < _LINES_A_VALUE:
            if taken == len(ahead):
                if not (line := next(coming, "")):
                    break
                ahead.append(line)
            taken += 1
            row = _quoted_row(text + "".join(ahead[:taken]))
        if row:
            del ahead[:taken]
        yield row or text.rstrip("\r\n").split("\t")


def _quoted_row(text: str) -> list[str] | None:
    """A row by the rules of CSV: none of it where it breaks them, None where it goes on in the next line."""
    try:
        return next(csv.reader([text], delimiter="\t", strict=True), [])
    except csv.Error as error:
        return None if "unexpected end" in str(error) else []


def _distinct(names: list[str]) -> list[str]:
    if len(names) > MAX_COLUMNS:
        raise RowError(1, f"it has {len(names)} columns; at most {MAX_COLUMNS}")
    if twice := [name for number, name in enumerate(names) if name in names[:number]]:
        raise RowError(1, f"two columns are called {quoted(twice[0])}: the first row should name the columns")
    return names


def _json_lines(lines: _Lines) -> Iterator[tuple[int, Row]]:
    for line in lines:
        number = lines.next_row()
        if not line.strip():
            continue
        try:
            row = parse_json(line.encode(), 16 * MAX_COLUMNS)
        except ValueError as error:
            raise RowError(number, f"not JSON, one object a line: {error}") from error
        if not isinstance(row, dict) or len(row) > MAX_COLUMNS:
            raise RowError(number, f"not an object of JSON with at most {MAX_COLUMNS} names")
        yield number, {name: _as_text(value) for name, value in row.items()}


def _parquet(path: Path, needed: Collection[str], among: Sequence[pa.DataType]) -> Iterator[tuple[int, Row]]:
    with opened(path) as file:
        table = ParquetFile(file, MAX_TABLE_ROWS)
        kinds = {name: kind for name in table.names if (kind := _kind(table, name, among)) is not None}
        if lost := [name for name in table.names if name in needed and name not in kinds]:
            raise ValueError(f"its column {quoted(lost[0])} has neither text nor whole numbers: write it as text")
        number = 0
        for batch in (batch for part in table.parts(kinds) for batch in part.to_batches(_BATCH)):
            for row in batch.to_pylist():
                number += 1
                yield number, {name: _as_text(value) for name, value in row.items()}


def _kind(table: ParquetFile, name: str, among: Sequence[pa.DataType]) -> pa.DataType | None:
    """What a column is read as; None where it is of none of these kinds, and is left out."""
    for kind in among:
        try:
            table.check({name: kind})
        except ValueError:
            continue
        return kind
    return None


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
