"""The exact truth of the synthetic source, held against its own pictures and against itself read the other way."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy import ndimage

from common_fate.datasets.catalog import Video
from common_fate.errors import SampleError
from pipeline.sources.source import Frame, Truth, Unreadable
from pipeline.sources.synthetic import SOURCE, SyntheticOptions

PAIRS = [(0, 1), (10, 15), (20, 12)]


def videos(**options: float) -> list[Video]:
    return SOURCE.videos(SyntheticOptions(**options), "datasets.demo.source")


def image(video: Video, number: int) -> np.ndarray:
    (frame,) = SOURCE.read(video, [number])
    assert isinstance(frame, Frame)
    return frame.image


def truth(video: Video, first: int, second: int) -> Truth:
    assert SOURCE.truth is not None
    return SOURCE.truth(video, first, second)


def targets(flow: np.ndarray) -> np.ndarray:
    """Where every pixel goes, `(2, H, W)`, rows y and x as SciPy wants them."""
    return np.indices(flow.shape[1:]) + flow[::-1].astype(float)


def at(field: np.ndarray, points: np.ndarray, order: int = 1) -> np.ndarray:
    return np.stack(
        [ndimage.map_coordinates(channel.astype(float), points, order=order, mode="nearest") for channel in field]
    )


def of_one_layer(flow: np.ndarray) -> np.ndarray:
    """Pixels around which the flow is an affine function, as it is within a rigid part and across no border."""
    bend = sum(np.abs(ndimage.laplace(channel.astype(float))) for channel in flow)
    return ndimage.maximum_filter(bend, 5) < 1e-3


def affine_residual(flow: np.ndarray, mask: np.ndarray) -> float:
    """Root mean square distance of the flow in the mask from its best affine fit, in pixels."""
    y, x = np.nonzero(mask)
    basis = np.stack([x, y, np.ones_like(x)], 1).astype(float)
    motion = flow[:, mask].T.astype(float)
    fit = basis @ np.linalg.lstsq(basis, motion, rcond=None)[0]
    return float(np.sqrt(np.mean(np.sum((motion - fit) ** 2, 1))))


@pytest.mark.parametrize("video", videos()[:4], ids=lambda video: video.video)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_flow_takes_the_second_frame_back_to_the_first(video: Video, first: int, second: int):
    known = truth(video, first, second)
    inside = of_one_layer(known.flow) & ~ndimage.binary_dilation(known.occlusion, iterations=3)
    before, after = image(video, first).transpose(2, 0, 1), image(video, second).transpose(2, 0, 1)

    def error(flow: np.ndarray) -> float:
        return float(np.abs(at(after, targets(flow), order=3) - before)[:, inside].mean())

    right = error(known.flow)
    assert inside.mean() > 0.5
    assert right < 4  # of 255: what sampling twice leaves
    half = np.full((2, 1, 1), 0.5 / np.sqrt(2), np.float32)
    assert min(error(known.flow + half), error(known.flow - half)) > 1.3 * right
    assert error(-known.flow) > 1.5 * right


def test_the_flow_is_right_to_a_small_part_of_a_pixel():
    """What shift, by least squares (Lucas and Kanade), is left between an object and its counterpart taken back?"""
    left = []
    for video in videos():
        known = truth(video, 4, 14)
        inside = of_one_layer(known.flow) & ~ndimage.binary_dilation(known.occlusion, iterations=4)
        before, after = (image(video, n).mean(-1) for n in (4, 14))
        back = at(after[None], targets(known.flow), order=3)[0]
        slope = np.stack(np.gradient((before + back) / 2))
        for number in range(6):
            mask = inside & (known.objects == number)
            if mask.sum() > 2000:
                left.append(np.linalg.lstsq(slope[:, mask].T, (before - back)[mask], rcond=None)[0])
    assert len(left) > 20
    assert np.hypot(*np.mean(left, 0)) < 0.01
    assert np.hypot(*np.transpose(left)).max() < 0.06, np.hypot(*np.transpose(left))


@pytest.mark.parametrize("video", videos()[4:], ids=lambda video: video.video)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_there_and_back_is_where_it_began(video: Video, first: int, second: int):
    there, back = truth(video, first, second), truth(video, second, first)
    points = targets(there.flow)
    whole = at(of_one_layer(back.flow)[None].astype(float), points)[0] == 1
    kept = whole & ~there.occlusion
    assert kept.mean() > 0.6
    assert np.abs(there.flow + at(back.flow, points))[:, kept].max() < 1e-3


@pytest.mark.parametrize("video", videos()[:4], ids=lambda video: video.video)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_occluded_is_what_does_not_come_back(video: Video, first: int, second: int):
    there, back = truth(video, first, second), truth(video, second, first)
    y, x = points = targets(there.flow)
    height, width = y.shape
    outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    lost = np.hypot(*(there.flow + at(back.flow, points, order=0))) > 0.5
    assert there.occlusion[outside].all()
    assert there.occlusion.any()
    agree = (lost == there.occlusion)[~outside]
    assert agree.mean() > 0.99
    covered = there.occlusion & ~outside
    assert (lost & covered).sum() > 0.9 * covered.sum()
    assert (lost & covered).sum() > 0.8 * (lost & ~outside).sum()


@pytest.mark.parametrize("objects", [1, 5, 40])
def test_the_masks_are_where_objects_cover_the_background(objects: int):
    (with_objects,), (without,) = videos(videos=1, objects=objects), videos(videos=1, objects=0)
    mask = truth(with_objects, 7, 8).objects
    assert mask is not None
    changed = (image(with_objects, 7) != image(without, 7)).any(-1)
    assert set(np.unique(mask)) >= {0, 1} or objects == 40
    assert mask.max() <= objects
    assert not changed[~ndimage.binary_dilation(mask > 0, np.ones((3, 3)))].any()
    assert changed[mask > 0].mean() > 0.98


def test_flow_jumps_where_the_mask_does():
    video = videos(objects=1)[0]
    known = truth(video, 3, 4)
    assert known.objects is not None
    jump = np.abs(np.diff(known.flow, axis=2)).max(0) > 0.5
    border = np.diff(known.objects.astype(int), axis=1) != 0
    assert border.any()
    np.testing.assert_array_equal(jump, border)


def test_speeds_spread_from_still_to_the_fastest_allowed():
    pairs = [truth(video, n, n + 1) for video in videos() for n in range(0, 23, 2)]
    speeds = np.concatenate([np.hypot(*known.flow)[known.objects > 0] for known in pairs])
    shares = np.histogram(speeds, [0, 0.5, 2, 5, 8, 12, 16, 20])[0] / speeds.size
    assert (shares > 0.005).all(), shares
    assert max(np.hypot(*known.flow).max() for known in pairs) <= 20
    cameras = [np.hypot(*known.flow)[known.objects == 0].mean() for known in pairs]
    assert min(cameras) == 0
    assert 1 < max(cameras) <= 0.12 * 20


@pytest.mark.parametrize("bodies", [False, True])
@pytest.mark.parametrize("varied", [False, True])
@pytest.mark.parametrize("speed", [0, 3, 50])
def test_nothing_exceeds_the_speed(speed: float, varied: bool, bodies: bool):
    chosen = videos(videos=4, speed=speed, varied=varied, bodies=bodies)
    fastest = [np.hypot(*truth(v, n, n + 1).flow).max() for v in chosen for n in range(0, 23, 3)]
    assert speed * (0.4 if varied else 0.7) <= max(fastest) <= speed


def test_without_speed_nothing_changes():
    video = videos(speed=0)[1]
    np.testing.assert_array_equal(image(video, 0), image(video, 23))
    known = truth(video, 0, 23)
    assert not known.flow.any()
    assert known.occlusion is not None
    assert not known.occlusion.any()


def test_objects_turn_articulate_and_accelerate():
    """Objects in turn have one part, two and three: the first is rigid, the second is not."""
    turning, rigid, jointed, speeds = [], [], [], []
    for video in videos():
        for number in (2, 8, 14):
            known = truth(video, number, number + 1)
            (_, u_y), (v_x, _) = (np.gradient(channel.astype(float))[::-1] for channel in known.flow)
            inside = of_one_layer(known.flow)
            for parts, residuals in ((1, rigid), (2, jointed)):
                mask = known.objects == parts
                if mask.sum() > 500:
                    residuals.append(affine_residual(known.flow, mask))
                    turning.extend(np.abs(v_x - u_y)[mask & inside][:1] / 2)
            if (known.objects == 1).sum() > 500:
                speeds.append((video.video, np.hypot(*known.flow)[known.objects == 1].mean()))
    assert max(rigid) < 1e-3
    assert np.mean(np.array(jointed) > 0.2) > 0.3
    assert np.degrees(max(turning)) > 2
    by_video = [[speed for name, speed in speeds if name == v.video] for v in videos()]
    assert max(np.ptp(of_one) for of_one in by_video if of_one) > 2


def test_every_object_is_seen():
    for video in videos():
        seen = [set(np.unique(truth(video, n, n).objects)) for n in (0, 12, 23)]
        assert set.union(*seen) == set(range(6))


def test_growing_the_dataset_leaves_its_videos_alone():
    few, many = videos(videos=3), videos(videos=12)
    assert many[:3] == few
    assert len({video.video for video in many}) == 12


def test_longer_videos_begin_as_shorter_ones():
    np.testing.assert_array_equal(image(videos(frames=6)[2], 5), image(videos(frames=60)[2], 5))


def test_seeds_and_videos_differ():
    a, b, c = videos(seed=0)[0], videos(seed=8)[0], videos(seed=0)[1]
    assert len({a.video, b.video, c.video}) == 3
    assert len({image(video, 0).tobytes() for video in (a, b, c)}) == 3


def test_the_order_of_reading_and_the_threads_of_opencv_change_nothing():
    three, threads = videos()[:3], cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        once = [(image(video, n).tobytes(), truth(video, n, 3).flow.tobytes()) for video in three for n in (0, 9, 4)]
        cv2.setNumThreads(4)
        again = [(image(video, n).tobytes(), truth(video, n, 3).flow.tobytes()) for n in (4, 9, 0) for video in three]
    finally:
        cv2.setNumThreads(threads)
    assert set(once) == set(again)
    assert len(set(once)) == 9


def test_frames_and_truth_have_the_shapes_of_the_contract():
    video = videos(height=96, width=160, frames=5)[0]
    assert list(SOURCE.numbers(video)) == [0, 1, 2, 3, 4]
    frames = list(SOURCE.read(video, [1, 3, 5]))
    assert [frame.number for frame in frames] == [1, 3, 5]
    assert isinstance(frames[2], Unreadable)
    assert frames[2].reason == "the video has 5 frames"
    assert isinstance(frames[1], Frame)
    assert frames[1].seconds == 3 / 25
    assert (frames[1].image.shape, frames[1].image.dtype) == ((96, 160, 3), np.uint8)
    known = truth(video, 0, 4)
    assert (known.flow.shape, known.flow.dtype) == ((2, 96, 160), np.float32)
    assert known.valid.all()
    for mask, dtype in ((known.valid, bool), (known.occlusion, bool), (known.objects, np.uint8)):
        assert mask is not None
        assert (mask.shape, mask.dtype) == ((96, 160), dtype)
    with pytest.raises(SampleError, match="the video has 5 frames"):
        truth(video, 0, 5)


@pytest.mark.parametrize("size", [(32, 32), (48, 640), (640, 48)])
def test_odd_sizes_render(size: tuple[int, int]):
    video = videos(height=size[0], width=size[1], objects=7)[5]
    assert image(video, 11).shape == (*size, 3)
    assert np.isfinite(truth(video, 0, 20).flow).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("videos", 0), ("frames", 0), ("height", 31), ("width", 4097), ("objects", 41), ("seed", -1), ("speed", -1.0)],
)
def test_options_out_of_range_say_what_would_be_right(name: str, value: float):
    with pytest.raises(ValueError, match=rf"^{name} is {value} and should be from \S+ to \S+$"):
        SyntheticOptions(**{name: value})


def test_a_speed_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="speed"):
        SyntheticOptions(speed=float("nan"))


@pytest.mark.parametrize(
    "change",
    [
        ("synthetic:?", ""),
        ("seed=0", "seed=0&seed=0"),
        ("frames=24", "frames=024"),
        ("frames=24", "frames=many"),
        ("height=384", "height=99999999"),
        ("&objects=5", ""),
        ("index=0", "index=-1"),
        ("speed=20.0", "speed=20.0&videos=3"),
        ("speed=20.0", "speed=20.0&varied=0"),
    ],
)
def test_only_the_uri_that_the_listing_gives_is_read(change: tuple[str, str]):
    video = videos()[0]
    uri = video.uri.replace(*change)
    assert uri != video.uri
    with pytest.raises(SampleError, match="is not the uri of a synthetic video"):
        SOURCE.numbers(replace(video, uri=uri))


def test_an_estimator_finds_the_flow():
    """DIS sees the pictures alone: it comes near the truth only if pictures and truth belong together."""
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    errors = []
    for video in videos():
        before, after = (cv2.cvtColor(image(video, n), cv2.COLOR_RGB2GRAY) for n in (11, 12))
        known = truth(video, 11, 12)
        found = dis.calc(before, after, None).transpose(2, 0, 1)
        errors.append(np.hypot(*(found - known.flow))[~known.occlusion].mean())
    assert np.mean(errors) < 1.5


@pytest.mark.parametrize("switch", ["varied", "bodies"])
def test_other_videos_are_as_well_known_as_plain_ones(switch: str):
    """The same check as of plain ones, averaged: light, noise and blur are in the pictures and not in the flow."""
    right, off = [], []
    for video in videos(videos=8, **{switch: True}):
        known = truth(video, 10, 11)
        inside = of_one_layer(known.flow) & ~ndimage.binary_dilation(known.occlusion, iterations=3)
        before, after = (image(video, n).transpose(2, 0, 1).astype(float) for n in (10, 11))
        for errors, flow in ((right, known.flow), (off, known.flow + 1)):
            difference = (at(after, targets(flow)) - before)[:, inside]
            errors.append(np.abs(difference - difference.mean(1, keepdims=True)).mean())
    assert np.mean(right) < 8
    assert np.mean(off) > 1.4 * np.mean(right)


def test_varied_videos_vary():
    plain, varied = videos(videos=24, height=96, width=128), videos(videos=24, height=96, width=128, varied=True)
    cameras = [np.hypot(*truth(video, 2, 3).flow)[truth(video, 2, 3).objects == 0].mean() for video in varied]
    assert min(cameras) < 1
    assert max(cameras) > 0.25 * 20
    lights = [image(video, 0).mean() / image(video, 3).mean() for video in varied if "index=2" in video.uri]
    assert np.ptp(lights) > 0.03
    colours = [np.ptp([np.mean([image(v, 0)[..., c].mean() for v in of]) for c in range(3)]) for of in (plain, varied)]
    assert colours[1] < colours[0]  # any colour is as likely: no photograph's own is left on average
    assert "varied" not in plain[0].uri


def test_bodies_have_limbs_that_swing():
    """Every other object moves as many parts do; those between are as they were without bodies."""
    with_bodies = videos(videos=4, bodies=True)
    for video, plain in zip(with_bodies, videos(videos=4), strict=True):
        known, before = truth(video, 10, 11), truth(plain, 10, 11)
        assert "bodies" not in plain.uri
        seen = (known.objects == before.objects) & (known.objects % 2 == 0)  # the objects 1, 3 and 5 are bodies
        assert seen.mean() > 0.5
        assert np.isclose(known.flow[:, seen], before.flow[:, seen]).mean() > 0.9
    turns = []
    for video in with_bodies:
        known = truth(video, 10, 11)
        (_, u_y), (v_x, _) = (np.gradient(channel.astype(float))[::-1] for channel in known.flow)
        inside = of_one_layer(known.flow)
        turns += [
            np.ptp((v_x - u_y)[inside & (known.objects == n)], axis=0)
            for n in (1, 3, 5)
            if (inside & (known.objects == n)).sum() > 300
        ]
    assert len(turns) > 4
    assert np.median(turns) > 0.01  # limbs turn against each other
