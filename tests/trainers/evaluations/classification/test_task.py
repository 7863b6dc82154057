"""The losses against PyTorch's own and their definitions, and what does not count."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.engine.schedules import learning_rates
from trainers.evaluations.classification.options import ClassificationOptions
from trainers.evaluations.classification.task import as_targets, counts, sigmoid_losses, softmax_losses
from trainers.evaluations.labelled_images.options import LabelledData


@settings(max_examples=30, deadline=None)
@given(classes=st.integers(2, 9), seed=st.integers(0, 2**31))
def test_of_single_labels_the_softmax_is_the_usual_one(classes, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = 5 * torch.randn(4, classes, generator=generator)
    labels = torch.randint(classes, (4,), generator=generator)
    labels[1] = -1
    targets = as_targets(labels, classes)
    assert counts(targets, "softmax").tolist() == counts(targets, "sigmoid").tolist() == [True, False, True, True]
    found = softmax_losses(scores, targets)[counts(targets, "softmax")]
    torch.testing.assert_close(found, F.cross_entropy(scores[[0, 2, 3]], labels[[0, 2, 3]], reduction="none"))


def test_several_classes_share_the_softmax_and_those_that_are_hard_to_tell_are_no_part_of_it():
    scores = torch.tensor([[1.0, 2.0, 3.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
    targets = torch.tensor([[1, 1, 0, -1], [0, 0, -1, 0]])
    logs = scores[0, :3].log_softmax(0)
    torch.testing.assert_close(softmax_losses(scores, targets)[0], -(logs[0] + logs[1]) / 2)
    assert counts(targets, "softmax").tolist() == [True, False], "an image without a class has no target"
    assert counts(targets, "sigmoid").tolist() == [True, True]


def test_the_sigmoid_asks_for_each_class_that_counts():
    scores, targets = torch.tensor([[1.0, -2.0, 3.0]]), torch.tensor([[1, 0, -1]])
    expected = -torch.log(torch.sigmoid(torch.tensor(1.0))) - torch.log(1 - torch.sigmoid(torch.tensor(-2.0)))
    torch.testing.assert_close(sigmoid_losses(scores, targets)[0], expected)


def test_the_papers_recipe():
    options = ClassificationOptions(LabelledData(kind="voc", path="VOC2007"))
    rates = [learning_rates(options.training)(i) for i in (0, 9_999, 10_000, 20_000, 79_999)]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4, 1e-3 / 2**7])
    assert (options.training.iterations, options.crops, options.loss) == (80_000, 10, "softmax")
