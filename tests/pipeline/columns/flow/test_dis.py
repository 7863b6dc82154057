import cv2
import numpy as np
import pytest

from common_fate.errors import SampleError
from pipeline.columns.flow import create_estimator
from pipeline.columns.flow.dis import dis
from pipeline.columns.flow.estimator_families import DIS_PRESETS


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(smooth, None, 0, 1, cv2.NORM_MINMAX).transpose(2, 0, 1)


def shifted_pair(height: int, width: int, right: int, down: int) -> np.ndarray:
    """`(1, 2, 3, H, W)`: a batch of one, whose content moves right and down."""
    scene = texture(height + 40, width + 40)
    first = scene[:, 20 : 20 + height, 20 : 20 + width]
    second = scene[:, 20 - down : 20 - down + height, 20 - right : 20 - right + width]
    return np.stack([first, second])[None]


@pytest.mark.parametrize("preset", DIS_PRESETS)
def test_finds_a_shift_right_and_down_in_pixels(preset: str):
    flow = create_estimator("dis", preset=preset)(shifted_pair(96, 128, 5, -3))
    assert flow.shape == (1, 2, 96, 128)
    assert flow.dtype == np.float32
    inner = flow[0, :, 16:-16, 16:-16]
    # OpenCV's coarser presets are off by a fifth of a pixel to the right and down, whatever the motion.
    np.testing.assert_allclose(np.median(inner, axis=(1, 2)), [5, -3], atol=0.05 if preset == "medium" else 0.25)


def test_presets_differ():
    pair = shifted_pair(96, 128, 5, -3)
    flows = [create_estimator("dis", preset=preset)(pair) for preset in DIS_PRESETS]
    assert not np.array_equal(flows[0], flows[1])
    assert not np.array_equal(flows[1], flows[2])


def test_takes_exactly_the_grey_of_the_frames():
    """Frames of 8 bits come back unchanged from [0, 1]: the flow is that of OpenCV on the frames themselves."""
    first, second = ((255 * image).astype(np.uint8).transpose(1, 2, 0) for image in shifted_pair(64, 80, 2, 1)[0])
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    expected = search.calc(cv2.cvtColor(first, cv2.COLOR_RGB2GRAY), cv2.cvtColor(second, cv2.COLOR_RGB2GRAY), None)
    pair = np.stack([first, second]).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(create_estimator("dis")(pair[None])[0], expected.transpose(2, 0, 1))


def test_a_sample_is_the_same_alone_in_a_batch_and_after_another_size():
    estimate = create_estimator("dis", preset="medium")
    pairs = [shifted_pair(64, 80, right, 1) for right in (1, 4, -6)]
    alone = [estimate(pair) for pair in pairs]
    estimate(shifted_pair(40, 200, 3, 0))
    together = estimate(np.concatenate(pairs))
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("preset", DIS_PRESETS)
def test_a_small_image_changes_nothing_for_those_after_it(preset: str):
    small, large = shifted_pair(32, 32, 1, 0), shifted_pair(48, 64, 2, 1)
    fresh = [dis(preset)(pair) for pair in (large, small)]
    estimate = dis(preset)
    used = [estimate(pair) for pair in (small, large, small)]
    np.testing.assert_array_equal(used[1], fresh[0])
    np.testing.assert_array_equal(used[0], fresh[1])
    np.testing.assert_array_equal(used[2], fresh[1])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads: int):
    pair = shifted_pair(200, 160, 3, 2)
    estimate = create_estimator("dis", preset="medium")
    expected = estimate(pair)
    cv2.setNumThreads(threads)
    try:
        np.testing.assert_array_equal(estimate(pair), expected)
    finally:
        cv2.setNumThreads(1)


@pytest.mark.parametrize("preset", DIS_PRESETS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 8), (10, 200), (31, 31), (400, 16), (31, 400)])
def test_too_small_an_image_is_a_failure_with_a_reason(preset: str, height: int, width: int):
    """OpenCV itself crashes the process on some of these, and returns not-a-number on others."""
    pair = np.zeros((1, 2, 3, height, width), np.float32)
    with pytest.raises(SampleError, match=f"{width}x{height} is too small for DIS: each side needs 32"):
        create_estimator("dis", preset=preset)(pair)


@pytest.mark.parametrize("preset", DIS_PRESETS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 32), (32, 100), (47, 1500), (900, 32), (63, 64)])
def test_the_smallest_images_it_takes_give_flow(preset: str, height: int, width: int):
    flow = create_estimator("dis", preset=preset)(shifted_pair(height, width, 1, 0))
    assert np.isfinite(flow).all()
    assert abs(np.median(flow[0, 0]) - 1) < 0.2
