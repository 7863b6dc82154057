import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from scipy.spatial.distance import cdist

from pipeline.scores.flow.errors import flow_error
from trainers.metrics.flow import endpoint_errors, mean_error, nearest_guidance, nearest_point, no_motion


def batch(seed: int, samples: int = 3, height: int = 11, width: int = 13) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(seed)
    flow, target = rng.normal(0, 5, (2, samples, 2, height, width)).astype(np.float32)
    valid = rng.random((samples, height, width)) < rng.random()
    return torch.from_numpy(flow), torch.from_numpy(target), torch.from_numpy(valid)


def guidance_of(points: np.ndarray, motions: np.ndarray, height: int, width: int) -> torch.Tensor:
    """One sample's guidance map, `(1, 3, H, W)`."""
    guidance = torch.zeros(1, 3, height, width)
    for (y, x), motion in zip(points, motions, strict=True):
        guidance[0, :, y, x] = torch.tensor([*motion, 1])
    return guidance


@st.composite
def placed_points(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    """Distinct points in a picture, in no order."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    cells = draw(st.lists(st.integers(0, height * width - 1), min_size=1, max_size=12, unique=True))
    return np.stack(np.divmod(cells, width), axis=1), height, width


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_each_sample_has_the_error_that_the_pipeline_measures(seed: int):
    flow, target, valid = batch(seed)
    errors = endpoint_errors(flow, target, valid)
    for sample in range(len(flow)):
        other = flow_error(flow[sample].numpy(), target[sample].numpy(), valid[sample].numpy())["all"]
        assert errors[sample].tolist() == pytest.approx([other.total, other.count])


def test_what_is_not_valid_does_not_count():
    flow, target, valid = batch(0)
    before = endpoint_errors(flow, target, valid)
    target = torch.where(valid[:, None], target, torch.nan)
    flow = torch.where(valid[:, None], flow, torch.inf)
    assert torch.equal(endpoint_errors(flow, target, valid), before)


def test_the_error_of_a_set_is_the_mean_over_all_its_pixels():
    flow, target, valid = torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 4, 4), torch.ones(2, 4, 4, dtype=torch.bool)
    target[1, 0], target[1, 1] = 3, -4
    valid[1, 1:] = False  # 16 pixels without an error, 4 that are 5 px off
    errors = endpoint_errors(flow, target, valid)
    assert mean_error(errors) == 1
    assert mean_error(errors[1:]) == 5
    assert mean_error(errors[:0]) is None
    assert mean_error(endpoint_errors(flow, target, torch.zeros_like(valid))) is None


def test_sums_are_exact_where_float32_would_not_be():
    target = torch.full((1, 2, 512, 512), 0.1)
    target[:, 1] = 0
    target[0, 0, 0, 0] = 2.0**24
    valid = torch.ones(1, 512, 512, dtype=torch.bool)
    total, count = endpoint_errors(torch.zeros_like(target), target, valid)[0].tolist()
    assert count == 512 * 512
    assert total - 2.0**24 == pytest.approx((count - 1) * float(np.float32(0.1)), rel=1e-9)


@settings(deadline=None)
@given(placed=placed_points())
def test_the_nearest_point_is_the_nearest_and_among_equals_the_first(placed: tuple[np.ndarray, int, int]):
    points, height, width = placed
    pixels = np.stack(np.indices((height, width)), axis=-1).reshape(-1, 2)
    squared = cdist(pixels, points, "sqeuclidean")
    nearest = nearest_point(torch.from_numpy(points), (height, width))
    assert nearest.numpy().ravel().tolist() == squared.argmin(axis=1).tolist()  # argmin takes the first


@settings(deadline=None)
@given(placed=placed_points(), seed=st.integers(0, 2**32 - 1))
def test_each_pixel_moves_as_a_point_at_the_smallest_distance(placed: tuple[np.ndarray, int, int], seed: int):
    points, height, width = placed
    motions = np.random.default_rng(seed).normal(size=(len(points), 2)).astype(np.float32)
    flow = nearest_guidance(guidance_of(points, motions, height, width))[0].numpy()
    absent = np.ones((height, width), bool)
    absent[points[:, 0], points[:, 1]] = False
    distance = distance_transform_edt(absent)
    for y, x in np.ndindex(height, width):
        of = [i for i, motion in enumerate(motions) if (motion == flow[:, y, x]).all()]
        assert np.hypot(*(points[of[0]] - (y, x))) == pytest.approx(distance[y, x])


def test_of_equally_near_points_the_first_in_reading_order_counts():
    motions = np.array([[1, 0], [2, 0], [3, 0]])
    flow = nearest_guidance(guidance_of(np.array([[4, 2], [0, 2], [2, 4]]), motions, 5, 5))
    assert flow[0, 0, 2, 2] == 2


def test_without_points_nothing_moves():
    guidance = torch.zeros(2, 3, 6, 7)
    guidance[1, :, 3, 3] = torch.tensor([5.0, -2.0, 1.0])
    still, moved = nearest_guidance(guidance)
    assert not still.any()
    assert torch.equal(moved, torch.tensor([5.0, -2.0])[:, None, None].expand(2, 6, 7))
    assert torch.equal(no_motion(guidance), torch.zeros(2, 2, 6, 7))


def test_a_point_without_motion_still_counts():
    points, motions = np.array([[0, 0], [0, 9]]), np.array([[0, 0], [4, 0]])
    flow = nearest_guidance(guidance_of(points, motions, 1, 10))
    assert flow[0, 0, 0].tolist() == [0] * 5 + [4] * 5
