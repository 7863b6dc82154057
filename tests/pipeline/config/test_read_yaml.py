"""Reading config.yaml."""

from pathlib import Path

import pytest

from common_fate.errors import UserError
from pipeline.config.read_yaml import read_yaml


def refusal(tmp_path: Path, text: str) -> str:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError) as refused:
        read_yaml(tmp_path / "c.yaml")
    assert "\n" not in str(refused.value)
    return str(refused.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("datasets: {}\nexperiments: {}\ndatasets: {}\n", "datasets is written twice, in lines 1 and 3"),
        ("a:\n  b:\n    - c: 1\n      d: 2\n      c: 3\n", "a.b[0].c is written twice, in lines 3 and 5"),
        ('a: {"b": 1, b: 2}\n', "a.b is written twice, in lines 1 and 1"),
        ("a: &x {b: 1, b: 2}\nc: *x\n", "a.b is written twice, in lines 1 and 1"),
        ('a: {on: [v],\n  "on": [w]}\n', "a.on is written twice, in lines 1 and 2"),
        ("a: {On: [v],\n  yes: [w]}\n", "a.yes is written twice, in lines 1 and 2"),
        ("a: {'on': [v], true: [u],\n  on: [w]}\n", "a.on is written twice, in lines 1 and 2"),
        ("a: {1: b,\n  0x1: c}\n", "a.0x1 is written twice, in lines 1 and 2"),
    ],
)
def test_a_key_that_is_written_twice_is_refused_with_both_lines(tmp_path: Path, text: str, says: str):
    assert refusal(tmp_path, text) == f"c.yaml: {says}: leave one out, or join them"


@pytest.mark.parametrize("word", ["yes", "True", "y: 1, YES"])
def test_what_yaml_takes_for_on_is_no_on(tmp_path: Path, word: str):
    key = word.split()[-1]
    for place in (f"validation: {{{word}: [a]}}", f"grid: {{g: {{v: {{evaluate: {{e: {{{word}: [a]}}}}}}}}}}"):
        said = refusal(tmp_path, f"experiments:\n  x:\n    {place}\n")
        assert said.startswith("c.yaml: experiments.x.")
        assert said.endswith(f".{key} is not a key, in line 3: did you mean on?")
    (tmp_path / "c.yaml").write_text("experiments: {x: {validation: {On: [a]}}, y: {validation: {'on': [a]}}}")
    read_yaml(tmp_path / "c.yaml")


def test_what_is_nested_without_end_is_refused(tmp_path: Path):
    assert refusal(tmp_path, "a:\n  b: &x {c: *x}\n") == "c.yaml: line 2 refers to itself, which nothing here can"
    for depth in (80, 100_000):
        said = refusal(tmp_path, "[" * depth + "]" * depth)
        assert said == "c.yaml: is nested too deeply: should be at most 64 levels"


def test_what_is_no_utf_8_is_refused(tmp_path: Path):
    (tmp_path / "c.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(UserError, match=r"c\.yaml: is no YAML: byte 3 is no UTF-8: save it as UTF-8$"):
        read_yaml(tmp_path / "c.yaml")


def test_what_is_no_yaml_is_refused(tmp_path: Path):
    said = refusal(tmp_path, "a: 1\nb:\n  c: [1, 2\nd: 3\n")
    assert said.startswith("c.yaml: is no YAML: line 4, column 2: while parsing a flow sequence, expected ',' or ']'")
    assert refusal(tmp_path, "a: 2020-13-45\n").startswith("c.yaml: is no YAML: month must be")
    assert refusal(tmp_path, "a: [1\n").startswith("c.yaml: is no YAML: ")
    assert refusal(tmp_path, "a: !!python/object/apply:os.system [ls]\n").startswith("c.yaml: is no YAML: ")


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read: No such file or directory"):
        read_yaml(tmp_path / "none.yaml")


def test_the_same_key_in_two_mappings_is_fine(tmp_path: Path):
    (tmp_path / "c.yaml").write_text("a: &x {b: 1}\nc: {b: 2}\nd: *x\n1: 2\n'1': 3\n")
    assert read_yaml(tmp_path / "c.yaml") == {"a": {"b": 1}, "c": {"b": 2}, "d": {"b": 1}, 1: 2, "1": 3}
