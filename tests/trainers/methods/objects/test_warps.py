"""Warps against SciPy's thin-plate splines; that none folds; and pairs of images whose motion is that of the pixels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator

from trainers.methods.objects import warps
from trainers.methods.objects.options import WarpOptions
from trainers.methods.objects.warps import Warp, basis, control_points, draw_warp, folds


def test_a_warp_is_the_spline_through_its_own_control_points(monkeypatch: pytest.MonkeyPatch):
    """SciPy's spline has no softening, and weights that sum to 0, also times their places: so have these."""
    monkeypatch.setattr(warps, "SOFTENING", 1e-300)
    rng = np.random.default_rng(0)
    points = control_points(5)
    free = np.column_stack([np.ones(len(points)), points])
    weights = 0.05 * rng.standard_normal((len(points), 2))
    weights -= free @ np.linalg.lstsq(free, weights, rcond=None)[0]
    warp = Warp(rng.normal(0, 1, (2, 2)), rng.normal(0, 1, 2), weights)
    spline = RBFInterpolator(points, warp(points), kernel="thin_plate_spline", degree=1)
    places = rng.uniform(-1.2, 1.2, (200, 2))
    np.testing.assert_allclose(warp(places), spline(places), atol=1e-8)


def test_the_basis_is_the_releases():
    """U(r) = r^2 log(r^2 + 1e-5)."""
    values = basis(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [1.0, 1.0]]))
    expected = [[0, 2 * np.log(2 + 1e-5)], [25 * np.log(25 + 1e-5), 13 * np.log(13 + 1e-5)]]
    np.testing.assert_allclose(values, expected)


def test_a_dense_warp_has_the_outer_pixels_at_the_ends():
    warp = draw_warp(np.random.default_rng(1), WarpOptions(), 9)
    dense = warp.dense(9)
    for y, x in ((0, 0), (8, 8), (4, 4), (0, 8)):
        np.testing.assert_allclose(dense[y, x], warp(np.array([x / 4 - 1, y / 4 - 1])))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 5.0, 30.0]), st.integers(0, 3))
def test_no_warp_folds(seed: int, factor: float, redraws: int):
    warp = draw_warp(np.random.default_rng(seed), replace(WarpOptions(), redraws=redraws), 24, factor)
    dense = warp.dense(24)
    right, down = np.diff(dense, axis=1)[:-1], np.diff(dense, axis=0)[:, :-1]
    assert (np.linalg.det(np.stack([right, down], axis=-1)) > 0).all()


def test_what_folds_is_drawn_anew_and_then_halved():
    strong = replace(WarpOptions(), strong=0.3, spline=0.3, redraws=2)
    rng = np.random.default_rng(0)
    drawn = [warps._drawn(rng, strong, 1.0) for _ in range(3)]
    assert all(folds(warp.dense(32)) for warp in drawn)
    made = draw_warp(np.random.default_rng(0), strong, 32)
    np.testing.assert_array_equal(made.linear, drawn[-1].linear)
    halvings = np.log2(drawn[-1].weights / made.weights)
    assert halvings.round() == pytest.approx(halvings)
    assert halvings.min() == halvings.max() >= 1
    assert folds(Warp(made.linear, made.shift, 2 * made.weights).dense(32))


def test_a_mirror_image_folds():
    line = np.linspace(-1, 1, 8)
    upright = np.stack(np.meshgrid(line, line), axis=-1)
    assert not folds(upright)
    assert folds(upright * [-1, 1])
    assert folds(np.full_like(upright, np.nan))


def test_the_deviations_are_those_of_the_options():
    options, rng = WarpOptions(), np.random.default_rng(0)
    drawn = [warps._drawn(rng, options, 0.5) for _ in range(400)]
    weights = np.stack([warp.weights for warp in drawn])
    mixed = 0.5 * np.sqrt((0.01**2 + 0.001**2) / 2)
    assert weights.std() == pytest.approx(mixed, rel=0.02)
    assert np.median(np.abs(weights)) < 0.4 * mixed  # half of them are small
    assert np.std([warp.shift for warp in drawn]) == pytest.approx(0.1, rel=0.1)
    scales = [np.sqrt(np.linalg.det(warp.linear)) for warp in drawn]
    angles = [np.rad2deg(np.arctan2(warp.linear[1, 0], warp.linear[0, 0])) for warp in drawn]
    assert (np.mean(scales), np.std(scales)) == (pytest.approx(1, abs=0.02), pytest.approx(0.1, rel=0.15))
    assert np.std(angles) == pytest.approx(5, rel=0.15)
