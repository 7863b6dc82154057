"""Tables of the report (HTML) and of the terminal (text)."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from typing import Any

from common_fate.errors import printable


@dataclass(frozen=True)
class Table:
    """A table of the report or the terminal; a cell is None where there is nothing to say."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str = ""


STYLE = """
:root { color-scheme: light; }
body { background: #fff; color: #202124; font: 14px/1.45 system-ui, sans-serif; margin: 16px; }
h1 { font-size: 17px; font-weight: 600; margin: 0 0 10px; }
p { color: #5f6368; font-size: 13px; margin: 10px 0 0; max-width: 70em; white-space: pre-line; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #dadce0; font-weight: 600; white-space: nowrap; }
td { border-bottom: 1px solid #eceff1; }
tbody tr:nth-child(even) { background: #f7f9fa; }
"""


def html_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = "") -> str:
    """Returns a page of its own with one table: nothing to load, readable in a frame of the report.

    Numbers are aligned and rounded as in `text_table`; all text is escaped. `note` stands below the table.
    """
    body = _table(columns, rows, "html")
    below = f"<p>{escape(note)}</p>\n" if note else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n<div>\n{body}\n</div>\n{below}"
        "</body>\n</html>\n"
    )


def text_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a table for the terminal: columns of numbers to the right, of anything else to the left.

    The real numbers of a column show as many decimals as give its largest four digits, at least one; whole numbers
    show none. None and not-a-number are a dash.
    """
    return _table(columns, rows, "simple")


class Markdown(str):
    """Text that is Markdown already, and no data."""


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a table for a README, aligned and rounded as in `text_table`; text shows as it is, whatever it holds."""
    escaped = [[markdown(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    return _table(columns, escaped, "pipe")


def markdown(text: str) -> str:
    """Returns text as Markdown that shows it on one line: neither HTML nor a link, a picture or code of a stranger."""
    if isinstance(text, Markdown):
        return text
    return re.sub(r"([\\`*\[\]|])", r"\\\1", escape(" ".join(printable(text).split()), quote=False))


def markdown_code(text: str) -> str:
    """Returns text as code within a line of Markdown."""
    line = " ".join(printable(text).split())
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]], style: str) -> str:
    from tabulate import tabulate  # a tenth of a second, which jobs that print nothing need not wait for

    by_column = [[row[i] for row in rows] for i in range(len(columns))]
    cells = list(zip(*map(_cells, by_column), strict=True))
    alignment = ["right" if _is_numeric(values) else "left" for values in by_column]
    # A video called 1e5 is a name: what is a number has been decided by type, so tabulate must not guess from text.
    return str(tabulate(cells, list(columns), style, colalign=alignment if rows else None, disable_numparse=True))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_numeric(values: Sequence[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(map(_is_number, present))


def _cells(values: Sequence[Any]) -> list[str]:
    """The values of one column as text, real numbers with the same number of decimals."""
    largest = max((abs(v) for v in values if _is_number(v) and math.isfinite(v)), default=0)
    decimals = min(6, max(1, 3 - math.floor(math.log10(largest)))) if largest > 0 else 1
    return [_cell(value, decimals) for value in values]


def _cell(value: Any, decimals: int) -> str:
    if value is None or (_is_number(value) and math.isnan(value)):
        return "–"
    if not _is_number(value):
        return printable(str(value)).replace("\n", " ")
    return f"{value:,}" if isinstance(value, Integral) else f"{value:,.{decimals}f}"
