import numpy as np
import pytest

from common_fate.errors import UserError
from tests.support.coloured_net import ColouredNet, canvas, options
from trainers.methods.cmp.apps.animate import animate

TELEA = 5  # grey levels by which OpenCV's painting strays within a plain colour


def test_the_motion_grows_evenly_from_none_to_all():
    picture = canvas()
    picture[20:40, 10:30] = (200, 10, 10)
    frames = list(animate(ColouredNet(), options(), picture, [[25, 15, -12, 24]], 4))
    assert len(frames) == 4
    assert (frames[0] == picture).all()
    for i, frame in enumerate(frames):
        expected = canvas()  # which is also what the object uncovers
        expected[20 - 4 * i : 40 - 4 * i, 10 + 8 * i : 30 + 8 * i] = (200, 10, 10)
        assert np.abs(frame.astype(int) - expected).max() <= TELEA, i


def test_no_hole_remains_when_everything_moves():
    picture = np.full((64, 80, 3), (200, 90, 120), np.uint8)
    frames = list(animate(ColouredNet(), options(), picture, [[25, 15, 7, 21]], 3))
    assert all(np.abs(frame.astype(int) - (200, 90, 120)).max() <= TELEA for frame in frames)


def test_motion_beyond_the_limit_is_shortened_once_so_that_it_stays_even():
    picture = canvas()
    picture[20:40, 10:20] = (200, 10, 10)
    last = list(animate(ColouredNet(), options(limit=12), picture, [[25, 15, 0, 60]], 3))
    expected = [canvas() for _ in range(3)]
    for i in range(3):
        expected[i][20:40, 10 + 6 * i : 20 + 6 * i] = (200, 10, 10)
    assert all(np.abs(a.astype(int) - b).max() <= TELEA for a, b in zip(last, expected, strict=True))


def test_guidance_outside_is_refused():
    with pytest.raises(UserError, match="outside the image"):
        list(animate(ColouredNet(), options(), canvas(), [[64, 0, 1, 1]], 3))
