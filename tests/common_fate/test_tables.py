from html.parser import HTMLParser

import numpy as np
import pytest

from common_fate.tables import html_table, markdown_table, text_table


class Cells(HTMLParser):
    """The text and alignment of every cell, by row, and the names of all elements and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.styles: list[list[str]] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "tr":
            self.rows.append([])
            self.styles.append([])
        if tag in ("td", "th"):
            self.inside = True
            self.rows[-1].append("")
            self.styles[-1].append(dict(attrs).get("style") or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def cells(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in Cells(page).rows]


def test_a_page_holds_the_table():
    page = html_table("Shards", ["shard", "samples"], [["000000", 1280], ["000001", 7]], "A note.")
    assert page.startswith("<!doctype html>")
    assert cells(page) == [["shard", "samples"], ["000000", "1,280"], ["000001", "7"]]
    assert "<title>Shards</title>" in page
    assert "A note." in page


def test_text_from_elsewhere_stays_text():
    evil = "<script>alert('&')</script><img src=x onerror=\"y\">"
    page = html_table(evil, [evil], [[evil]], evil)
    parsed = Cells(page)
    assert parsed.elements.isdisjoint({"script", "img"})
    assert cells(page) == [[evil], [evil]]


def test_a_page_loads_nothing():
    parsed = Cells(html_table("t", ["a"], [[1]], "n"))
    assert parsed.elements.isdisjoint({"script", "link", "img"})
    assert parsed.attributes.isdisjoint({"src", "href"})


def test_numbers_stand_to_the_right_and_names_to_the_left():
    styles = Cells(html_table("t", ["video", "count", "share"], [["00012", 3, None], ["1e5", None, 0.5]])).styles
    assert [["right" in style for style in row] for row in styles] == [[False, True, True]] * 3


@pytest.mark.parametrize("name", ["00012", "1e5", "nan", "inf", "1_000", "0x10", "-"])
def test_names_that_look_like_numbers_are_left_alone(name: str):
    assert text_table(["video"], [[name]]).splitlines()[-1].strip() == name
    assert cells(html_table("t", ["video"], [[name]]))[1] == [name]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([12.3, 0.05], ["12.30", "0.05"]),
        ([0.512, 0.4871], ["0.5120", "0.4871"]),
        ([12345.67, 1.0], ["12,345.7", "1.0"]),
        ([1500000, 3], ["1,500,000", "3"]),
        ([None, float("nan"), 2.0], ["–", "–", "2.000"]),
        ([float("inf"), -20.5], ["inf", "-20.50"]),
        ([np.float32(1.5), np.int64(2)], ["1.500", "2"]),
        ([0.0], ["0.0"]),
        ([1e-12], ["0.000000"]),
        ([True, "text"], ["True", "text"]),
    ],
)
def test_numbers_of_a_column_are_rounded_alike(values: list[object], shown: list[str]):
    assert [row[0] for row in cells(html_table("t", ["x"], [[value] for value in values]))[1:]] == shown


def test_a_table_of_text_lines_up():
    lines = text_table(["name", "samples", "EPE"], [["a", 5, 0.5], ["longer name", 12345, None]]).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["a", "5", "0.5000"]
    assert lines[3].split() == ["longer", "name", "12,345", "–"]


@pytest.mark.parametrize("table", [text_table, lambda columns, rows: html_table("t", columns, rows)])
def test_a_table_without_rows_still_has_its_head(table):
    assert "samples" in table(["shard", "samples"], [])


def test_a_table_for_a_readme_keeps_its_columns():
    text = markdown_table(["name", "size"], [["a|b", 1.5], ["c", 20.0]])
    assert text.splitlines()[0].startswith("| name")
    assert "a\\|b" in text
    assert text.splitlines()[-1].endswith("20.00 |")
