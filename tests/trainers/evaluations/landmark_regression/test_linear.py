"""Regressors against their normal equations and NumPy's pseudo-inverse."""

import numpy as np
import pytest
import torch

from trainers.evaluations.landmark_regression.linear import fit_linear, pixels, shares, told


def drawn(images: int, points: int = 3, landmarks: int = 2):
    rng = np.random.default_rng(images)
    return (
        torch.from_numpy(rng.random((images, points, 2), np.float32)),
        torch.from_numpy(rng.random((images, landmarks, 2), np.float32)),
        torch.from_numpy(rng.random((images, landmarks)) < 0.8),
    )


@pytest.mark.parametrize("images", [1, 4, 30])
def test_least_squares_is_the_pseudo_inverse(images: int):
    points, places, visible = drawn(images)
    weights = fit_linear(points, places, visible, 0)
    for landmark in range(2):
        rows = visible[:, landmark].numpy()
        inputs = points.numpy().reshape(images, -1)[rows].astype(np.float64)
        expected = np.linalg.pinv(inputs) @ places.numpy()[rows, landmark] if rows.any() else 0 * weights[0].numpy()
        np.testing.assert_allclose(weights[landmark], expected, atol=1e-4)


def test_the_ridge_is_in_the_normal_equations():
    points, places, visible = drawn(20)
    weights = fit_linear(points, places, visible, 0.01)
    for landmark in range(2):
        rows = visible[:, landmark].numpy()
        inputs, targets = points.numpy().reshape(20, -1)[rows].astype(float), places.numpy()[rows, landmark]
        expected = np.linalg.solve(inputs.T @ inputs + 0.01 * rows.sum() * np.eye(6), inputs.T @ targets)
        np.testing.assert_allclose(weights[landmark], expected, atol=1e-5)


def test_what_is_told_is_the_product():
    points, places, visible = drawn(5)
    weights = fit_linear(points, places, visible, 0.01)
    expected = np.einsum("nk,pkd->npd", points.numpy().reshape(5, -1), weights.numpy())
    np.testing.assert_allclose(told(points, weights), expected, atol=1e-6)
    own = points[:, None].expand(5, 2, 3, 2)
    torch.testing.assert_close(fit_linear(own, places, visible, 0.01), weights)
    torch.testing.assert_close(told(own, weights), told(points, weights))


def test_shares_run_from_the_corner():
    assert shares(torch.tensor([[-0.5, 9.5]]), (20, 10)).tolist() == [[0, 1]]
    assert pixels(torch.tensor([[0.0, 1.0]]), (20, 10)).tolist() == [[-0.5, 9.5]]
