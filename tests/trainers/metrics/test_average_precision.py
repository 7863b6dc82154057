import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchmetrics.functional.classification import binary_average_precision

from trainers.metrics.average_precision import AveragePrecision


def eleven_points(scores, labels):
    """VOC 2007's development kit, written out: images in the order of their scores, what is hard to tell left out."""
    scores, labels = scores[labels >= 0], labels[labels >= 0]
    order = np.argsort(-scores)
    hits = np.cumsum(labels[order] == 1)
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / max(1, (labels == 1).sum())
    return np.mean([max(precision[recall >= level / 10 - 1e-9], default=0.0) for level in range(11)])


def measured(scores, labels, batch):
    metric = AveragePrecision(labels.shape[1])
    for start in range(0, len(labels), batch):
        rows = slice(start, start + batch)
        metric.update(torch.from_numpy(scores[rows]), torch.from_numpy(labels[rows]).long())
    return metric.compute()


@settings(max_examples=30, deadline=None)
@given(
    labels=arrays(np.int8, st.tuples(st.integers(2, 40), st.integers(2, 4)), elements=st.sampled_from([1, 0, 0, -1])),
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 40),
)
def test_both_precisions_are_those_of_their_definitions(labels, seed, batch):
    scores = np.random.default_rng(seed).permutation(labels.size).reshape(labels.shape) / labels.size
    eleven, area = measured(scores, labels, batch)
    for number in range(labels.shape[1]):
        column, known = labels[:, number], labels[:, number] >= 0
        if not (column == 1).any():
            assert torch.isnan(eleven[number])
            assert torch.isnan(area[number])
            continue
        assert eleven[number].item() == pytest.approx(eleven_points(scores[:, number], column), abs=1e-6)
        expected = binary_average_precision(
            torch.from_numpy(scores[known, number]), torch.from_numpy(column[known]).long()
        )
        assert area[number].item() == pytest.approx(expected.item(), abs=1e-6)


def test_a_known_order():
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    eleven, area = measured(scores, np.array([[1], [0], [1], [0]], np.int8), 2)
    assert eleven.item() == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)
    assert area.item() == pytest.approx((1 + 2 / 3) / 2)
