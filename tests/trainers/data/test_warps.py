from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator, RegularGridInterpolator

from trainers.data.warps import LARGEST, Warp, WarpOptions, draw_warp, folds, grid, warped_pair

SIZE = (24, 32)


def test_a_spline_is_the_one_that_scipy_has_through_the_same_points():
    """Of weights that bend alone: their sums, plain and by place, are 0, as an interpolant's are."""
    warp = draw_warp(WarpOptions(control_points=5), np.random.default_rng(0), SIZE)
    basis = np.linalg.qr(np.column_stack([np.ones(25), warp.centres]))[0]
    bending = warp.weights - basis @ (basis.T @ warp.weights)
    warp = replace(warp, weights=bending)
    spline = RBFInterpolator(warp.centres, warp(warp.centres), kernel="thin_plate_spline")
    places = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    np.testing.assert_allclose(warp(places), spline(places), atol=2e-5)


def test_the_inverse_undoes_a_warp():
    warp = draw_warp(WarpOptions(), np.random.default_rng(3), SIZE)
    places = np.random.default_rng(1).uniform(-1, 1, (40, 2))
    back, found = warp.inverse(warp(places))
    assert found.all()
    np.testing.assert_allclose(back, places, atol=1e-5)


def test_flow_takes_the_first_image_to_the_second():
    rng = np.random.default_rng(0)
    waves = np.stack([np.sin(grid((64, 64)) @ rng.normal(0, 4, 2)) for _ in range(3)]).astype(np.float32)
    pair = warped_pair((waves + 1) / 2, WarpOptions(margin=4), np.random.default_rng(5))
    assert pair.first.shape == (3, 56, 56)
    y, x = np.indices((56, 56))
    to = np.stack([y + pair.flow[1], x + pair.flow[0]], axis=-1)[pair.valid]
    axes = np.arange(56)
    for first, second in zip(pair.first, pair.second, strict=True):
        seen = RegularGridInterpolator((axes, axes), second, bounds_error=False, fill_value=None)(to)
        assert np.abs(first[pair.valid] - seen).mean() < 0.01
    assert 0.5 < pair.valid.mean() < 1


def test_points_go_where_their_surroundings_go():
    """A bright dot is found where its place is said to be; the flow leads from the one to the other."""
    image = np.zeros((3, 64, 64), np.float32)
    image[:, 30:33, 24:27] = 1
    pair = warped_pair(image, WarpOptions(), np.random.default_rng(2))
    first, second, inside = pair.places(np.array([[31.0, 25.0], [-30.0, 5.0]]))
    assert inside.tolist() == [True, False]
    for picture, place in ((pair.first, first[0]), (pair.second, second[0])):
        weight = picture[0] * (picture[0] > 0.1)
        middle = [(weight * axis).sum() / weight.sum() for axis in np.indices(weight.shape)]
        np.testing.assert_allclose(place, middle, atol=0.2)
    y, x = np.rint(first[0]).astype(int)
    np.testing.assert_allclose(first[0] + pair.flow[::-1, y, x], second[0], atol=0.3)


@pytest.mark.parametrize("seed", range(5))
def test_a_warp_that_would_fold_is_weakened_until_it_does_not(seed: int):
    wild = draw_warp(WarpOptions(strong_bend=0.5), np.random.default_rng(seed), SIZE)
    assert wild.halvings > 0
    assert not folds(wild(grid(SIZE)))
    assert folds(replace(wild, weights=2 * wild.weights)(grid(SIZE)))
    mild = draw_warp(WarpOptions(strength=0.1), np.random.default_rng(seed), SIZE)
    assert mild.halvings == 0


def test_without_strength_nothing_moves():
    image = np.random.default_rng(0).random((3, 20, 20), np.float32)
    pair = warped_pair(image, WarpOptions(strength=0), np.random.default_rng(0))
    np.testing.assert_allclose(pair.first, image, atol=1e-5)
    assert np.abs(pair.flow).max() < 1e-5
    assert pair.valid.all()
    assert not pair.folded


def test_a_margin_of_all_there_is_is_refused():
    with pytest.raises(ValueError, match="margin is 10: nothing is left of an image of 20x20"):
        warped_pair(np.zeros((3, 20, 20), np.float32), WarpOptions(margin=10), np.random.default_rng(0))


def test_a_turn_keeps_the_shape():
    """Scale and rotation alone: distances are all scaled alike."""
    warp = draw_warp(WarpOptions(bend=0, strong_bend=0), np.random.default_rng(0), (9, 9))
    assert isinstance(warp, Warp)
    np.testing.assert_allclose(warp.matrix @ warp.matrix.T, np.linalg.det(warp.matrix) * np.eye(2), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 5.0, 30.0]))
def test_no_warp_folds(seed: int, bend: float):
    places = draw_warp(WarpOptions(), np.random.default_rng(seed), (24, 24), bend).on_grid((24, 24))
    right, down = np.diff(places, axis=1)[:-1], np.diff(places, axis=0)[:, :-1]
    assert (np.linalg.det(np.stack([down, right], axis=-1)) > 0).all()


def test_a_mirror_image_folds():
    assert not folds(grid(SIZE))
    assert folds(grid(SIZE) * [1, -1])


def test_the_deviations_are_those_of_the_options():
    rng = np.random.default_rng(0)
    drawn = [draw_warp(WarpOptions(), rng, (8, 8), 0.5) for _ in range(400)]
    weights = np.stack([warp.weights for warp in drawn])
    mixed = 0.5 * np.sqrt((0.01**2 + 0.001**2) / 2)
    assert weights.std() == pytest.approx(mixed, rel=0.02)
    assert np.median(np.abs(weights)) < 0.4 * mixed  # half of them are small
    assert np.std([warp.shift for warp in drawn]) == pytest.approx(0.1, rel=0.1)
    scales = [np.sqrt(np.linalg.det(warp.matrix)) for warp in drawn]
    angles = [np.rad2deg(np.arctan2(warp.matrix[0, 1], warp.matrix[0, 0])) for warp in drawn]
    assert (np.mean(scales), np.std(scales)) == (pytest.approx(1, abs=0.02), pytest.approx(0.1, rel=0.15))
    assert np.std(angles) == pytest.approx(5, rel=0.15)


def test_what_is_not_known_of_the_image_is_not_valid():
    known = np.ones((40, 40), bool)
    known[:, :20] = False
    pair = warped_pair(np.zeros((3, 40, 40), np.float32), WarpOptions(), np.random.default_rng(0), known)
    whole = warped_pair(np.zeros((3, 40, 40), np.float32), WarpOptions(), np.random.default_rng(0))
    assert 0.1 < pair.valid.mean() < whole.valid.mean()
    from_x = pair.to_second(pair.to_first.on_grid((40, 40)))[..., 1]
    np.testing.assert_array_equal(pair.valid, whole.valid & ((from_x + 1) / 2 * 39 >= 20))


@pytest.mark.parametrize("name", ["bend", "translation", "scale", "first_bend", "strength"])
def test_the_largest_warps_end_and_larger_ones_are_refused(name: str):
    warp = draw_warp(WarpOptions(**{name: LARGEST}), np.random.default_rng(0), (20, 24), 1000.0)
    assert np.isfinite(warp.on_grid((20, 24))).all()
    with pytest.raises(ValueError, match=f"{name} is 1e\\+17: at most 1000"):
        WarpOptions(**{name: 1e17})
