"""Flow that is refined: to parts of a pixel, of whatever estimator, and by no more than that."""

from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.columns.flow import FlowOptions, create_estimator, estimator_families
from pipeline.columns.flow.refinement import refined
from pipeline.columns.flow.stage import STAGE
from pipeline.config.load import load


def moved_pair(right: float, down: float, count: int = 2) -> np.ndarray:
    """`(1, N, 3, 96, 128)`: a texture that moves by parts of a pixel; the frame before the last two is another."""
    noise = np.random.default_rng(0).random((136, 168, 3)).astype(np.float32)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 1, cv2.NORM_MINMAX)
    moved = cv2.warpAffine(scene, np.float32([[1, 0, right], [0, 1, down]]), (168, 136), flags=cv2.INTER_CUBIC)
    frames = [scene[::-1]] * (count - 2) + [scene, moved]
    return np.stack([frame[20:-20, 20:-20].transpose(2, 0, 1) for frame in frames])[None].clip(0, 1)


def rounded(frames: np.ndarray) -> np.ndarray:
    """Whole pixels, of what moves by (2.4, -1.3)."""
    return np.broadcast_to(np.float32([2, -1])[:, None, None], (len(frames), 2, *frames.shape[-2:]))


@pytest.mark.parametrize("count", [2, 3])
def test_whole_pixels_become_parts_of_them(count: int):
    pair = moved_pair(2.4, -1.3, count)
    flow = refined(rounded, 5)(np.concatenate([pair, pair]))
    assert flow.shape == (2, 2, 96, 128)
    assert flow.dtype == np.float32
    np.testing.assert_array_equal(flow[0], flow[1])
    error = np.hypot(*(flow[0] - np.float32([2.4, -1.3])[:, None, None]))[16:-16, 16:-16]
    assert np.median(error) < 0.05


def test_frames_without_texture_keep_their_flow():
    frames = np.full((1, 2, 3, 48, 64), 0.5, np.float32)
    np.testing.assert_allclose(refined(rounded, 3)(frames), rounded(frames), atol=1e-4)


def test_an_estimator_s_own_number_of_steps_holds_unless_another_is_asked_for():
    names = ("network", "network:experiments.a", "matching", "dis", "ptlflow:liteflownet")
    assert [estimator_families.refinement_of(name, None) for name in names] == [3, 3, 3, 0, 0]
    pair = moved_pair(2.4, -1.3)
    plain, asked = (create_estimator("dis", steps, preset="fast")(pair) for steps in (None, 3))
    np.testing.assert_array_equal(refined(create_estimator("dis", preset="fast"), 3)(pair), asked)
    assert not np.array_equal(plain, asked)


def test_the_record_says_what_was_refined_how_and_by_what():
    assert "refinement" not in STAGE.provenance(FlowOptions())
    assert STAGE.provenance(FlowOptions(refinement=5))["refinement"] == 5
    about = STAGE.provenance(FlowOptions(estimator="matching"))
    assert about["refinement"] == 3
    assert about["opencv"].startswith(cv2.__version__)


def test_what_null_stands_for_is_planned_with_and_0_is_0():
    def planned(**flow: Any) -> dict[str, Any]:
        return load({"datasets": {"a": {"source": {"kind": "synthetic"}, "flow": flow}}})["a"].options("flow")

    assert planned(estimator="matching")["refinement"] == 3
    assert planned(estimator="matching", refinement=0)["refinement"] == 0
    assert planned(estimator="network")["scales"] == 3
    assert not {"refinement", "scales"} & planned(estimator="dis").keys()


def test_an_outlier_is_smoothed_away_and_noise_is_not_turned_over():
    frames = np.full((1, 2, 3, 48, 64), 0.5, np.float32)

    def spiky(frames: np.ndarray) -> np.ndarray:
        flow = np.zeros((1, 2, *frames.shape[-2:]), np.float32)
        flow[..., 20, 30] = 100
        return flow

    for steps in (1, 2, 3):
        assert np.abs(refined(spiky, steps)(frames)).max() < 30
    pair, noise = moved_pair(2.4, -1.3), np.random.default_rng(1).normal(0, 0.25, (1, 2, 96, 128)).astype(np.float32)
    exact = np.float32([2.4, -1.3])[:, None, None]
    for steps in (1, 2, 3):
        flow = refined(lambda frames: exact + noise, steps)(pair)
        assert np.hypot(*(flow[0] - exact))[16:-16, 16:-16].mean() < 0.5 * np.hypot(*noise[0]).mean()


@pytest.mark.parametrize("steps", [-1, 101, 2.5, True])
def test_no_sensible_number_of_steps_is_refused(steps: Any):
    with pytest.raises(ValueError, match="refinement is a number of steps, 0 to 100, or null"):
        FlowOptions(refinement=steps)
