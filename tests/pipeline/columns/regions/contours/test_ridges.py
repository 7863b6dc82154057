"""Ridges: where a blurred line was drawn, and nowhere else."""

import cv2
import numpy as np
import pytest

from pipeline.columns.regions.contours.ridges import ridges


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90, 135])
def test_a_blurred_line_becomes_the_line(degrees: int) -> None:
    """Against the distance of each pixel to the line that was blurred."""
    y, x = np.mgrid[:80, :80] - 40.0
    angle = np.deg2rad(degrees)
    distance = np.abs(-np.sin(angle) * x + np.cos(angle) * y)
    strength = np.exp(-((distance / 3) ** 2)).astype(np.float32)
    kept = ridges(strength)[8:-8, 8:-8] > 0.01
    far = distance[8:-8, 8:-8]
    assert far[kept].max() < 1
    # Every pixel on the line has a ridge at it or beside it.
    near_ridge = cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert near_ridge[far < 0.5].all()


def test_what_stays_keeps_its_strength() -> None:
    strength = cv2.GaussianBlur(np.random.default_rng(0).random((50, 60)).astype(np.float32), (0, 0), 2)
    kept = ridges(strength)
    assert kept.shape == strength.shape
    assert 0.05 < np.mean(kept > 0) < 0.6
    np.testing.assert_array_equal(kept[kept > 0], strength[kept > 0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_a_flat_map_of_any_size_stays(shape: tuple[int, int]) -> None:
    flat = np.full(shape, 0.5, np.float32)
    np.testing.assert_array_equal(ridges(flat), flat)
