import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import thin

from pipeline.kernels.thinning import thinned


@settings(deadline=None)  # the first call compiles
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.2, 0.5, 0.8, 0.97]),
    sigma=st.sampled_from([0, 1, 2]),
)
def test_lines_are_those_of_scikit_image(shape: tuple[int, int], seed: int, share: float, sigma: int):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    mask = field <= np.quantile(field, share)
    np.testing.assert_array_equal(thinned(mask), thin(mask))


@pytest.mark.parametrize("mask", [np.zeros((5, 7), bool), np.eye(9, dtype=bool), np.ones((1, 8), bool)])
def test_what_is_thin_stays_as_it_is(mask: np.ndarray):
    np.testing.assert_array_equal(thinned(mask), mask)


def test_the_mask_given_is_left_alone():
    mask = np.ones((6, 6), bool)
    assert thinned(mask).sum() < 36
    assert mask.all()
