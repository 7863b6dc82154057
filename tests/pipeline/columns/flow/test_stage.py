import json
from typing import Any

import cv2
import numpy as np
import pytest

from common_fate.shards.flow_coding import decode_flow
from pipeline.columns.flow import STAGE, FlowOptions
from pipeline.columns.flow import stage as flow_stage
from pipeline.columns.flow.occlusion import occluded_pixels
from pipeline.stages.stage import Dropped, Failure


def frame(seed: int, height: int = 64, width: int = 80, shift: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random((height, width + 40, 3)).astype(np.float32)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.ascontiguousarray(scene[:, 20 - shift : 20 - shift + width])


def pair(seed: int, shift: int = 3, **size: int) -> dict[str, Any]:
    """A sample as the runner joins it: a frame, and the next, whose content moved right."""
    facts = {"video": "v", "frame": 10 * seed, "next": 10 * seed + 1}
    return {"jpg": frame(seed, **size), "next.jpg": frame(seed, shift=shift, **size), "json": facts}


def run(samples: list[dict[str, Any]], **options: Any) -> list[Any]:
    items = ((f"v-{i:06d}", sample) for i, sample in enumerate(samples))
    return list(STAGE.run(items, FlowOptions(**options)))


@pytest.fixture
def estimates(monkeypatch: pytest.MonkeyPatch):
    """Replaces the estimator by a function of the batch."""

    def use(estimate):
        monkeypatch.setattr(flow_stage, "create_estimator", lambda name, **options: estimate)

    return use


def test_a_pair_becomes_flow_and_its_facts():
    ((key, made),) = run([pair(4)])
    assert key == "v-000000"
    assert set(made) == {"flow.b2", "json"}
    flow = decode_flow(made["flow.b2"])
    assert flow.shape == (2, 64, 80)
    np.testing.assert_allclose(np.median(flow, axis=(1, 2)), [3, 0], atol=0.1)
    facts = made["json"]
    assert list(facts) == ["next", "clipped", "magnitude_mean", "magnitude_max"]
    assert (facts["next"], facts["clipped"]) == (41, 0)
    speed = np.hypot(*flow)
    assert facts["magnitude_mean"] == pytest.approx(speed.mean(), abs=0.02)
    assert facts["magnitude_max"] == pytest.approx(speed.max(), abs=0.02)
    json.dumps(facts, allow_nan=False)
    assert STAGE.measure(made) == {name: facts[name] for name in ("magnitude_mean", "magnitude_max", "clipped")}


def test_batches_change_nothing_and_sizes_are_kept_apart():
    samples = [pair(i, shift=i) for i in range(3)] + [pair(3, height=40, width=48), pair(4, height=40, width=48)]
    assert run(samples, batch_size=2) == run(samples, batch_size=1) == run(samples, batch_size=8)


def test_looking_back_adds_the_backward_flow_and_the_occlusion_mask():
    sample = pair(1, shift=6)
    ((_, made),) = run([sample], backward=True)
    assert set(made) == {"flow.b2", "json", "backward.b2", "occlusion.png"}
    forward, backward = decode_flow(made["flow.b2"]), decode_flow(made["backward.b2"])
    swapped = {"jpg": sample["next.jpg"], "next.jpg": sample["jpg"], "json": sample["json"]}
    ((_, reverse),) = run([swapped])
    assert made["backward.b2"] == reverse["flow.b2"]
    mask = made["occlusion.png"]
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[:, -6:] == 255).mean() > 0.9  # what leaves the frame
    assert made["json"]["occluded"] == round(float((mask == 255).mean()), 4)
    assert ((mask == 255) != occluded_pixels(forward, backward)).mean() < 0.03  # up to the codec's rounding
    assert STAGE.measure(made)["occluded"] == made["json"]["occluded"]


def test_frames_of_two_sizes_or_too_small_fail_with_the_reason():
    uneven = {**pair(0), "next.jpg": frame(0, height=60)}
    assert run([pair(1), uneven, pair(2, height=20, width=24), pair(3)])[1:3] == [
        Failure("v-000001", "the frames differ in size: 80x64 and 80x60"),
        Failure("v-000002", "24x20 is too small for DIS: each side needs 32 pixels"),
    ]


def test_flow_that_is_not_finite_costs_its_own_sample_only(estimates):
    def estimate(frames: np.ndarray) -> np.ndarray:
        first = frames[:, 0]
        flow = np.zeros((len(first), 2, *first.shape[2:]), np.float32)
        flow[first[:, 0, 0, 0] == 1, 0, 5, 5] = np.nan
        return flow

    estimates(estimate)
    samples = [pair(i) for i in range(3)]
    for i, sample in enumerate(samples):
        sample["jpg"][0, 0] = 255 if i == 1 else 0
    good, bad, also_good = run(samples)
    assert bad == Failure("v-000001", "the flow has values that are not finite")
    assert good[0] == "v-000000"
    assert also_good[0] == "v-000002"


