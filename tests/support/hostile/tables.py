"""Parquet tables changed: other rows, other columns, one row many times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def change_table(path: Path, change: Callable[[list[dict[str, Any]]], object], schema: pa.Schema | None = None) -> None:
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema or table.schema), path, compression="zstd")


def put_column(path: Path, name: str, column: pa.Array) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path, compression="zstd")


def same_rows(path: Path, rows: int, **changes: Any) -> None:
    """One row again and again: some bytes a column."""
    pq.write_table(same_table(pq.read_table(path), rows, **changes), path, compression="zstd")


def same_table(table: pa.Table, rows: int, **changes: Any) -> pa.Table:
    first = table.slice(0, 1).to_pylist()[0] | changes
    columns = {}
    for field in table.schema:
        value = first[field.name]
        if value is None:
            columns[field.name] = pa.nulls(rows, field.type)
        elif field.type == pa.string():
            columns[field.name] = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([value]))
        else:
            columns[field.name] = pa.array(np.full(rows, value))
    return pa.table(columns)
