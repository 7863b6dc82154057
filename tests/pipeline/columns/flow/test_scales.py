"""Flow from coarse to fine: motion that an estimator alone does not follow, and none of its own lost."""

import cv2
import numpy as np
import pytest

from pipeline.columns.flow import FlowOptions, create_estimator, estimator_families
from pipeline.columns.flow.scales import over_scales
from pipeline.columns.flow.stage import STAGE
from trainers.evaluations.flow.evaluation import FlowOptions as EvaluationOptions

REACH = 4
"""Pixels: how far the estimator here sees."""


def short_sighted(frames: np.ndarray) -> np.ndarray:
    """The one motion of all pixels, by whole pixels, that explains the frames best."""
    flows = []
    for this, following in frames:
        inside = this[:, REACH:-REACH, REACH:-REACH]
        shifts = [(x, y) for x in range(-REACH, REACH + 1) for y in range(-REACH, REACH + 1)]
        errors = [
            np.abs(inside - np.roll(following, (-y, -x), (1, 2))[:, REACH:-REACH, REACH:-REACH]).mean()
            for x, y in shifts
        ]
        best = np.float32(shifts[int(np.argmin(errors))])
        flows.append(np.broadcast_to(best[:, None, None], (2, *this.shape[1:])))
    return np.stack(flows)


def moved_pair(right: int, down: int, size: tuple[int, int] = (128, 192)) -> np.ndarray:
    """`(1, 2, 3, H, W)`: a texture that moves by whole pixels."""
    noise = np.random.default_rng(0).random((size[0] + 80, size[1] + 80, 3)).astype(np.float32)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 1, cv2.NORM_MINMAX)
    frames = [scene[40 - y : 40 - y + size[0], 40 - x : 40 - x + size[1]] for x, y in ((0, 0), (right, down))]
    return np.stack([frame.transpose(2, 0, 1) for frame in frames])[None]


def test_motion_beyond_what_the_estimator_sees_is_found_from_coarse_to_fine():
    pair = moved_pair(14, -9)
    assert np.hypot(*(short_sighted(pair)[0, :, 0, 0] - (14, -9))) > 8
    flow = over_scales(short_sighted, 3)(np.concatenate([pair, pair]))
    assert flow.shape == (2, 2, 128, 192)
    assert flow.dtype == np.float32
    np.testing.assert_array_equal(flow[0], flow[1])
    error = np.hypot(*(flow[0] - np.float32([14, -9])[:, None, None]))
    assert np.median(error[20:-20, 20:-20]) < 0.5


def test_what_the_estimator_sees_stays_as_it_sees_it():
    pair = moved_pair(3, 1)
    np.testing.assert_array_equal(over_scales(short_sighted, 3)(pair), short_sighted(pair))


def test_frames_without_texture_keep_their_flow():
    pair = np.full((1, 2, 3, 128, 128), 0.5, np.float32)

    def guess(frames: np.ndarray) -> np.ndarray:
        return np.full((1, 2, *frames.shape[-2:]), 2, np.float32)  # at every scale, so that scales do not agree

    np.testing.assert_array_equal(over_scales(guess, 3)(pair), guess(pair))


@pytest.mark.parametrize(("size", "seen"), [((63, 90), [63]), ((64, 90), [32, 64]), ((17, 17), [17])])
def test_no_scale_is_smaller_than_makes_sense(size: tuple[int, int], seen: list[int]):
    heights: list[int] = []

    def noted(frames: np.ndarray) -> np.ndarray:
        heights.append(frames.shape[-2])
        return np.zeros((len(frames), 2, *frames.shape[-2:]), np.float32)

    assert over_scales(noted, 5)(moved_pair(0, 0, size)).shape == (1, 2, *size)
    assert sorted(set(heights)) == seen


def test_the_small_network_has_scales_of_its_own_and_a_record_says_so():
    assert [estimator_families.scales_of(name, None) for name in ("network", "dis", "matching")] == [3, 1, 1]
    about = STAGE.provenance(FlowOptions(estimator="network"))
    assert about["scales"] == 3
    assert "scales" not in STAGE.provenance(FlowOptions(estimator="network", scales=1))
    assert "scales" not in STAGE.provenance(FlowOptions(estimator="matching"))
    pair = moved_pair(14, -9)
    one, own = (create_estimator("network", refinement=0, scales=scales)(pair) for scales in (1, None))
    asked = over_scales(create_estimator("network", refinement=0, scales=1), 3)(pair)
    np.testing.assert_array_equal(own, asked)
    assert not np.array_equal(own, one)


@pytest.mark.parametrize("scales", [0, 6])
def test_no_sensible_number_of_scales_is_refused(scales: int):
    with pytest.raises(ValueError, match="scales is a number of sizes, 1 to 5, or null"):
        FlowOptions(scales=scales)
    with pytest.raises(ValueError, match=f"scales is {scales}: sizes of the frames, 1 to 5, or null"):
        EvaluationOptions(scales=scales)
