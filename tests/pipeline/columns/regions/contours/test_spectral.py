import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh
from scipy.ndimage import gaussian_filter

from pipeline.columns.regions.contours.spectral import reinforced, spectral_signal
from pipeline.kernels.watershed import watershed


def defined_signal(strength: np.ndarray, eigenvectors: int, scale: float) -> np.ndarray:
    """The normalised cut of all pixels, kept to vectors constant within the basins, by dense matrices."""
    height, width = strength.shape
    basins = watershed(strength)
    number = np.arange(height * width).reshape(height, width)
    pairs = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    a, b = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in range(2))
    alike = np.zeros((number.size, number.size))
    alike[a, b] = alike[b, a] = np.exp(-np.maximum(strength.ravel()[a], strength.ravel()[b]) / scale)
    indicator = np.eye(basins.max() + 1)[basins.ravel()]
    degree = indicator.T @ np.diag(alike.sum(axis=0)) @ indicator
    values, vectors = eigh(degree - indicator.T @ alike @ indicator, degree)
    kept = slice(1, 1 + min(eigenvectors, basins.max()))
    weights = 1 / np.sqrt(np.maximum(values[kept], 1e-8))
    steps = np.zeros(number.size)
    spread = vectors[:, kept] / np.ptp(vectors[:, kept], axis=0)
    jump = np.abs(spread[basins.ravel()[a]] - spread[basins.ravel()[b]]) @ weights / weights.sum()
    np.maximum.at(steps, a, jump)
    np.maximum.at(steps, b, jump)
    return np.minimum(3 * steps, 1).reshape(height, width)


@settings(deadline=None, max_examples=30)  # the first call compiles
@given(
    shape=st.tuples(st.integers(1, 26), st.integers(2, 26)),
    seed=st.integers(0, 2**32 - 1),
    eigenvectors=st.sampled_from([1, 4, 16]),
    scale=st.sampled_from([0.1, 0.3]),
)
def test_the_signal_is_its_definition(shape: tuple[int, int], seed: int, eigenvectors: int, scale: float):
    strength = np.random.default_rng(seed).random(shape)
    signal = spectral_signal(strength, eigenvectors, scale)
    assert (signal.shape, signal.dtype) == (shape, np.float32)
    if strength.size == 1 or watershed(strength).max() == 0:
        assert not signal.any()
    else:
        np.testing.assert_allclose(signal, defined_signal(strength, eigenvectors, scale), atol=1e-5)


def test_many_basins_are_solved_as_few_are():
    """More than a hundred basins: sparse, by iteration."""
    strength = np.random.default_rng(1).random((30, 31))
    assert watershed(strength).max() > 110
    defined = defined_signal(strength, 16, 0.1)
    np.testing.assert_allclose(spectral_signal(strength, precision=0), defined, atol=1e-5)
    np.testing.assert_allclose(spectral_signal(strength), defined, atol=5e-3)


def test_equal_cells_have_a_signal_between_them_alone():
    """Eigenvalues that occur twice: the iteration runs out of directions and goes on with others."""
    strength = np.zeros((67, 67))
    strength[::6] = strength[:, ::6] = 0.5
    assert watershed(strength).max() > 110
    for precision in (0, 1e-2):
        signal = spectral_signal(strength, precision=precision)
        assert signal.max() > 0.1
        assert not signal[2::6, 2::6].any()


def closed_and_open() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A faint texture, a strong closed square, and a line as strong that ends in the open."""
    strength = 0.05 * gaussian_filter(np.random.default_rng(0).random((120, 160)), 1)
    square, line = (np.zeros(strength.shape, bool) for _ in range(2))
    square[30, 20:71] = square[80, 20:71] = square[30:81, 20] = square[30:81, 70] = True
    line[55, 100:151] = True
    strength[square | line] = 0.5
    return strength, square, line


def test_what_closes_a_region_stands_out_from_what_does_not():
    strength, square, line = closed_and_open()
    signal = spectral_signal(strength)
    assert np.median(signal[square]) > 1.5 * np.median(signal[line])
    assert np.median(signal[line]) > 2 * np.median(signal[~square & ~line])


def test_of_very_many_basins_the_small_ones_are_left_out():
    """Nine thousand basins of texture, and a square of which each side is strong."""
    strength = 0.05 * gaussian_filter(np.random.default_rng(0).random((400, 500)), 1)
    strength /= strength.max() / 0.05
    square = np.zeros(strength.shape, bool)
    square[100, 100:301] = square[300, 100:301] = square[100:301, 100] = square[100:301, 300] = True
    strength[square] = 0.5
    basins = watershed(strength)
    assert basins.max() > 6000
    signal = spectral_signal(strength)
    assert np.median(signal[square]) > 3 * np.median(signal[~square])
    inside = np.zeros(strength.shape, bool)
    inside[1:-1, 1:-1] = (basins[1:-1, 1:-1] == basins[:-2, 1:-1]) & (basins[1:-1, 1:-1] == basins[2:, 1:-1])
    inside[1:-1, 1:-1] &= (basins[1:-1, 1:-1] == basins[1:-1, :-2]) & (basins[1:-1, 1:-1] == basins[1:-1, 2:])
    assert not signal[inside].any(), "steps are between basins only"


def test_the_same_map_has_the_same_signal_to_the_last_bit():
    strength = closed_and_open()[0]
    np.testing.assert_array_equal(spectral_signal(strength), spectral_signal(strength.copy(order="F")))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (8, 9)])
@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_a_constant_map_has_no_signal(shape: tuple[int, int], value: float):
    assert not spectral_signal(np.full(shape, value)).any()


def test_two_halves_are_told_apart_by_the_one_eigenvector_there_is():
    strength = np.zeros((10, 20))
    strength[:, 9:11] = 1
    signal = spectral_signal(strength)
    assert (signal[:, 9:11].max(axis=1) == 1).all()
    assert not signal[:, :8].any()
    assert not signal[:, 12:].any()


def test_faint_noise_is_not_blown_up():
    """No region closes: the eigenvectors rise smoothly, and no step is large."""
    noise = 1e-3 * np.random.default_rng(0).random((200, 300))
    assert spectral_signal(noise).max() < 0.6


def test_reinforced_is_the_weighted_mean():
    strength = closed_and_open()[0].astype(np.float32)
    mean = reinforced(strength, 0.5)
    np.testing.assert_allclose(mean, (strength + 0.5 * spectral_signal(strength)) / 1.5, atol=1e-6)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(reinforced(strength, 0), strength, atol=1e-6)
