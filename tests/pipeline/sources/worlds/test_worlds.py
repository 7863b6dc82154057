"""The source of worlds, and what holds of every one that is drawn in the plane."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from common_fate.datasets.catalog import Video
from common_fate.datasets.share.description import portable_video
from common_fate.errors import SampleError
from pipeline.sharing.own_videos import own_copies
from pipeline.sources.source import Frame, Points, Truth, Unreadable
from pipeline.sources.worlds import SOURCE
from pipeline.sources.worlds.world import WORLDS, WorldOptions

ROOT = Path(__file__).resolve().parents[4]
PLANE = ("roboarm", "two_arms", "triskelion")
PAIRS = [(0, 1), (6, 7), (11, 9)]


def videos(world: str = "roboarm", **options: int) -> list[Video]:
    return SOURCE.videos(WorldOptions(world, **{"videos": 3, "frames": 12} | options), "datasets.x.source")


def image(video: Video, number: int) -> np.ndarray:
    (frame,) = SOURCE.read(video, [number])
    assert isinstance(frame, Frame)
    return frame.image


def truth(video: Video, first: int, second: int) -> Truth:
    assert SOURCE.truth is not None
    return SOURCE.truth(video, first, second)


def points(video: Video, number: int) -> Points:
    assert SOURCE.points is not None
    found = SOURCE.points(video, number)
    assert found is not None
    return found


def targets(flow: np.ndarray) -> np.ndarray:
    """Where every pixel goes, `(2, H, W)`, rows y and x as SciPy wants them."""
    return np.indices(flow.shape[1:]) + flow[::-1].astype(float)


def at(field: np.ndarray, places: np.ndarray, order: int = 1) -> np.ndarray:
    return np.stack(
        [ndimage.map_coordinates(channel.astype(float), places, order=order, mode="nearest") for channel in field]
    )


@pytest.mark.parametrize("world", PLANE)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_flow_takes_the_second_frame_back_to_the_first(world: str, first: int, second: int):
    """On all that moves, at its edges as within: what is left is what sampling twice leaves."""
    right, off, back = [], [], []
    for video in videos(world, size=180):
        known = truth(video, first, second)
        assert known.objects is not None
        seen = (known.objects > 0) & ~ndimage.binary_dilation(known.occlusion, iterations=2)
        seen &= np.hypot(*known.flow) > 0.5
        before, after = image(video, first).transpose(2, 0, 1), image(video, second).transpose(2, 0, 1)
        for errors, flow in ((right, known.flow), (off, known.flow + np.float32(0.5)), (back, -known.flow)):
            errors.append(np.abs(at(after, targets(flow)) - before)[:, seen])
    means = [np.concatenate(errors, axis=1).mean() for errors in (right, off, back)]
    assert np.median(np.concatenate(right, axis=1)) < 1.5  # grey levels of 255; more only where colours meet
    assert means[0] < 5
    assert means[0] < 0.6 * means[1]
    assert means[0] < 0.2 * means[2]


@pytest.mark.parametrize("world", PLANE)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_there_and_back_is_where_it_began_but_for_what_is_hidden(world: str, first: int, second: int):
    hidden, lost, shares = 0, 0, []
    for video in videos(world, size=180):
        there, back = truth(video, first, second), truth(video, second, first)
        assert there.objects is not None
        assert back.objects is not None
        assert there.occlusion is not None
        places = targets(there.flow)
        # A place is compared where the four pixels around it are of one part, and of the pixel's own.
        whole = (ndimage.maximum_filter(back.objects, 3) == back.objects) & (
            ndimage.minimum_filter(back.objects, 3) == back.objects
        )
        nearest = at(back.objects[None], places, order=0)[0]
        sure = (at(whole[None], places)[0] == 1) & ((places >= 0) & (places <= 179)).all(0)
        returned = np.hypot(*(there.flow + at(back.flow, places)))
        kept = sure & ~there.occlusion
        assert (nearest == there.objects)[kept].all()
        assert returned[kept].max() < (
            1e-4 if world != "triskelion" else 0.4
        )  # which is affine between its corners alone
        covered = sure & there.occlusion
        other = (nearest != there.objects)[covered]
        hidden, lost = hidden + covered.sum(), lost + other.sum()
        shares.append(kept.mean())
    assert min(shares) > 0.7
    assert hidden > 100
    assert lost > 0.97 * hidden  # of a leg that covers itself nothing shows


@pytest.mark.parametrize("world", PLANE)
def test_the_background_stands_still_and_things_move(world: str):
    covered = []
    for video in videos(world):
        known = truth(video, 3, 4)
        assert known.objects is not None
        assert known.occlusion is not None
        assert known.valid.all()
        assert not known.flow[:, known.objects == 0].any()
        assert 0.02 < (known.objects > 0).mean() < 0.4
        covered.append(known.occlusion[known.objects == 0].mean())
        still = truth(video, 3, 3)
        assert np.abs(still.flow).max() < 1e-4
        assert still.occlusion is not None
        assert not still.occlusion.any()
    speeds = [
        np.hypot(*t.flow)[t.objects > 0].mean() for v in videos(world) for n in range(11) if (t := truth(v, n, n + 1))
    ]
    assert 0.5 < np.median(speeds) < 4  # pixels of 90
    assert 0 < max(covered) < 0.2


@pytest.mark.parametrize("world", PLANE)
def test_points_lie_on_what_they_are_named_for_and_move_with_it(world: str):
    seen = total = 0
    for video in videos(world, size=180):
        first, second, known = points(video, 2), points(video, 5), truth(video, 2, 5)
        assert known.objects is not None
        assert first.names == second.names
        assert len(set(first.names)) == len(first.names)
        assert first.size == (180, 180)
        labels = parts_of(first.names)
        for before, after, label in zip(first.rows, second.rows, labels, strict=True):
            total += 1
            assert (before[:2] >= -0.5).all()
            assert (before[:2] <= 179.5).all()
            y, x = np.rint(before[:2]).astype(int)
            around = known.objects[y - 1 : y + 2, x - 1 : x + 2]
            if before[2] and (around == label).all():
                seen += 1
                moved = at(known.flow, before[:2, None])[::-1, 0]
                assert np.abs(before[:2] + moved - after[:2]).max() < 0.2
            elif not before[2]:
                assert (around != label).any()
    assert seen > 0.6 * total


def parts_of(names: tuple[str, ...]) -> list[int]:
    """The label of the part that each point is named for: legs have several, and all else has one."""
    stems = [name.rsplit("_", 1)[0] if name.startswith("leg_") else name for name in names]
    order = list(dict.fromkeys(stems))
    return [1 + order.index(stem) for stem in stems]


@pytest.mark.parametrize("world", PLANE)
def test_films_of_any_size_show_the_same(world: str):
    small, large = (points(videos(world, size=size)[1], 7) for size in (90, 360))
    np.testing.assert_allclose(4 * (small.rows[:, :2] + 0.5), large.rows[:, :2] + 0.5, atol=1e-3)
    shrunk = image(videos(world, size=360)[1], 7).reshape(90, 4, 90, 4, 3).mean((1, 3))
    assert np.abs(shrunk - image(videos(world)[1], 7)).mean() < 0.5


@pytest.mark.parametrize("world", PLANE)
def test_growing_a_dataset_leaves_its_videos_and_their_frames_alone(world: str):
    few, many = videos(world, videos=2), videos(world, videos=5)
    assert many[:2] == few
    assert len({video.video for video in many}) == len({video.uri for video in many}) == 5
    np.testing.assert_array_equal(image(few[1], 5), image(videos(world, frames=30)[1], 5))
    np.testing.assert_array_equal(points(few[1], 8).rows, points(videos(world, frames=30)[1], 8).rows)


def test_steps_are_the_time_between_frames():
    fine, coarse = videos(steps=10)[0], videos(steps=20)[0]
    np.testing.assert_array_equal(points(fine, 8).rows, points(coarse, 4).rows)


@pytest.mark.parametrize("world", PLANE)
def test_seeds_and_videos_differ(world: str):
    a, b, c = videos(world)[0], videos(world, seed=1)[0], videos(world)[1]
    assert len({a.video, b.video, c.video}) == 3
    assert len({image(video, 0).tobytes() for video in (a, b, c)}) == 3


PROGRAM = """
import hashlib
from pipeline.sources.worlds import SOURCE
from pipeline.sources.worlds.world import WorldOptions
for world in WORLDS:
    options = WorldOptions(world, videos=3, frames=12)
    for video in reversed(SOURCE.videos(options, "x")):
        for n in (11, 3, 0):
            (frame,), known = SOURCE.read(video, [n]), SOURCE.truth(video, n, 4)
            made = frame.image.tobytes(), known.flow.tobytes(), SOURCE.points(video, n).rows.tobytes()
            print(hashlib.sha256(b"".join(made)).hexdigest())
