from pathlib import Path

import numpy as np
import pytest

from pipeline.scores.flow.errors import PixelMean, flow_error, total_error


def field(*vectors: tuple[float, float]) -> np.ndarray:
    """One row of pixels."""
    return np.array(vectors, np.float32).T[:, None, :]


def test_every_pixel_counts_in_its_own_rows():
    truth = field((3, 4), (10, 0), (40, 0), (0, 50), (0, 0))
    estimate = field((3, 4), (10, 2), (40, -4), (0, 60), (900, 900))
    valid = np.array([[True, True, True, True, False]])
    occlusion = np.array([[False, True, False, True, True]])
    error = flow_error(estimate, truth, valid, occlusion)
    assert error == {
        "all": PixelMean(0 + 2 + 4 + 10, 4),
        "not occluded": PixelMean(0 + 4, 2),
        "occluded": PixelMean(2 + 10, 2),
        "s0-10": PixelMean(0, 1),
        "s10-40": PixelMean(2 + 4, 2),
        "s40+": PixelMean(10, 1),
        "Fl-all": PixelMean(2, 4),
    }
    assert error["all"].value == 4
    assert error["Fl-all"].value == 0.5


def test_an_outlier_is_off_by_three_pixels_and_by_five_per_cent():
    truth = field((100, 0), (100, 0), (10, 0), (10, 0))
    estimate = field((104.5, 0), (105.5, 0), (12.5, 0), (13.5, 0))
    assert flow_error(estimate, truth, np.ones((1, 4), bool))["Fl-all"] == PixelMean(2, 4)


def test_nothing_known_gives_no_mean_and_no_crash():
    error = flow_error(field((1, 1)), field((2, 2)), np.zeros((1, 1), bool), np.zeros((1, 1), bool))
    assert all(mean == PixelMean(0, 0) and mean.value is None for mean in error.values())


def test_without_an_occlusion_mask_nothing_is_said_of_occlusion():
    error = flow_error(field((1, 1)), field((2, 1)), np.ones((1, 1), bool))
    assert error["all"] == PixelMean(1, 1)
    assert error["not occluded"] == error["occluded"] == PixelMean(0, 0)


def test_samples_add_up_to_the_mean_over_their_pixels_together():
    rng = np.random.default_rng(5)
    flow, truth = rng.normal(0, 30, (2, 2, 6, 8)).astype(np.float32)
    valid, occlusion = rng.random((2, 6, 8)) < 0.7
    whole = flow_error(flow, truth, valid, occlusion)
    # Parts of different sizes, so that a mean of means would be wrong.
    parts = [
        flow_error(flow[:, rows], truth[:, rows], valid[rows], occlusion[rows]) for rows in (slice(0, 1), slice(1, 6))
    ]
    total = total_error(parts)
    assert total.keys() == whole.keys()
    for name, mean in whole.items():
        assert total[name].count == mean.count
        assert total[name].total == pytest.approx(mean.total)
    assert whole["all"].value == pytest.approx(np.linalg.norm((flow - truth)[:, valid], axis=0).mean(), rel=1e-5)
    assert total_error([]) == {}


def test_what_does_not_fit_is_refused():
    flow = np.zeros((2, 4, 5), np.float32)
    with pytest.raises(ValueError, match="differ in size"):
        flow_error(flow, flow[:, :3], np.ones((4, 5), bool))
    with pytest.raises(ValueError, match="differ in size"):
        flow_error(flow, flow, np.ones((4, 5), bool), np.ones((5, 4), bool))


def test_dis_on_real_pairs_is_well_below_zero_motion(shared_data: Path):
    """DIS medium: 0.38 px over four Middlebury scenes when this was written; standing still: 4.38 px."""
    import cv2

    from common_fate.foreign.flow_files import read_flo
    from pipeline.columns.flow import create_estimator

    estimate = create_estimator("dis", preset="medium")
    found, still = [], []
    for scene in sorted((shared_data / "flow/middlebury").iterdir()):
        pair = [
            cv2.imread(str(scene / name), cv2.IMREAD_COLOR_RGB).transpose(2, 0, 1).astype(np.float32) / 255
            for name in ("frame10.png", "frame11.png")
        ]
        truth, valid = read_flo(scene / "flow10.flo")
        found.append(flow_error(estimate(np.stack(pair)[None])[0], truth, valid))
        still.append(flow_error(np.zeros_like(truth), truth, valid))
    assert total_error(found)["all"].value < 0.25 * total_error(still)["all"].value
