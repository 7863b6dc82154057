"""The exact truth of the worlds in space, held against their own pictures and against itself read the other way."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy import ndimage

from pipeline.columns.landmarks import resized_points
from pipeline.sources.worlds.raster import SolidFilm
from pipeline.sources.worlds.world import WORLDS, WorldOptions

SOLIDS = ("sphere", "car", "robot")
PAIRS = [(0, 1), (11, 14), (20, 15)]


def film(world: str, index: int = 0, **options: int) -> SolidFilm:
    made = WORLDS[world].film(WorldOptions(world=world, **{"frames": 24, **options}), index)
    assert isinstance(made, SolidFilm)
    return made


def targets(flow: np.ndarray) -> np.ndarray:
    """Where every pixel goes, `(2, H, W)`, rows y and x as SciPy wants them."""
    return np.indices(flow.shape[1:]) + flow[::-1].astype(float)


def at(field: np.ndarray, points: np.ndarray, order: int = 1) -> np.ndarray:
    return np.stack(
        [ndimage.map_coordinates(channel.astype(float), points, order=order, mode="nearest") for channel in field]
    )


def of_one_surface(flow: np.ndarray, bend_below: float = 0.3) -> np.ndarray:
    """Pixels around which the flow hardly bends: there is no border of a part whose motion is another one."""
    bend = sum(np.abs(ndimage.laplace(channel.astype(float))) for channel in flow)
    return ndimage.maximum_filter(bend, 3) < bend_below


def unlit(of: SolidFilm) -> SolidFilm:
    """The same in light that comes from everywhere: nothing changes its colour as it turns."""
    return replace(of, ambient=1.0, mesh=replace(of.mesh, gloss=np.zeros_like(of.mesh.gloss)))


@pytest.mark.parametrize("world", SOLIDS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_flow_takes_the_second_frame_back_to_the_first(world: str, first: int, second: int):
    of = unlit(film(world, size=128))
    known = of.truth(first, second)
    assert known.occlusion is not None
    inside = of_one_surface(known.flow) & ~ndimage.binary_dilation(known.occlusion, iterations=2) & known.valid
    inside &= np.hypot(*known.flow) > 0.3
    before, after = of.image(first).transpose(2, 0, 1), of.image(second).transpose(2, 0, 1)

    def error(flow: np.ndarray) -> float:
        return float(np.abs(at(after, targets(flow), order=3) - before)[:, inside].mean())

    right = error(known.flow)
    assert inside.mean() > 0.05
    assert right < 4  # of 255: what sampling twice leaves
    assert error(known.flow + 1) > 2 * right
    assert error(-known.flow) > 2 * right


@pytest.mark.parametrize("world", SOLIDS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_there_and_back_is_where_it_began(world: str, first: int, second: int):
    of = film(world, index=1)
    there, back = of.truth(first, second), of.truth(second, first)
    points = targets(there.flow)
    smooth = at(of_one_surface(back.flow)[None].astype(float), points)[0] == 1
    kept = smooth & of_one_surface(there.flow) & ~there.occlusion & (there.flow != 0).any(axis=0)
    error = np.hypot(*(there.flow + at(back.flow, points)))[kept]
    assert kept.mean() > 0.05
    assert np.median(error) < (4e-4 if world == "robot" else 4e-3)  # flow is less linear where surfaces are round
    assert np.percentile(error, 99) < 0.05


@pytest.mark.parametrize("world", ["car", "robot"])  # the sphere is held against rays
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_occluded_is_what_does_not_come_back(world: str, first: int, second: int):
    of = film(world, index=2)
    there, back = of.truth(first, second), of.truth(second, first)
    y, x = points = targets(there.flow)
    outside = (x < -0.5) | (x > 89.5) | (y < -0.5) | (y > 89.5)
    lost = np.hypot(*(there.flow + at(back.flow, points, order=0))) > 0.5
    assert there.occlusion is not None
    assert there.occlusion.any()
    assert there.occlusion[outside].all()
    # What lies on a border in either frame may come from another surface: the nearest pixel is not the point itself.
    clear = ~outside & of_one_surface(there.flow)
    assert (lost == there.occlusion)[clear].mean() > 0.99
    assert (lost == there.occlusion)[~outside].mean() > 0.97


@pytest.mark.parametrize("world", SOLIDS)
def test_a_frame_to_itself_does_not_move(world: str):
    known = film(world).truth(7, 7)
    assert not known.flow.any()
    assert known.valid.all()
    assert known.occlusion is not None
    assert not known.occlusion.any()


@pytest.mark.parametrize("world", SOLIDS)
def test_edges_are_smooth_as_of_a_picture_four_times_as_large(world: str):
    fine = film(world, size=256).image(3).reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    difference = np.abs(film(world, size=64).image(3) - fine)
    assert difference.mean() < 1.5
    assert np.percentile(difference, 99.5) < 25


@pytest.mark.parametrize("world", SOLIDS)
def test_the_shapes_are_those_of_the_contract(world: str):
    of = film(world, size=48)
    image, known, points = of.image(2), of.truth(2, 3), of.points(2)
    assert (image.shape, image.dtype) == ((48, 48, 3), np.uint8)
    assert (known.flow.shape, known.flow.dtype) == ((2, 48, 48), np.float32)
    for mask, dtype in ((known.valid, bool), (known.occlusion, bool), (known.objects, np.uint8)):
        assert mask is not None
        assert (mask.shape, mask.dtype) == ((48, 48), dtype)
    assert points.size == (48, 48)
    assert points.rows.dtype == np.float32
    assert all(np.isfinite(resized_points(of.points(number), 48, 48)).all() for number in range(24))
    assert {of.points(number).names for number in range(24)} == {points.names}
    assert 0.05 < np.mean([(of.points(number).rows[:, 2] > 0).mean() for number in range(24)]) < 1


@pytest.mark.parametrize("world", SOLIDS)
def test_visible_points_move_with_the_flow(world: str):
    of = film(world, size=256)
    known, first, second = of.truth(5, 6), of.points(5).rows, of.points(6).rows
    shown = (first[:, 2] > 0) & (second[:, 2] > 0)
    smooth = at(of_one_surface(known.flow)[None].astype(float), first[shown, :2].T)[0] == 1
    moved = second[shown, 1::-1] - first[shown, 1::-1]
    found = at(known.flow, first[shown, :2].T.astype(float)).T
    assert smooth.any()
    # A joint lies within the arm and the flow is that of its surface: they turn alike, but not about one place.
    assert np.abs(found - moved)[smooth].max() < (0.05 if world != "robot" else 1.5)


@pytest.mark.parametrize("world", SOLIDS)
def test_longer_videos_begin_as_shorter_ones_and_steps_are_time(world: str):
    long, short, fast = film(world, frames=60), film(world, frames=13), film(world, frames=7, steps=40)
    np.testing.assert_array_equal(long.image(12), short.image(12))
    np.testing.assert_array_equal(long.image(12), fast.image(6))


@pytest.mark.parametrize("world", SOLIDS)
def test_videos_and_seeds_differ(world: str):
    frames = [film(world, 0), film(world, 1), film(world, 0, seed=1)]
    assert len({one.image(0).tobytes() for one in frames}) == 3


def digest(world: str) -> str:
    of = film(world, frames=5)
    known = of.truth(1, 4)
    assert known.occlusion is not None
    parts = (of.image(4), known.flow, known.occlusion, of.points(3).rows)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def test_another_process_draws_the_same_and_looks_for_no_opengl():
    program = (
        "import runpy, sys; names = runpy.run_path('tests/pipeline/sources/worlds/test_raster.py'); "
        "print(*(names['digest'](world) for world in names['SOLIDS'])); "
        "assert not {'glfw', 'OpenGL', 'mujoco.egl', 'mujoco.glfw'} & set(sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [digest(world) for world in SOLIDS]


def test_an_estimator_finds_the_flow():
    """DIS sees the pictures alone: it comes near the truth only if pictures and truth belong together."""
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    of = film("robot", size=256)
    before, after = (cv2.cvtColor(of.image(n), cv2.COLOR_RGB2GRAY) for n in (3, 4))
    known = of.truth(3, 4)
    found = dis.calc(before, after, None).transpose(2, 0, 1)
    error = np.hypot(*(found - known.flow))[~known.occlusion].mean()
    assert error < 0.5 * np.hypot(*known.flow)[~known.occlusion].mean()


def test_the_truth_depends_on_no_colour():
    of = film("car")
    painted = replace(of, mesh=replace(of.mesh, colours=np.zeros_like(of.mesh.colours)))
    np.testing.assert_array_equal(of.truth(2, 3).flow, painted.truth(2, 3).flow)
    assert not np.array_equal(of.image(2), painted.image(2))
