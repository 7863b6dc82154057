import numpy as np
import pytest

from common_fate.pictures import draw_arrows

GREY = np.full((60, 80, 3), 128, np.uint8)


def uniform(u: float, v: float, height: int = 60, width: int = 80) -> np.ndarray:
    return np.broadcast_to(np.array([u, v], np.float32)[:, None, None], (2, height, width)).copy()


def test_an_arrow_points_where_the_flow_goes():
    flow, before = uniform(10, 0), GREY.copy()
    drawn = draw_arrows(GREY, np.array([[30, 20, 1]], np.float32), flow, scale=4)
    rows, columns = np.nonzero((drawn != GREY).any(axis=-1))
    assert 15 <= columns.min() <= 20
    assert 60 <= columns.max() <= 64
    assert rows.mean() == pytest.approx(30, abs=0.5)
    assert (drawn[30, 40] == [255, 0, 0]).all()  # the colour of going right
    assert np.ptp(rows[columns > 50]) > np.ptp(rows[(columns > 30) & (columns < 50)])  # the head is at the tip
    np.testing.assert_array_equal(GREY, before)


@pytest.mark.parametrize("background", [0, 255])
def test_arrows_read_on_any_background(background: int):
    """Bright inside and dark around: somewhere it differs from black, and somewhere from white."""
    image = np.full((60, 80, 3), background, np.uint8)
    drawn = draw_arrows(image, np.array([[30, 20, 1]], np.float32), uniform(1, 0), scale=30).astype(int)
    assert np.abs(drawn - background).max() > 200


@pytest.mark.parametrize("motion", [(0, 0), (np.nan, 1)])
def test_no_motion_is_a_dot(motion: tuple[float, float]):
    drawn = draw_arrows(GREY, np.array([[30, 20, 1]], np.float32), uniform(*motion), scale=50)
    rows, columns = np.nonzero((drawn != GREY).any(axis=-1))
    assert (drawn[30, 20] == 255).all()
    assert rows.mean() == pytest.approx(30)
    assert columns.mean() == pytest.approx(20)
    assert np.ptp(columns) == np.ptp(rows) < 12


def test_points_that_are_nowhere_are_not_drawn():
    points = np.array([[-1, 5, 1], [5, 80, 1], [np.nan, 5, 1], [60, 5, 1]], np.float32)
    np.testing.assert_array_equal(draw_arrows(GREY, points, uniform(5, 5)), GREY)
    np.testing.assert_array_equal(draw_arrows(GREY, points[:0], uniform(5, 5)), GREY)
