import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from trainers.methods.cmp.loss import expected_flow, propagation_loss
from trainers.methods.cmp.options import LossOptions

BINS = LossOptions()
REGRESSION = LossOptions(kind="regression")
KINDS = [BINS, REGRESSION]


def resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear, corners on corners: `(..., h, w)` to `(..., H, W)`."""
    for axis, length in zip((-2, -1), size, strict=True):
        old = values.shape[axis]
        at = np.linspace(0, old - 1, length) if length > 1 else np.zeros(1)
        lower = np.minimum(at.astype(int), max(old - 2, 0))
        upper = np.minimum(lower + 1, old - 1)
        share = np.expand_dims(at - lower, list(range(1, -axis)))
        values = np.take(values, lower, axis) * (1 - share) + np.take(values, upper, axis) * share
    return values


def equation_1(prediction, flow, valid, options) -> float:
    """The paper's definition, in double precision, pixel by pixel."""
    logits = resized(prediction.astype(float), flow.shape[-2:])
    total = 0.0
    for axis in range(2):
        log_probability = log_softmax(logits[:, axis * options.bins : (axis + 1) * options.bins], axis=1)
        terms = []
        for sample, y, x in zip(*np.nonzero(valid), strict=True):
            clipped = min(max(float(flow[sample, axis, y, x]), -options.limit), options.limit)
            label = math.floor((clipped + options.limit) / (2 * options.limit / options.bins))
            terms.append(-log_probability[sample, min(label, options.bins - 1), y, x])
        total += sum(terms) / len(terms)
    return total


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)),
    batch=st.integers(1, 3),
    bins=st.sampled_from([3, 11, 99]),
    limit=st.sampled_from([1.0, 20.0, 50.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_loss_is_equation_1(sizes, batch, bins, limit, seed):
    rng = np.random.default_rng(seed)
    options = LossOptions(bins=bins, limit=limit)
    prediction = rng.normal(0, 3, (batch, 2 * bins, *sizes[:2])).astype(np.float32)
    # In steps that no inner edge of a bin falls on: there, single and double precision may differ.
    flow = (rng.normal(0, limit, (batch, 2, *sizes[2:])) * 64).round().astype(np.float32) / 64
    valid = rng.random((batch, *sizes[2:])) < 0.7
    valid[0, 0, 0] = True
    loss = propagation_loss(torch.tensor(prediction), torch.tensor(flow), torch.tensor(valid), options)
    assert float(loss) == pytest.approx(equation_1(prediction, flow, valid, options), rel=1e-5)


def some(options: LossOptions, size: int = 16, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    channels = 2 * options.bins if options.kind == "classification" else 2
    prediction = torch.randn(batch, channels, 4, 4, generator=generator).requires_grad_()
    flow = torch.randn(batch, 2, size, size, generator=generator) * 30
    return prediction, flow, torch.rand(batch, size, size, generator=generator) < 0.8


def slope(options: LossOptions, prediction, flow, valid, factor: float = 1) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(factor * propagation_loss(prediction, flow, valid, options), prediction)
    return gradient


def test_the_gradient_is_that_of_pytorchs_cross_entropy():
    prediction, flow, valid = some(BINS)
    full = torch.nn.functional.interpolate(prediction, (16, 16), mode="bilinear", align_corners=True)
    bins = ((flow.clamp(-50, 50) + 50) * 0.99).floor().long().clamp(max=98).where(valid[:, None], -100)
    plain = sum(torch.nn.functional.cross_entropy(full[:, 99 * axis :][:, :99], bins[:, axis]) for axis in (0, 1))
    (expected,) = torch.autograd.grad(plain, prediction)
    torch.testing.assert_close(slope(BINS, prediction, flow, valid), expected)
    torch.testing.assert_close(slope(BINS, prediction, flow, valid, factor=-3), -3 * expected)
    last = prediction.detach().to(memory_format=torch.channels_last).requires_grad_()
    torch.testing.assert_close(slope(BINS, last, flow, valid), expected)


def test_nothing_at_full_resolution_waits_for_the_backward_pass():
    prediction, flow, valid = some(BINS, size=64)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda x: x):
        loss = propagation_loss(prediction, flow, valid, BINS)
        kept_for_all = sum(kept)
    loss.backward()
    assert kept_for_all < 99 * 64 * 64


@pytest.mark.parametrize("options", KINDS, ids=lambda options: options.kind)
def test_pixels_that_are_not_valid_count_for_nothing(options):
    prediction, flow, valid = some(options)
    spoilt = flow.where(valid[:, None], torch.nan)
    loss = propagation_loss(prediction, flow, valid, options)
    assert torch.equal(loss, propagation_loss(prediction, spoilt, valid, options))
    assert torch.equal(slope(options, prediction, flow, valid), slope(options, prediction, spoilt, valid))
    assert loss != propagation_loss(prediction, flow, torch.ones_like(valid), options)


@pytest.mark.parametrize("options", KINDS, ids=lambda options: options.kind)
def test_nothing_valid_costs_nothing(options):
    prediction, flow, valid = some(options)
    nothing = torch.zeros_like(valid)
    assert propagation_loss(prediction, flow, nothing, options) == 0
    assert (slope(options, prediction, flow, nothing) == 0).all()


@pytest.mark.parametrize("options", KINDS, ids=lambda options: options.kind)
def test_flow_beyond_the_limit_is_clipped(options):
    prediction, flow, valid = some(options)
    far = flow.sign() * 1000
    assert torch.equal(
        propagation_loss(prediction, far, valid, options),
        propagation_loss(prediction, flow.sign() * 50, valid, options),
    )


@pytest.mark.parametrize("options", KINDS, ids=lambda options: options.kind)
def test_half_precision_is_left_at_the_door(options):
    prediction, flow, valid = some(options)
    half = prediction.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = propagation_loss(half, flow, valid, options)
        read = expected_flow(half, (16, 16), options)
    loss.backward()
    assert loss.dtype == read.dtype == torch.float32
    assert torch.equal(loss, propagation_loss(half.float(), flow, valid, options))
    assert torch.equal(read, expected_flow(half.float(), (16, 16), options))
    assert half.grad.dtype == torch.bfloat16
    assert (half.grad != 0).any()


def test_regression_is_the_huber_loss_of_both_axes():
    prediction, flow, valid = some(REGRESSION)
    error = resized(prediction.detach().double().numpy(), (16, 16)) - flow.clamp(-50, 50).double().numpy()
    huber = np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5)
    expected = sum(huber[:, axis][valid.numpy()].mean() for axis in (0, 1))
    assert float(propagation_loss(prediction.detach(), flow, valid, REGRESSION)) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)),
    options=st.sampled_from([BINS, LossOptions(bins=3, limit=10), REGRESSION]),
    seed=st.integers(0, 2**32 - 1),
)
def test_flow_is_the_expectation_over_the_bins_centres(sizes, options, seed):
    rng = np.random.default_rng(seed)
    channels = 2 * options.bins if options.kind == "classification" else 2
    prediction = rng.normal(0, 3, (2, channels, *sizes[:2])).astype(np.float32)
    expected = prediction
    if options.kind == "classification":
        edges = np.linspace(-options.limit, options.limit, options.bins + 1)
        probability = softmax(prediction.reshape(2, 2, options.bins, *sizes[:2]).astype(float), axis=2)
        expected = np.einsum("baihw,i->bahw", probability, (edges[1:] + edges[:-1]) / 2)
    flow = expected_flow(torch.tensor(prediction), sizes[2:], options)
    np.testing.assert_allclose(flow.numpy(), resized(expected.astype(float), sizes[2:]), atol=1e-4)


def test_no_preference_is_no_motion_and_no_motion_is_a_centre():
    assert expected_flow(torch.zeros(1, 198, 2, 2), (5, 5), BINS).abs().max() < 1e-5
    sure = torch.full((1, 198, 2, 2), -100.0)
    sure[:, [49, 99 + 49]] = 100
    assert (expected_flow(sure, (5, 5), BINS) == 0).all()
    assert propagation_loss(sure, torch.zeros(1, 2, 5, 5), torch.ones(1, 5, 5, dtype=torch.bool), BINS) == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_flow_that_the_loss_is_content_with_is_read_back_within_half_a_bin(seed):
    """Descends the loss itself, so that loss and reading cannot number the bins differently."""
    flow = torch.empty(1, 2, 3, 3).uniform_(-50, 50, generator=torch.Generator().manual_seed(seed))
    prediction = torch.zeros(1, 198, 3, 3, requires_grad=True)
    for _ in range(30):
        prediction = (prediction - 100 * slope(BINS, prediction, flow, flow[:, 0] < 100)).detach().requires_grad_()
    assert (expected_flow(prediction, (3, 3), BINS) - flow).abs().max() < 50 / 99 + 0.05
