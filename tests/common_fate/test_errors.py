import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_fate.errors import ShardError, UserError, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a plain näme\nand a line", "a plain näme\nand a line"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\x9b1A\r", r"\x9b1A\r"),
        ("\u202egpj.exe\u2028", r"\u202egpj.exe\u2028"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_steers_a_terminal_is_written_as_an_escape(text: str, shown: str):
    assert printable(text) == shown
    assert str(UserError(text)) == str(ShardError(text)) == shown


@given(st.text(st.characters()))
def test_any_text_can_be_printed(text: str):
    shown = printable(text)
    shown.encode()
    assert all(line.isprintable() for line in shown.split("\n"))
    assert printable(shown) == shown
