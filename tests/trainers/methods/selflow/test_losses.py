"""The losses of SelFlow, against the paper's formulas written out."""

import numpy as np
import pytest
import torch

from pipeline.columns.flow.occlusion import occluded_pixels
from trainers.methods.selflow.losses import (
    census_distance,
    masked_mean,
    occluded,
    photometric_loss,
    self_supervision_loss,
)


def written_out_census(first: np.ndarray, second: np.ndarray, y: int, x: int) -> float:
    """Of one pixel of images `(3, H, W)`."""
    grey = [255 * np.tensordot([0.299, 0.587, 0.114], image, 1) for image in (first, second)]
    distance = 0.0
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            d = [g[y + dy, x + dx] - g[y, x] for g in grey]
            t = [value / np.sqrt(0.81 + value**2) for value in d]
            distance += (t[0] - t[1]) ** 2 / (0.1 + (t[0] - t[1]) ** 2)
    return distance


def test_census_is_the_soft_hamming_distance_of_7x7():
    first, second = np.random.default_rng(0).random((2, 3, 12, 14))
    found = census_distance(torch.from_numpy(first)[None], torch.from_numpy(second)[None])[0, 0]
    for y, x in ((3, 3), (5, 9), (8, 10)):
        assert found[y, x].item() == pytest.approx(written_out_census(first, second, y, x))


def test_census_does_not_see_light():
    image = torch.rand(1, 3, 16, 16) * 0.5
    inner = census_distance(image, image + 0.3)[..., 3:-3, 3:-3]
    torch.testing.assert_close(inner, torch.zeros_like(inner), atol=1e-6, rtol=0)


def test_occluded_pixels_are_those_of_the_pipeline():
    rng = np.random.default_rng(1)
    flow, back = rng.normal(0, 0.7, (2, 2, 20, 30)).astype(np.float32)
    found = occluded(torch.from_numpy(flow)[None], torch.from_numpy(back)[None])[0].numpy()
    expected = occluded_pixels(flow, back)
    assert (found != expected).mean() < 0.005, "but for rounding at the border"
    assert 0.1 < expected.mean() < 0.95


def test_the_photometric_loss_is_equation_1():
    rng = np.random.default_rng(2)
    image, warped = rng.random((2, 2, 3, 9, 11))
    counts = rng.random((2, 9, 11)) < 0.5
    psi = (np.abs(image - warped) + 0.01) ** 0.4
    expected = (psi.mean(1) * counts).sum() / counts.sum()
    found = photometric_loss(*map(torch.from_numpy, (image, warped, counts)), census=False, exponent=0.4)
    assert found.item() == pytest.approx(expected)


def test_self_supervision_is_equation_2_and_teaches_the_student_alone():
    rng = np.random.default_rng(3)
    flow, taught = (torch.from_numpy(x).requires_grad_() for x in rng.normal(0, 3, (2, 1, 2, 5, 6)))
    hidden = torch.from_numpy(rng.random((1, 5, 6)) < 0.4)
    loss = self_supervision_loss(flow, taught, hidden, 0.4)
    psi = (np.abs((flow - taught).detach().numpy()) + 0.01) ** 0.4
    assert loss.item() == pytest.approx((psi.mean(1) * hidden.numpy()).sum() / hidden.sum().item())
    loss.backward()
    assert taught.grad is None
    assert not flow.grad[:, 0][~hidden].any()
    assert flow.grad[:, 0][hidden].all()


def test_a_mean_over_nothing_is_0_and_what_is_not_known_does_not_matter():
    values = torch.full((1, 2, 3, 3), torch.nan, requires_grad=True)
    mean = masked_mean(values, torch.zeros(1, 3, 3, dtype=torch.bool))
    assert mean.item() == 0
    mean.backward()
    assert not values.grad.any()
