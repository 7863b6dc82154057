"""The loss against loops, and negatives from other images against what they are drawn from."""

import math

import pytest
import torch
import torch.nn.functional as F

from trainers.methods.grouping.cross import PixelQueue, of_batch
from trainers.methods.grouping.loss import References, at, grouping_loss, joined
from trainers.methods.grouping.options import LossOptions

B, A, P, N, C = 3, 4, 5, 6, 8


def units(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, C, dtype=torch.float64), dim=-1)


def drawn() -> tuple[torch.Tensor, torch.Tensor, References, References]:
    torch.manual_seed(0)
    positives, negatives = (
        References(units(B, A, P), torch.rand(B, A, P) > 0.3),
        References(units(B, A, N), torch.rand(B, A, N) > 0.3),
    )
    negatives.counted[..., 0] = True
    counted = torch.rand(B, A) > 0.3
    negatives.counted[~counted] = False
    return units(B, A), counted, positives, negatives


@pytest.mark.parametrize("form", ["log", "sum"])
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_the_loss_is_that_of_loops(form: str, temperature: float):
    anchors, counted, positives, negatives = drawn()
    terms = []
    for b in range(B):
        for i in range(A):
            for m in range(P):
                if not (counted[b, i] and positives.counted[b, i, m]):
                    continue
                near = math.exp(torch.dot(anchors[b, i], positives.vectors[b, i, m]) / temperature)
                far = sum(
                    math.exp(torch.dot(anchors[b, i], negatives.vectors[b, i, n]) / temperature)
                    for n in range(N)
                    if negatives.counted[b, i, n]
                )
                share = near / (near + far)
                terms.append(-math.log(share) if form == "log" else -share)
    assert len(terms) > 10
    loss = grouping_loss(anchors, counted, positives, negatives, LossOptions(form, temperature))
    assert loss.item() == pytest.approx(sum(terms) / len(terms))


def test_what_does_not_count_has_no_gradient_and_nothing_to_compare_costs_nothing():
    anchors, counted, positives, negatives = drawn()
    for source in (anchors, positives.vectors, negatives.vectors):
        source.requires_grad_()
    grouping_loss(anchors, counted, positives, negatives, LossOptions()).backward()
    assert (anchors.grad[~counted] == 0).all()
    assert (positives.vectors.grad[~positives.counted] == 0).all()
    assert (negatives.vectors.grad[~negatives.counted] == 0).all()
    assert anchors.grad[counted].abs().sum() > 0
    nothing = torch.zeros_like(counted)
    loss = grouping_loss(anchors, nothing, positives, negatives, LossOptions())
    anchors.grad = None
    loss.backward()
    assert loss == 0
    assert (anchors.grad == 0).all()


def test_an_embedding_is_read_between_its_vectors():
    """Each is at the centre of a square of 4 pixels; what is between two of them is between both."""
    embedding = F.normalize(torch.randn(2, C, 5, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    centres = torch.stack(torch.meshgrid(torch.arange(5) * 4 + 1.5, torch.arange(6) * 4 + 1.5, indexing="ij"), -1)
    read = at(embedding, centres.expand(2, 5, 6, 2))
    torch.testing.assert_close(read, embedding.permute(0, 2, 3, 1))
    between = at(embedding, torch.tensor([1.5, 4 + 1.5 - 1]).expand(2, 1, 2))[
        :, 0
    ]  # a quarter from the first row's 2nd
    expected = F.normalize(0.25 * embedding[:, :, 0, 0] + 0.75 * embedding[:, :, 0, 1], dim=1)
    torch.testing.assert_close(between, expected)


def test_negatives_of_a_batch_are_evenly_of_all_other_images():
    embedding = torch.arange(3.0)[:, None, None, None] * 100 + torch.arange(6.0).reshape(1, 1, 2, 3)
    made = of_batch(embedding, torch.rand(3, 1, 6000, generator=torch.Generator().manual_seed(0)))
    assert made.counted.all()
    for own in range(3):
        found, counts = made.vectors[own, 0, :, 0].unique(return_counts=True)
        assert found.tolist() == [100.0 * other + cell for other in range(3) if other != own for cell in range(6)]
        assert (counts - 500).abs().max() < 100
    assert not of_batch(embedding[:1], torch.rand(1, 1, 4)).counted.any()


def test_a_queue_has_the_last_pixels_and_gives_none_of_the_anchors_own_image():
    queue = PixelQueue(5, 1)
    draws = torch.rand(1, 1, 1000, generator=torch.Generator().manual_seed(0))
    assert not queue.draw(draws, torch.tensor([7])).counted.any(), "it is empty"
    queue.add(torch.tensor([[1.0], [2.0]]), torch.tensor([7, 8]))
    made = queue.draw(draws, torch.tensor([7]))
    assert set(made.vectors[made.counted].flatten().tolist()) == {2.0}
    queue.add(torch.tensor([[3.0], [4.0], [5.0], [6.0]]), torch.tensor([9, 9, 9, 8]))
    made = queue.draw(draws, torch.tensor([7]))
    assert set(made.vectors[made.counted].flatten().tolist()) == {2.0, 3.0, 4.0, 5.0, 6.0}
    made = queue.draw(draws, torch.tensor([8]))
    assert set(made.vectors[made.counted].flatten().tolist()) == {3.0, 4.0, 5.0}


def test_references_of_several_sources_are_side_by_side():
    one, other = (
        References(torch.zeros(2, 3, 1, 4), torch.ones(2, 3, 1) > 0),
        References(torch.ones(2, 3, 2, 4), torch.ones(2, 3, 2) < 0),
    )
    both = joined([one, other])
    assert both.vectors[0, 0, :, 0].tolist() == [0, 1, 1]
    assert both.counted[1, 2].tolist() == [True, False, False]
