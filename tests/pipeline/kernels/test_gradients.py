"""The channels of a structured forest, against OpenCV's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from pipeline.columns.regions.contours.forest_channels import Radii, _by_opencv, _raw, channels, padded


@settings(deadline=None, max_examples=30)  # the first call compiles
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([1, 2, 4, 256]),
    normalization=st.sampled_from([0, 1, 4]),
)
def test_every_number_is_opencv_s(shape: tuple[int, int], seed: int, levels: int, normalization: int):
    values = np.random.default_rng(seed).integers(0, levels, (*shape, 3))
    image = padded((values * (255 // max(levels - 1, 1))).astype(np.uint8))
    radii = Radii(gradient_normalization=normalization)
    np.testing.assert_array_equal(_raw(image, radii), _by_opencv(image, radii))


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_a_photograph_s_channels_are_opencv_s(name: str):
    image = padded(getattr(data, name)())
    np.testing.assert_array_equal(_raw(image, Radii()), _by_opencv(image, Radii()))


def test_smoothed_gradients_are_another_matter():
    image = padded(data.chelsea())
    assert not np.array_equal(channels(image, Radii(gradient_smoothing=2)), channels(image, Radii()))