def test_flow_beyond_the_codec_is_written_clipped_and_counted(estimates):
    def estimate(frames: np.ndarray) -> np.ndarray:
        flow = np.full((len(frames), 2, *frames.shape[3:]), 2, np.float32)
        flow[:, 0, :10] = 1000
        return flow

    estimates(estimate)
    ((_, made),) = run([pair(0)])
    assert made["json"]["clipped"] == 10 * 80
    assert made["json"]["magnitude_max"] == pytest.approx(np.hypot(1000, 2), abs=1e-3)  # before clipping
    assert decode_flow(made["flow.b2"]).max() == pytest.approx(511.98, abs=0.01)
    ((_, made),) = run([pair(0)], backward=True)
    assert made["json"]["clipped"] == 2 * 10 * 80


def test_pairs_of_little_motion_are_dropped_and_the_others_stay_as_they_are(estimates):
    def estimate(frames: np.ndarray) -> np.ndarray:
        first = frames[:, 0]
        flow = np.zeros((len(first), 2, *first.shape[2:]), np.float32)
        flow[:, :, :33] = 0.06  # more than half of the rows; the magnitude is that times the root of 2
        flow[:, 0] += 100 * first[:, 0, :1, :1]
        return flow

    estimates(estimate)
    samples = [pair(i) for i in range(3)]
    for i, sample in enumerate(samples):
        sample["jpg"][0, 0] = i == 1
    everything = run(samples)
    assert run(samples, min_motion=0.08) == everything
    still, moves, also_still = run(samples, min_motion=0.09)
    assert moves == everything[1]
    assert (still, also_still) == (Dropped("v-000000", "still pair"), Dropped("v-000002", "still pair"))


def test_pairs_are_dropped_by_the_share_of_pixels_where_flow_and_flow_back_do_not_agree(estimates):
    """Flow that does not return: 0, 640 or 1280 of 64 x 80 pixels, as the first pixel of a pair says."""

    def estimate(frames: np.ndarray) -> np.ndarray:
        flow = np.zeros((len(frames), 2, *frames.shape[3:]), np.float32)
        for one, (frame, _) in zip(flow, frames, strict=True):
            one[1, 30 : 30 + round(255 * float(frame[0, 0, 0])), :] = 2
        return flow

    estimates(estimate)
    samples = [pair(i) for i in range(3)]
    for i, sample in enumerate(samples):
        sample["jpg"][0, 0] = 8 * i
        sample["next.jpg"][0, 0] = 0
    everything = run(samples, backward=True)
    assert [made["json"]["occluded"] for _, made in everything] == [0, 0.125, 0.25]
    for most, kept in ((0.25, 3), (0.2499, 2), (0.125, 2), (0.1, 1), (0, 1)):
        made = run(samples, backward=True, max_inconsistent=most)
        assert [key for key, _ in made[:kept]] == [key for key, _ in everything[:kept]]
        assert made[kept:] == [Dropped(key, "inconsistent pair") for key, _ in everything[kept:]]


def test_the_estimator_sees_rgb_from_zero_to_one(estimates):
    seen = []

    def estimate(frames: np.ndarray) -> np.ndarray:
        seen.extend([frames[:, 0], frames[:, 1]])
        return np.zeros((len(frames), 2, *frames.shape[3:]), np.float32)

    estimates(estimate)
    sample = pair(0)
    sample["jpg"][3, 7] = 255, 51, 0
    run([sample])
    assert seen[0].dtype == np.float32
    np.testing.assert_allclose(seen[0][0, :, 3, 7], [1, 0.2, 0])
    np.testing.assert_array_equal(np.rint(seen[1][0] * 255).transpose(1, 2, 0), sample["next.jpg"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "raft"}, "no estimator 'raft'"),
        ({"preset": "slow"}, "preset is one of ultrafast, fast, medium, not 'slow'"),
        ({"checkpoint": "things"}, "checkpoint is not for the estimator 'dis'"),
        ({"checkpoint_dir": "weights"}, "checkpoint_dir is not for the estimator 'dis'"),
        ({"estimator": "ptlflow:raft", "checkpoint": "things", "preset": "fast"}, "preset is not for the estimator"),
        ({"estimator": "ptlflow:raft"}, "needs a checkpoint"),
        ({"batch_size": 0}, "batch_size is at least 1"),
        ({"min_motion": 0}, "min_motion is a number of pixels above 0"),
        ({"backward": True, "max_inconsistent": 1}, "max_inconsistent is a share from 0 to below 1"),
    ],
)
def test_impossible_options_are_refused_with_what_would_be_right(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        FlowOptions(**options)


def test_the_record_names_what_shapes_the_flow():
    assert STAGE.provenance(FlowOptions()) == {"opencv": cv2.__version__}