"""


def test_processes_and_the_order_of_reading_change_nothing():
    here = set()
    for world in PLANE:
        for number in (0, 3, 11):
            for video in videos(world):
                made = image(video, number), truth(video, number, 4).flow, points(video, number).rows
                here.add(hashlib.sha256(b"".join(one.tobytes() for one in made)).hexdigest())
    program = PROGRAM.replace("WORLDS", repr(PLANE))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(here) == 27
    assert set(done.stdout.split()) == here


def test_planning_needs_neither_physics_nor_cairo():
    program = (
        "import sys; from pipeline.config.load import load; "
        "load({'datasets': {'x': {'source': {'kind': 'world', 'world': 'roboarm'}}}})['x'].videos(); "
        "print(*{'pymunk', 'mujoco', 'cairocffi'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_frames_beyond_the_last_are_refused():
    video = videos(frames=3)[0]
    assert list(SOURCE.numbers(video)) == [0, 1, 2]
    first, second = SOURCE.read(video, [2, 3])
    assert isinstance(first, Frame)
    assert (first.number, first.seconds, first.image.shape) == (2, 2 / 25, (90, 90, 3))
    assert isinstance(second, Unreadable)
    assert second.reason == "the video has 3 frames"
    for ask in (lambda: truth(video, 0, 3), lambda: truth(video, -1, 0), lambda: points(video, 3)):
        with pytest.raises(SampleError, match="the video has 3 frames"):
            ask()


@pytest.mark.parametrize(
    ("name", "value"),
    [("videos", 0), ("frames", 0), ("frames", 100_001), ("size", 31), ("size", 1025), ("seed", -1), ("steps", 0)],
)
def test_options_out_of_range_say_what_would_be_right(name: str, value: int):
    with pytest.raises(ValueError, match=rf"^{name} is {value} and should be from \S+ to \S+$"):
        WorldOptions("roboarm", **{name: value})


def test_a_video_is_no_longer_than_can_be_simulated():
    WorldOptions("roboarm", frames=100_000, steps=20)
    with pytest.raises(ValueError, match="frames is 100000 and steps 21: a video has at most 2,000,000 steps in all"):
        WorldOptions("roboarm", frames=100_000, steps=21)


def test_an_unknown_world_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"^world is 'arm': there are " + ", ".join(WORLDS)):
        WorldOptions("arm")


@pytest.mark.parametrize(
    "change",
    [
        ("world:?", ""),
        ("seed=0", "seed=0&seed=0"),
        ("frames=12", "frames=012"),
        ("size=90", "size=90.0"),
        ("size=90", "size=99999999"),
        ("world=roboarm", "world=os"),
        ("&steps=20", ""),
        ("index=0", "index=-1"),
        ("steps=20", "steps=20&videos=3"),
    ],
)
def test_only_the_uri_that_the_listing_gives_is_read(change: tuple[str, str]):
    video = videos()[0]
    uri = video.uri.replace(*change)
    assert uri != video.uri
    with pytest.raises(SampleError, match="is not the uri of a video of a world"):
        SOURCE.numbers(replace(video, uri=uri))


def test_the_page_tells_of_every_world():
    page = (ROOT / "docs/sources/worlds.md").read_text()
    for name, world in WORLDS.items():
        assert page.count(f"\n| `{name}` | {world.about} |") == 1


def test_whoever_gets_a_share_makes_its_videos_again():
    video = videos()[0]
    sent = portable_video(video)
    assert sent.uri == video.uri
    assert own_copies([sent], None) == [sent]
