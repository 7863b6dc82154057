from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from common_fate.datasets.catalog import Video
from pipeline import sources
from pipeline.columns import truth
from pipeline.columns.frames import stage as frames
from pipeline.columns.frames.stage import FramesOptions
from pipeline.columns.truth import TruthOptions, resized_truth
from pipeline.sources.source import Source, Truth


def half_known(height: int, width: int) -> Truth:
    """The left half moves by (4, -2) and is known, the right half is not."""
    valid = np.zeros((height, width), bool)
    valid[:, : width // 2] = True
    flow = np.where(valid, np.array([4, -2], np.float32)[:, None, None], np.float32(0))
    return Truth(flow, valid, ~valid, valid.astype(np.uint8) * 7)


def test_flow_is_scaled_by_each_ratio():
    small = resized_truth(half_known(40, 80), 30, 40)
    assert small.flow.dtype == np.float32
    np.testing.assert_array_equal(small.flow[:, small.valid], np.repeat([[2.0], [-1.5]], 30 * 20, axis=1))


@pytest.mark.parametrize("size", [(17, 33), (39, 79), (40, 80), (20, 31)])
def test_unknown_and_known_values_never_mix(size: tuple[int, int]):
    small = resized_truth(half_known(40, 80), *size)
    expected = np.array([4 * size[1] / 80, -2 * size[0] / 40], np.float32)
    assert set(map(tuple, small.flow.reshape(2, -1).T)) == {tuple(expected), (0.0, 0.0)}
    np.testing.assert_array_equal(small.valid, small.flow[0] > 0)
    np.testing.assert_array_equal(small.occlusion, ~small.valid)
    np.testing.assert_array_equal(small.objects, small.valid * 7)
    assert abs(small.valid.mean() - 0.5) < 0.05


def test_the_same_size_changes_nothing():
    same = resized_truth(half_known(40, 80), 40, 80)
    np.testing.assert_array_equal(same.flow, half_known(40, 80).flow)


def samples(video: Video, following: Sequence[int | None]):
    for number, other in enumerate(following):
        facts = {"video": "v", "frame": number, "next": other, "width": 40, "height": 20}
        yield f"v-{number:06d}", {"json": facts, "video": video}


def test_pairs_without_truth_are_not_in_the_domain(monkeypatch: pytest.MonkeyPatch):
    def known(video: Video, frame: int, other: int) -> Truth | None:
        return half_known(40, 80) if frame == 1 else None

    source = Source("scripted", object, lambda o, w: [], lambda v: [], lambda v, w: iter(()), known, "all")
    monkeypatch.setitem(sources.SOURCES, "scripted", source)
    [(key, made)] = truth.STAGE.run(samples(Video("v", "scripted", ""), [1, 2, None]), TruthOptions())
    assert key == "v-000001"
    assert made["json"] == {"next": 2}
    assert made["flow.b2"].shape == (2, 20, 40)
    assert set(np.unique(made["valid.png"])) == set(np.unique(made["occlusion.png"])) == {0, 255}
    assert made["objects.png"].max() == 7


def test_a_source_without_truth_makes_nothing():
    assert not list(truth.STAGE.run(samples(Video("v", "videos", ""), [1, None]), TruthOptions()))


@pytest.mark.parametrize(
    ("path", "flow"), [("sintel/training/clean/*", "sintel/training/flow"), ("middlebury/*", "middlebury")]
)
def test_real_truth_at_the_stored_size_carries_one_frame_onto_the_other(shared_data: Path, path: str, flow: str):
    source = sources.SOURCES["frames"]
    folder = shared_data / "flow"
    listed = source.videos(
        source.options(path=f"{folder}/{path}", flow=f"{folder}/{flow}"), "config.yaml: datasets.x.source"
    )
    videos = {video.video: video for video in listed}
    stored = dict(
        frames.STAGE.run(((name, {"video": v}) for name, v in videos.items()), FramesOptions(shorter_side=300))
    )
    joined = ((key, dict(sample) | {"video": videos[sample["json"]["video"]]}) for key, sample in stored.items())
    made = dict(truth.STAGE.run(joined, TruthOptions()))
    assert len(made) == len(videos)
    for key, sample in made.items():
        image, other = (
            cv2.imdecode(np.frombuffer(stored[k]["jpg"], np.uint8), cv2.IMREAD_GRAYSCALE).astype(np.float32)
            for k in (key, f"{key[:-6]}{sample['json']['next']:06d}")
        )
        y, x = np.indices(image.shape, np.float32)
        warped = cv2.remap(other, x + sample["flow.b2"][0], y + sample["flow.b2"][1], cv2.INTER_LINEAR, borderValue=-1)
        seen = (sample["valid.png"] > 0) & (warped >= 0)
        if "occlusion.png" in sample:
            seen &= sample["occlusion.png"] == 0
        assert np.abs(warped - image)[seen].mean() < 0.6 * np.abs(other - image)[seen].mean()
