"""Accuracy of single labels and average precision of several as rows of a report."""

import math
from collections.abc import Sequence

from torch import Tensor

from trainers.evaluations.labelled_images.measure import TOP_1, TOP_5
from trainers.evaluations.result import Row

CHANCE, FREQUENT, POSITIVES = "chance", "most frequent classes", "share of positives"


def accuracy_row(dataset: str, metric: str, value: float, learnt: Tensor, confusion: Tensor, subset: str = "") -> Row:
    """Returns the row of an accuracy in percent, beside chance and the classes that are most frequent in training.

    Args:
        metric: `TOP_1` or `TOP_5`.
        value: a share.
        learnt: of each class how many images were trained on, `(C,)`.
        confusion: `(C, C)`, of each class how many of its images (row) are taken for one (column).
    """
    guesses = {TOP_1: 1, TOP_5: 5}[metric]
    there = confusion.sum(dim=1).double()
    total = int(there.sum())
    frequent = learnt.argsort(descending=True, stable=True)[:guesses]
    best = float(there[frequent].sum() / max(total, 1))
    baselines = {CHANCE: 100 * min(1.0, guesses / len(there)), FREQUENT: 100 * best}
    return Row(dataset, metric, 100 * value if total else None, "%", "higher", total, subset, baselines)


def class_rows(dataset: str, classes: Sequence[str], confusion: Tensor) -> tuple[Row, ...]:
    """Returns of each class which share of its images are taken for it."""
    there, right = confusion.sum(dim=1).tolist(), confusion.diag().tolist()
    return tuple(
        Row(dataset, "recall", 100 * hits / count if count else None, "%", "higher", int(count), name)
        for name, hits, count in zip(classes, right, there, strict=True)
    )


def precision_rows(
    dataset: str, classes: Sequence[str], eleven: Tensor, area: Tensor, labels: Tensor, unread: int = 0
) -> tuple[Row, ...]:
    """Returns mean average precisions over the classes that occur, then each class, in percent.

    Beside them stands the share of positives, which an order by chance has about.

    Args:
        eleven, area: `(C,)`, shares; see `trainers.metrics.average_precision`; not a number for a class without images.
        labels: `(N, C)`: 1, 0, or -1 where it does not count.
        unread: how many of the images could not be read.
    """
    counted = (labels >= 0).sum(dim=0)
    positive = (labels == 1).sum(dim=0) / counted.clamp(min=1)
    rows = []
    for metric, values in (("AP, 11 points", eleven), ("AP, area", area)):
        known = ~values.isnan()
        means = (float(one[known].mean()) if known.any() else None for one in (values.double(), positive.double()))
        value, share = (None if mean is None else 100 * mean for mean in means)
        rows.append(Row(dataset, f"m{metric}", value, "%", "higher", len(labels) - unread, "", {POSITIVES: share}))
    for metric, values in (("AP, 11 points", eleven), ("AP, area", area)):
        for name, value, share, count in zip(
            classes, values.tolist(), positive.tolist(), counted.tolist(), strict=True
        ):
            percent = None if math.isnan(value) else 100 * value
            rows.append(Row(dataset, metric, percent, "%", "higher", count, name, {POSITIVES: 100 * share}))
    return tuple(rows)
