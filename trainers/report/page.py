"""Pages of the report: HTML that loads nothing and runs nothing, readable in a frame and on paper.

Whatever comes from a file is escaped here: names of data sets, metrics and classes are data from elsewhere.
"""

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from common_fate.errors import printable
from common_fate.tables import STYLE as TABLES
from trainers.evaluations.result import Picture

STYLE = f"""{TABLES}
body {{ margin: 20px 28px 40px; max-width: 1820px; }}
h1 {{ font-size: 22px; margin: 0 0 4px; }}
h2 {{ border-top: 1px solid #dadce0; font-size: 17px; font-weight: 600; margin: 28px 0 12px; padding-top: 16px; }}
h3 {{ font-size: 14px; font-weight: 600; margin: 18px 0 8px; }}
p.lead {{ font-size: 14px; margin: 0 0 16px; max-width: none; }}
p.note {{ max-width: 90em; }}
.best {{ color: #1a66c2; font-weight: 700; }}
.faint, td.faint {{ color: #5f6368; }}
td.wrap {{ overflow-wrap: anywhere; }}
th.number, td.number {{ text-align: right; }}
.cards {{ display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 8px; overflow: visible; }}
.card {{ background: #f7f9fa; border: 1px solid #eceff1; border-radius: 6px; padding: 10px 16px 12px; min-width: 190px;
  max-width: 380px; overflow-wrap: anywhere; }}
.card .name {{ color: #5f6368; font-size: 13px; }}
.card .value {{ font-size: 28px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3; }}
.card .value small {{ font-size: 15px; font-weight: 400; }}
.card .beside {{ font-size: 13px; }}
.columns {{ display: flex; flex-wrap: wrap; gap: 4px 32px; overflow: visible; }}
.columns > div {{ max-width: 100%; }}
.panels {{ display: grid; gap: 12px 24px; grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr));
  overflow: visible; }}
.panels svg, .wide svg {{ display: block; height: auto; max-width: 100%; width: 100%; }}
.panels > div {{ max-width: 760px; }}
.gallery {{ columns: 2 560px; column-gap: 24px; overflow: visible; }}
.gallery figure {{ break-inside: avoid; margin: 0; padding: 0 0 16px; }}
.facts td, .facts th {{ padding-bottom: 3px; padding-top: 3px; }}
.facts th {{ border-bottom: 1px solid #eceff1; color: #5f6368; font-weight: 400; padding-left: 0; }}
.facts tr:nth-child(even) {{ background: none; }}
details {{ margin: 12px 0 0; }}
summary {{ color: #1a66c2; cursor: pointer; font-size: 13px; }}
details > div {{ margin-top: 8px; }}
figure {{ margin: 16px 0 0; }}
figure img {{ border: 1px solid #eceff1; display: block; height: auto; max-width: 100%; }}
figcaption {{ color: #5f6368; font-size: 13px; margin: 6px 0 0; max-width: 90em; white-space: pre-line; }}
@media print {{
  body {{ margin: 0; max-width: none; }}
  div {{ overflow: visible; }}
  h2, h3 {{ break-after: avoid; }}
  tr, figure, .card, .panels > div {{ break-inside: avoid; }}
}}
"""


def page(title: str, *parts: str) -> bytes:
    """Returns a whole page of parts that are HTML already."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{text(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{''.join(parts)}</body>\n</html>\n"
    ).encode()


def text(value: object) -> str:
    """Returns a value as HTML text."""
    return escape(printable(str(value)))


def element(name: str, *inside: str, **attributes: str) -> str:
    """Returns an element around HTML; attributes are escaped, and `kind` is its class."""
    said = "".join(
        f' {"class" if key == "kind" else key}="{escape(value)}"' for key, value in attributes.items() if value
    )
    return f"<{name}{said}>{''.join(inside)}</{name}>\n"


def cell(value: Any, decimals: int | None = None, kind: str = "") -> str:
    """Returns a table's cell: a number to the right, None as a dash, text escaped.

    Args:
        decimals: of a number; by default as many as give four digits.
        kind: classes besides.
    """
    if value is None:
        return element("td", "–", kind="number faint")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return element("td", numeral(value, decimals), kind=f"number {kind}".strip())
    return element("td", text(value), kind=kind)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Returns a table of cells that are HTML already, scrolled sideways where it is too wide.

    Args:
        columns: their names, plain text.
        numbers: the places of those whose names stand to the right, over numbers.
    """
    heads = (
        element("th", text(column), kind="number" if place in numbers else "") for place, column in enumerate(columns)
    )
    body = (element("tr", *row) for row in rows)
    return element(
        "div", element("table", element("thead", element("tr", *heads)), element("tbody", *body)), kind="scroll"
    )


def facts(pairs: Iterable[tuple[str, Any]]) -> str:
    """Returns a table of names and values, without those that are None."""
    rows = (
        element("tr", element("th", text(name)), element("td", text(value), kind="wrap"))
        for name, value in pairs
        if value is not None
    )
    return element("table", element("tbody", *rows), kind="facts")


def folded(title: str, inside: str) -> str:
    """Returns what is shown on a click."""
    return element("details", element("summary", text(title)), element("div", inside))


def picture(shown: Picture) -> str:
    """Returns a picture at its own size, or as wide as the page, over its caption."""
    width, height = shown.size
    source = f"data:image/png;base64,{base64.b64encode(shown.png).decode()}"
    image = (
        f'<img src="{source}" width="{width}" height="{height}" style="max-width: min(100%, {width}px)" '
        f'alt="{text(shown.name)}">'
    )
    return element("figure", image, element("figcaption", text(shown.caption or shown.name)))


def decimals_of(values: Iterable[float | None]) -> int:
    """Returns how many decimals show the largest of some values with four digits, at least one."""
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    return min(6, max(1, 3 - math.floor(math.log10(largest)))) if largest > 0 else 1


def numeral(value: float, decimals: int | None = None) -> str:
    """Returns a number as text: whole ones without decimals, others with `decimals` or four digits."""
    if isinstance(value, int):
        shown = f"{value:,}"
    elif abs(value) >= 1e15:
        shown = f"{value:.4g}"
    else:
        shown = f"{value:,.{decimals_of([value]) if decimals is None else decimals}f}"
    return shown.replace("-", "−", 1) if value < 0 else shown


def duration(seconds: float) -> str:
    """Returns a time as people say it: `38 min`, `2 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min"
