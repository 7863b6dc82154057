"""Equations 2 to 7 against NumPy, written out from the paper."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.methods.similarity.kernels import embedding_kernel, flow_kernel, normalised_flow
from trainers.methods.similarity.loss import alignment, bins_of, correlation, direct_loss, kernel_loss, log_shares
from trainers.methods.similarity.options import LossOptions

KINDS = ("kta", "ce", "ce_rev")


def equation_2(embedding: np.ndarray, flow: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
    count = len(flow)
    embedded, moved = np.zeros((count, count)), np.zeros((count, count))
    for p in range(count):
        for q in range(count):
            lengths = np.linalg.norm(embedding[p]) * np.linalg.norm(embedding[q])
            embedded[p, q] = embedding[p] @ embedding[q] / lengths / 4
            moved[p, q] = math.exp(-(np.linalg.norm(flow[p] - flow[q]) ** 2) / (2 * variance))
    return embedded, moved


def equation_5(kernel: np.ndarray) -> np.ndarray:
    count = len(kernel)
    shares = np.zeros((count, count))
    for p in range(count):
        below = sum(math.exp(kernel[p, other]) for other in range(count) if other != p) + 1
        for q in range(count):
            shares[p, q] = (1 if p == q else math.exp(kernel[p, q])) / below
    return shares


def expected(embedded: np.ndarray, moved: np.ndarray, kind: str) -> float:
    """Equations 3, 4 and 6; the sums of the last two over as many pixels."""
    if kind == "kta":
        return 1 - (embedded * moved).sum() / math.sqrt((embedded**2).sum() * (moved**2).sum())
    by_flow, by_embedding = equation_5(moved), equation_5(embedded)
    truth, other = (by_flow, by_embedding) if kind == "ce" else (by_embedding, by_flow)
    return -(truth * np.log(other)).sum() / len(moved)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 4), st.sampled_from([0.0036, 0.1, 2.0]))
@settings(max_examples=60, deadline=None)
def test_losses_are_the_papers_whatever_stands_beside_what_counts(seed, count, beside, variance):
    rng = np.random.default_rng(seed)
    embedding, flow = rng.normal(size=(count + beside, 5)), rng.uniform(-0.3, 0.3, (count + beside, 2))
    counted = rng.permutation(np.arange(count + beside) < count)
    embedded, moved = equation_2(embedding[counted], flow[counted], variance)
    kernels = embedding_kernel(torch.from_numpy(embedding)), flow_kernel(torch.from_numpy(flow), variance)
    inside = np.ix_(counted, counted)
    np.testing.assert_allclose(kernels[0].numpy()[inside], embedded, atol=1e-12)
    np.testing.assert_allclose(kernels[1].numpy()[inside], moved, atol=1e-12)
    batch = [one[None] for one in kernels]
    mask = torch.from_numpy(counted)[None]
    for kind in KINDS:
        assert kernel_loss(*batch, mask, kind).item() == pytest.approx(expected(embedded, moved, kind), abs=1e-9)


@given(st.floats(-200, 200), st.floats(-200, 200), st.sampled_from([56.0, 8.0]))
def test_flow_is_normalised_by_its_logarithm(u, v, limit):
    found = normalised_flow(torch.tensor([u, v], dtype=torch.float64), limit).tolist()
    wanted = [np.sign(one) * min(1, math.log(abs(one) + 1) / math.log(limit + 1)) for one in (u, v)]
    assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_constant_flow_has_a_kernel_of_ones_and_a_loss_with_a_gradient(kind):
    vectors = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    moved = flow_kernel(torch.full((1, 6, 2), 0.4), 0.0036)
    assert torch.equal(moved, torch.ones(1, 6, 6))
    (loss,) = kernel_loss(embedding_kernel(vectors), moved, torch.ones(1, 6, dtype=torch.bool), kind)
    loss.backward()
    embedded = embedding_kernel(vectors).detach()[0].double().numpy()
    assert loss.item() == pytest.approx(expected(embedded, np.ones((6, 6)), kind), abs=1e-6)
    assert vectors.grad.isfinite().all()
    assert vectors.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_a_pixel_that_counts_costs_nothing(kind):
    vectors = torch.zeros(2, 6, 4, requires_grad=True)
    counted = torch.tensor([[False] * 6, [True] + [False] * 5])
    losses = kernel_loss(embedding_kernel(vectors), flow_kernel(torch.zeros(2, 6, 2), 0.0036), counted, kind)
    losses.sum().backward()
    assert losses[0] == 0
    assert losses.isfinite().all()
    assert vectors.grad.isfinite().all()


def test_equal_kernels_are_aligned_and_each_row_shares_out_1():
    kernel = embedding_kernel(torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(0)))
    counted = torch.arange(8)[None] < 5
    assert alignment(kernel, 3 * kernel, counted).item() == pytest.approx(1)
    assert alignment(kernel, -kernel, counted).item() == pytest.approx(-1)
    shares = log_shares(kernel, counted).exp()
    assert shares.sum(dim=2)[0, :5].tolist() == pytest.approx([1] * 5)
    assert shares[0, :5, 5:].abs().max() == 0


def test_correlation_is_pearsons_of_different_pixels_and_unknown_where_nothing_differs():
    generator = torch.Generator().manual_seed(0)
    kernel, flow = embedding_kernel(torch.randn(1, 9, 3, generator=generator)), torch.rand(1, 9, 2, generator=generator)
    other, counted = flow_kernel(flow, 0.3), torch.arange(9)[None] < 6
    pairs = ~np.eye(6, dtype=bool)
    expected = np.corrcoef(kernel[0, :6, :6].numpy()[pairs], other[0, :6, :6].numpy()[pairs])[0, 1]
    assert correlation(kernel, other, counted).item() == pytest.approx(expected, abs=1e-6)
    assert correlation(kernel, 0.5 - 2 * kernel, counted).item() == pytest.approx(-1)
    for none in (torch.ones(1, 9, 9), torch.full((1, 9, 9), 0.1)):
        assert correlation(kernel, none, counted).isnan()
    assert correlation(kernel, other, torch.zeros(1, 9, dtype=torch.bool)).isnan()


def test_direct_classes_are_even_bins_of_each_axis():
    options = LossOptions(kind="direct", bins=4)
    flow = torch.tensor([[[-1.0, 1.0], [-0.01, 0.0], [0.49, 0.5], [0.0, 0.0]]])
    assert bins_of(flow, 4).tolist() == [[[0, 3], [1, 2], [2, 3], [2, 2]]]
    scores = torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(0))
    counted = torch.tensor([[True, True, True, False]])
    shares = np.exp(scores[0].double().numpy()).reshape(4, 2, 4)
    shares /= shares.sum(axis=2, keepdims=True)
    wanted = [-np.log(shares[p, 0, u]) - np.log(shares[p, 1, v]) for p, (u, v) in enumerate([(0, 3), (1, 2), (2, 3)])]
    assert direct_loss(scores, flow, counted, options).item() == pytest.approx(np.mean(wanted), rel=1e-5)
    assert direct_loss(scores, flow, torch.zeros(1, 4, dtype=torch.bool), options).item() == 0
