from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from trainers.evaluations.retrieval import search
from trainers.evaluations.retrieval.search import Nearest, voted


def test_what_is_nearest_does_not_depend_on_how_much_is_in_memory(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    queries, offered = (rng.normal(size=(count, 5)).astype(np.float32) for count in (7, 40))
    distances = cdist(queries, offered)
    for block in (1, 70, 2**24):
        monkeypatch.setattr(search, "BLOCK", block)
        nearest = Nearest(queries, 3, torch.device("cpu"))
        for part in np.array_split(offered, 11):
            nearest.add(part)
        nearest.compare()
        np.testing.assert_array_equal(nearest.rows, distances.argsort(axis=1)[:, :3])
        np.testing.assert_allclose(nearest.distances, np.sort(distances, axis=1)[:, :3], rtol=1e-4)


def test_fewer_than_are_asked_for_are_found():
    nearest = Nearest(np.zeros((1, 2), np.float32), 3, torch.device("cpu"))
    nearest.add(np.array([[3, 4], [0, 1]], np.float32))
    nearest.compare()
    assert nearest.rows.tolist() == [[1, 0, -1]]
    assert nearest.distances.tolist() == [[1, 5, np.inf]]


@given(arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.integers(-1, 3)))
def test_the_most_frequent_label_wins_and_the_nearest_decides(labels):
    for row, chosen in zip(labels, voted(labels, 4), strict=True):
        there = [label for label in row if label >= 0]
        best = Counter(there).most_common(1)  # in the order of their first place, where several are as frequent
        assert chosen == (best[0][0] if best else -1)
