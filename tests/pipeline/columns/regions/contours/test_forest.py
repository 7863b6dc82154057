"""Detection by a structured forest, against OpenCV's detector of the same file."""

from functools import lru_cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.columns.regions.contours.detectors import SHIPPED
from pipeline.columns.regions.contours.forest import Forest, ForestOptions, detect, load_forest

REACH = 36  # pixels from the border within which OpenCV's detector and ours may differ


@lru_cache(1)
def shipped() -> Forest:
    return load_forest(SHIPPED)


@pytest.fixture
def forest() -> Forest:
    return shipped()


def scene(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Overlapping discs and boxes with a little noise."""
    random = np.random.default_rng(seed)
    image = np.full((height, width, 3), 90, np.uint8)
    for _ in range(12):
        colour = tuple(int(c) for c in random.integers(0, 256, 3))
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        if random.random() < 0.5:
            cv2.circle(image, (x, y), int(random.integers(8, 60)), colour, -1)
        else:
            cv2.rectangle(image, (x, y), (x + int(random.integers(8, 90)), y + 50), colour, -1)
    noise = random.normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def opencv(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    detector = cv2.ximgproc.createStructuredEdgeDetection(str(SHIPPED))
    return detector.detectEdges(image.astype(np.float32) / np.float32(255))


def test_equals_opencv_away_from_the_border(forest: Forest) -> None:
    image = scene(160, 200)
    inside = np.s_[REACH:-REACH, REACH:-REACH]
    ours, theirs = detect(forest, image)[inside], opencv(image)[inside]
    assert theirs.max() > 0.3
    np.testing.assert_allclose(ours, np.minimum(theirs, 1), atol=1e-6)


def test_what_the_border_loses_in_opencv(forest: Forest) -> None:
    """A line at right angles to the border is as strong at the border as inside."""
    image = np.full((128, 128, 3), 60, np.uint8)
    image[:, 64:] = 190
    ours, theirs = detect(forest, image)[:, 62:66].max(axis=1), opencv(image)[:, 62:66].max(axis=1)
    assert ours[:4].min() > 0.8 * ours[64]
    assert theirs[:4].max() < 0.5 * theirs[64]


@pytest.mark.parametrize(
    "options",
    [
        ForestOptions(),
        ForestOptions(scale=0.5),
        ForestOptions(sharpen=2),
        ForestOptions(multiscale=True, sharpen=1),
    ],
    ids=["plain", "half", "sharp", "multiscale"],
)
def test_a_box_is_found_where_it_is(forest: Forest, options: ForestOptions) -> None:
    image = np.full((120, 140, 3), (200, 180, 60), np.uint8)
    image[40:80, 50:100] = (30, 60, 120)
    strength = detect(forest, image, options)
    assert strength.shape == (120, 140)
    assert strength.dtype == np.float32
    assert strength.min() >= 0
    assert strength.max() <= 1
    edge = np.zeros((120, 140), np.uint8)
    cv2.rectangle(edge, (50, 40), (99, 79), 1)
    near = cv2.dilate(edge, np.ones((7, 7), np.uint8)) > 0
    assert strength[edge > 0].mean() > 10 * strength[~near].mean()
    # The middle of the left side: the strongest column is the box's own edge, or the one beside it.
    assert strength[60, 30:70].argmax() + 30 in (49, 50)


def test_sharpening_narrows_edges(forest: Forest) -> None:
    image = scene(160, 200, seed=3)
    plain, sharp = detect(forest, image), detect(forest, image, ForestOptions(sharpen=2))
    assert sharp.max() >= plain.max()
    assert np.count_nonzero(sharp > 0.1) / np.count_nonzero(sharp > 0.5) < (
        np.count_nonzero(plain > 0.1) / np.count_nonzero(plain > 0.5)
    )


def test_multiscale_is_the_mean_of_three_scales(forest: Forest) -> None:
    image = scene(96, 112, seed=1)
    scales = [detect(forest, image, ForestOptions(scale=scale)) for scale in (0.5, 1, 2)]
    together = detect(forest, image, ForestOptions(multiscale=True))
    np.testing.assert_allclose(together, np.mean(scales, axis=0), atol=1e-6)


def test_the_same_each_time(forest: Forest) -> None:
    image = scene(90, 70)
    for options in (ForestOptions(), ForestOptions(sharpen=2)):
        np.testing.assert_array_equal(detect(forest, image, options), detect(load_forest(SHIPPED), image, options))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 99), st.sampled_from([0, 1]))
def test_images_of_any_size(height: int, width: int, seed: int, sharpen: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    strength = detect(shipped(), image, ForestOptions(sharpen=sharpen))
    assert strength.shape == (height, width)
    assert np.isfinite(strength).all()
    assert strength.min() >= 0
    assert strength.max() <= 1


def test_nothing_in_an_image_of_one_colour(forest: Forest) -> None:
    assert detect(forest, np.full((50, 60, 3), 128, np.uint8)).max() < 0.05


@pytest.mark.parametrize("options", [{"scale": 0.0}, {"scale": 9.0}, {"sharpen": -1}, {"sharpen": 9}])
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ForestOptions(**options)  # type: ignore[arg-type]
