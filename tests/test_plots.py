import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from pipeline.plots import _bins, histogram

VALUES = np.random.default_rng(0).exponential(4, 1000)


def test_the_same_values_make_the_same_bytes(tmp_path: Path):
    for name in ("a.svg", "b.svg"):
        histogram({"demo": VALUES, "davis": VALUES[:50] * 2}, "px", tmp_path / name)
    drawn = (tmp_path / "a.svg").read_bytes()
    assert drawn == (tmp_path / "b.svg").read_bytes()
    assert ET.fromstring(drawn).tag.endswith("svg")
    assert not re.search(rb"<dc:date>", drawn)


@pytest.mark.parametrize("groups", [{}, {"demo": []}, {"demo": [np.nan, np.inf]}, {"demo": [0.5, 0.5]}, {"demo": [3]}])
def test_few_values_are_drawn_all_the_same(groups: dict[str, list[float]], tmp_path: Path):
    histogram(groups, "px", tmp_path / "h.svg")
    assert ET.parse(tmp_path / "h.svg").getroot().tag.endswith("svg")


def test_the_shares_drawn_are_those_of_the_values(tmp_path: Path):
    """Two labels of other sizes and the same distribution have the same outline."""
    histogram({"few": VALUES, "many": np.tile(VALUES, 3)}, "px", tmp_path / "h.svg")
    outlines = re.findall(
        r'<path d="([^"]+)"[^>]*style="fill: none; stroke: #(?:1a73e8|e8710a)', (tmp_path / "h.svg").read_text()
    )
    assert len(set(outlines[:2])) == 1


def test_whole_numbers_get_a_bin_each():
    edges, whole, cut = _bins(np.array([2.0, 5.0, 3.0]))
    assert edges.tolist() == [1.5, 2.5, 3.5, 4.5, 5.5]
    assert whole
    assert not cut


def test_a_few_wild_values_do_not_set_the_axis():
    edges, whole, cut = _bins(np.append(VALUES, 1e6))
    assert edges[-1] < 100
    assert cut
    assert not whole
