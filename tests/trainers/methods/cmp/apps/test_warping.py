import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.methods.cmp.apps.warping import Warped, fill_holes, forward_warp

TELEA = 5  # grey levels by which OpenCV's painting strays within a plain colour


def noise(height: int = 24, width: int = 31, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (height, width, 3), np.uint8)


def uniform(u: float, v: float, height: int = 24, width: int = 31) -> np.ndarray:
    return np.broadcast_to(np.array([u, v], np.float32)[:, None, None], (2, height, width)).copy()


def nearest_splat(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The definition, pixel by pixel in order of speed: the fastest comes last."""
    height, width = image.shape[:2]
    made, holes = np.zeros_like(image), np.ones((height, width), bool)
    for place in np.argsort(np.hypot(*flow), axis=None, kind="stable"):
        y, x = divmod(place, width)
        to_y, to_x = int(y + flow[1, y, x]), int(x + flow[0, y, x])
        if 0 <= to_y < height and 0 <= to_x < width:
            made[to_y, to_x], holes[to_y, to_x] = image[y, x], False
    return made, holes


def test_no_motion_changes_nothing():
    warped = forward_warp(noise(), uniform(0, 0))
    assert (warped.image == noise()).all()
    assert not warped.holes.any()
    assert (fill_holes(warped) == noise()).all()


@settings(max_examples=40, deadline=None)
@given(u=st.integers(-35, 35), v=st.integers(-28, 28))
def test_whole_pixels_shift_exactly_and_leave_a_strip(u: int, v: int):
    image = noise()
    moved, holes = nearest_splat(image, uniform(u, v))
    warped = forward_warp(image, uniform(u, v))
    assert (warped.holes == holes).all()
    assert (warped.image == moved).all()
    kept = max(0, 31 - abs(u)) * max(0, 24 - abs(v))
    assert warped.holes.sum() == 31 * 24 - kept


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    u=st.integers(-12, 12),
    v=st.integers(-9, 9),
    top=st.integers(0, 15),
    left=st.integers(0, 20),
)
def test_an_object_passes_in_front_of_what_stands_still(seed: int, u: int, v: int, top: int, left: int):
    if np.hypot(u, v) <= 1:
        u += 9  # so far that the sheet tears
    image, flow = noise(seed=seed), uniform(0, 0)
    flow[:, top : top + 8, left : left + 9] = np.array([u, v])[:, None, None]
    moved, holes = nearest_splat(image, flow)
    warped = forward_warp(image, flow, tear=1)
    assert (warped.holes == holes).all()
    assert (warped.image == moved).all()
    assert (warped.speed[holes] == -1).all()


def test_a_steep_slope_of_motion_is_cut_in_its_middle():
    image = noise(24, 60)
    flow = uniform(0, 0, 24, 60)
    flow[0] = np.interp(np.arange(60), [20, 25], [0, -15])  # parts by 3 px a pixel
    hard = np.where(np.arange(60) < 23, 0, -15) * np.array([1, 0])[:, None, None]
    cut = forward_warp(image, flow, tear=2)
    moved, _ = nearest_splat(image, np.broadcast_to(hard, flow.shape).astype(np.float32))
    assert (cut.image == moved).all()
    apart = forward_warp(image, -flow, tear=2)
    assert (apart.image[:, :23] == image[:, :23]).all()
    assert apart.holes[:, 23:38].all()
    assert (apart.image[:, 38:] == image[:, 23:45]).all()
    assert not forward_warp(image, -flow, tear=4).holes.any()  # stretched


def test_of_two_moving_things_the_faster_is_seen():
    image, flow = noise(), uniform(0, 0)
    flow[0, 5:10, 2:6], flow[0, 5:10, 20:24] = 12, -7  # both arrive at columns 14 to 17
    warped = forward_warp(image, flow)
    assert (warped.image[5:10, 14:17] == image[5:10, 2:5]).all()
    assert (warped.speed[5:10, 14:17] == 12).all()
    flow[0, 5:10, 2:6], flow[0, 5:10, 20:24] = 6, -12
    assert (forward_warp(image, flow).image[5:10, 8:12] == image[5:10, 20:24]).all()


@pytest.mark.parametrize(("grows", "tear"), [(1.3, 0.5), (1.9, 1.0), (2.6, 5.0)])
def test_what_grows_has_no_pinholes_and_is_interpolated(grows: float, tear: float):
    y, x = np.mgrid[:40, :50].astype(np.float32)
    ramp = np.stack([4 * x, 5 * y, 2 * x + y], axis=-1).astype(np.uint8)
    middle_y, middle_x = 20, 25
    warped = forward_warp(ramp, np.stack([(grows - 1) * (x - middle_x), (grows - 1) * (y - middle_y)]), tear)
    assert not warped.holes.any()
    from_y, from_x = (y - middle_y) / grows + middle_y, (x - middle_x) / grows + middle_x
    truth = np.stack([4 * from_x, 5 * from_y, 2 * from_x + from_y], axis=-1)
    assert np.abs(warped.image - truth).max() <= 2


def test_what_turns_has_no_holes_within():
    y, x = np.mgrid[:60, :60].astype(np.float32) - 29.5
    sine, cosine = np.sin(0.6), np.cos(0.6)
    flow = np.stack([cosine * x - sine * y - x, sine * x + cosine * y - y])
    holes = forward_warp(noise(60, 60), flow).holes
    assert not holes[np.hypot(x, y) < 28].any()
    assert holes[[0, 0, -1, -1], [0, -1, 0, -1]].all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.5, 5.0, 100.0, 1e4]))
def test_filling_leaves_no_hole_and_touches_nothing_else(seed: int, spread: float):
    rng = np.random.default_rng(seed)
    flow = rng.normal(0, spread, (2, 24, 31)).astype(np.float32)
    warped = forward_warp(noise(), flow)
    filled = fill_holes(warped)
    assert (filled[~warped.holes] == warped.image[~warped.holes]).all()
    if not warped.holes.all():
        assert filled[warped.holes].any(axis=-1).all()  # no pixel of the noise is black


def test_a_hole_shows_the_background_and_not_what_left_it():
    image, flow = np.full((40, 60, 3), (30, 160, 40), np.uint8), uniform(0, 0, 40, 60)
    image[10:30, 10:30] = (220, 40, 60)
    flow[0, 10:30, 10:30] = 9
    warped = forward_warp(image, flow)
    assert warped.holes.sum() == 20 * 9
    assert np.abs(fill_holes(warped)[10:30, 10:19].astype(int) - (30, 160, 40)).max() <= TELEA


def test_an_image_that_left_altogether_is_black():
    warped = forward_warp(noise(), uniform(100, 0))
    assert warped.holes.all()
    assert not fill_holes(warped).any()


def test_one_line_and_one_pixel_are_images_too():
    assert forward_warp(noise(1, 9), uniform(2, 0, 1, 9)).holes.sum() == 2
    assert (forward_warp(noise(1, 1), uniform(0, 0, 1, 1)).image == noise(1, 1)).all()


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="does not lie on an image"):
        forward_warp(noise(), uniform(0, 0, 24, 30))


def test_holes_among_pixels_of_one_speed_are_painted_from_all_around():
    image, holes = np.full((9, 9, 3), 77, np.uint8), np.zeros((9, 9), bool)
    image[4, 4], holes[4, 4] = 0, True
    speed = np.where(holes, np.float32(-1), np.float32(50))
    assert np.abs(fill_holes(Warped(image, holes, speed)).astype(int) - 77).max() <= TELEA
