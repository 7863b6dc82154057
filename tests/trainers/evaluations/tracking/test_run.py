"""Tracking end to end, on squares that slide over noise, and what is refused."""

import json
import logging
import re
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from common_fate.errors import UserError
from trainers.cli import app
from trainers.evaluations.options import evaluation_options
from trainers.evaluations.result import Measurement, read_result
from trainers.evaluations.tracking.evaluation import EVALUATION
from trainers.evaluations.tracking.options import TrackingOptions
from trainers.evaluations.tracking.run import measure
from trainers.evaluations.tracking.trackers import FeatureTracker, FlowTracker, identity
from trainers.evaluations.tracking.videos import annotated, check, list_videos
from trainers.metrics.masks import statistics

SIZE, FRAMES, STEP = (64, 96), 6, 3


def masked(number: int) -> np.ndarray:
    """Two squares that slide to the right, 3 pixels a frame."""
    labels = np.zeros(SIZE, np.uint8)
    labels[8:32, 6 + STEP * number : 30 + STEP * number] = 2
    labels[38:58, 40 + STEP * number : 60 + STEP * number] = 5
    return labels


def picture(number: int) -> np.ndarray:
    """Both in their own textures over a ground in another."""
    noise = np.random.default_rng(0).integers(0, 80, (3, *SIZE, 1)).repeat(3, axis=3)
    labels = masked(number)
    colours = np.array([[40, 40, 40], [160, 60, 20], [20, 60, 160]])[(labels == 2) + 2 * (labels == 5)]
    textures = np.where((labels == 0)[..., None], noise[0], np.roll(noise[1], STEP * number, axis=1))
    smooth = cv2.GaussianBlur((colours + textures).astype(np.float32), (3, 3), 0)
    return np.clip(smooth, 0, 255).astype(np.uint8)


def write(folder: Path, number: int, frame: np.ndarray, labels: np.ndarray | None) -> None:
    for kind in ("images", "masks"):
        (folder / kind / "slide").mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame).save(folder / "images/slide" / f"{number:05d}.png")
    path = folder / "masks/slide" / f"{number:05d}.png"
    path.unlink(missing_ok=True)
    if labels is not None:
        Image.fromarray(labels).save(path)


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    for number in range(FRAMES):
        write(tmp_path / "squares", number, picture(number), masked(number))
    folder = tmp_path / "squares"
    return {"kind": "folder", "images": str(folder / "images"), "masks": str(folder / "masks")}


def options_of(data: dict[str, Any], **more: Any) -> TrackingOptions:
    return evaluation_options(EVALUATION, None, {"data": data, **more})


def called(to: Path, data: dict[str, Any], **more: Any) -> Measurement:
    words = ["evaluate", "tracking", "--method", "cmp", "--method-options", '{"model": {"encoder": "resnet18"}}']
    words += ["--start", "scratch", "--options", json.dumps({"data": data, **more}), "--to", str(to)]
    outcome = CliRunner().invoke(app, [*words, "--threads", "1"])
    if outcome.exception:
        raise outcome.exception
    return read_result(to)


def test_at_the_front_door(tmp_path: Path, data: dict[str, Any]):
    to = tmp_path / "a/evaluations/tracking/scratch.json"
    result = called(to, data, stride=4, window=0.3, mp4=True, keep_first=True).result
    headline, *metrics, video = result.rows
    assert (headline.dataset, headline.metric, headline.samples) == ("squares", "J&F mean", FRAMES - 2)
    names = ["J mean", "J recall", "J decay", "F mean", "F recall", "F decay"]
    assert [row.metric for row in metrics] == names
    assert [row.better for row in metrics] == ["higher", "higher", "lower"] * 2
    # A square of 24 that slid d pixels has an intersection of 24 - d and a union of 24 + d; so has one of 20.
    stays = [statistics([(side - d) / (side + d) for d in range(STEP, STEP * (FRAMES - 1), STEP)]) for side in (24, 20)]
    assert metrics[0].baselines["identity"] == pytest.approx(50 * sum(one.mean for one in stays))
    assert metrics[1].baselines["identity"] == pytest.approx(50 * sum(one.recall for one in stays))
    assert metrics[2].baselines["identity"] == pytest.approx(50 * sum(one.decay for one in stays))
    assert metrics[0].baselines["DIS flow"] > 75
    assert (video.metric, video.subset, video.value) == ("J&F mean", "slide", pytest.approx(headline.value))
    assert [one.name for one in result.pictures] == ["videos"]
    with av.open(str(to.parent / "scratch/slide.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert [frame.shape for frame in frames] == [(*SIZE, 3)] * FRAMES


class Colours(nn.Module):
    """Features are the image, at a fourth of its size."""

    def __init__(self) -> None:
        super().__init__()
        self.still = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images, 4) - 0.3


def test_features_that_tell_objects_apart_carry_their_masks(data: dict[str, Any]):
    (listed,) = list_videos(options_of(data).data)
    trackers = {
        "features": partial(FeatureTracker, Colours(), options_of(data, neighbours=5, position_weight=0.5)),
        "identity": identity,
        "DIS flow": FlowTracker,
    }
    measured, labels = measure(annotated(listed), trackers, keep=True)
    means = {name: scores[:, :, 0].mean() for name, scores in measured.scores.items()}
    assert means["features"] > 0.75 > 0.6 > means["identity"]
    assert [set(np.unique(one)) for one in labels] == [{0, 1, 2}] * FRAMES


def test_frames_without_masks_and_void_pixels_do_not_count(tmp_path: Path, data: dict[str, Any]):
    write(tmp_path / "squares", 2, picture(2), None)
    for number in range(1, FRAMES):
        if number != 2:
            void = masked(number)
            void[void != masked(0)] = 255  # all that identity has wrong
            write(tmp_path / "squares", number, picture(number), void)
    (listed,) = list_videos(options_of(data).data)
    measured, _ = measure(annotated(listed), {"identity": identity}, keep=False)
    assert measured.scores["identity"].shape == (2, 3, 2)
    assert (measured.scores["identity"] == 1).all()


def test_objects_that_come_later_are_counted(tmp_path: Path, data: dict[str, Any], caplog: pytest.LogCaptureFixture):
    later = masked(3)
    later[:4, :4] = 9
    write(tmp_path / "squares", 3, picture(3), later)
    with caplog.at_level(logging.WARNING):
        result = called(tmp_path / "a.json", data, pictured=0).result
    said = "abels that the first frame lacks count as background: slide (9)"
    assert said in caplog.text
    assert said in result.note
    assert (result.about["objects"], result.about["objects_not_in_the_first_frame"]) == (2, 1)
    assert not result.pictures


def changed(frame: int, what: str) -> tuple[int, np.ndarray, np.ndarray | None]:
    small = np.ascontiguousarray(masked(frame)[:-2]), np.ascontiguousarray(picture(frame)[:-2])
    labels = {"none": None, "empty": np.zeros(SIZE, np.uint8), "void": np.full(SIZE, 255, np.uint8)}
    if what in labels:
        return frame, picture(frame), labels[what]
    return frame, small[1] if what == "both smaller" else picture(frame), small[0]


@pytest.mark.parametrize(
    ("frame", "what", "said"),
    [
        (
            0,
            "none",
            "data: slide: the first frame, number 0, has no mask, which is what is tracked: add it, or name",
        ),
        (0, "empty", "data: slide: the first frame, number 0, has a mask without an object"),
        (0, "smaller", "data: slide: frame 0: a mask of 96x62 beside a frame of 96x64"),
        (3, "smaller", "data: slide: frame 3: a mask of 96x62 beside a frame of 96x64"),
        (3, "both smaller", "data: slide: frame 3: a mask of 96x62 after 96x64: all have to be of one size"),
    ],
)
def test_a_video_that_will_not_do_is_named(tmp_path: Path, data: dict[str, Any], frame: int, what: str, said: str):
    write(tmp_path / "squares", *changed(frame, what))
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        called(tmp_path / "a.json", data)
    if frame == 0:  # known before anything is trained
        with pytest.raises(UserError, match=f"^{re.escape(said)}"):
            check(options_of(data))


def test_a_video_with_nothing_to_measure_or_of_no_such_name(tmp_path: Path, data: dict[str, Any]):
    with pytest.raises(UserError, match=r"^data.sequences: there is no video 'glide': there are slide$"):
        check(options_of(data | {"sequences": ["glide"]}))
    for number in range(1, FRAMES - 1):
        write(tmp_path / "squares", number, picture(number), None)
    with pytest.raises(UserError, match=r"^data: slide: no frame but the first and the last has a mask"):
        called(tmp_path / "a.json", data)


def test_davis_lies_as_its_zip_has_it(tmp_path: Path):
    for number in range(3):
        for kind, array in (("JPEGImages", picture(number)), ("Annotations", masked(number))):
            path = tmp_path / f"DAVIS/{kind}/480p/two-squares/{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(array)
            if kind == "Annotations":
                image.putpalette([n * k % 256 for n in range(256) for k in (3, 5, 7)])
            image.save(path)
    (tmp_path / "DAVIS/ImageSets/2017").mkdir(parents=True)
    (tmp_path / "DAVIS/ImageSets/2017/val.txt").write_text("two-squares\n")
    data = {"path": str(tmp_path / "DAVIS")}
    check(options_of(data))
    several = annotated(list_videos(options_of(data).data)[0])
    assert (several.name, several.objects, several.measured) == ("two-squares", (2, 5), (1,))
    one = annotated(list_videos(options_of(data | {"year": 2016, "split": "all"}).data)[0])
    assert one.objects == (1,)
    with pytest.raises(UserError, match=r"^data.split: no ImageSets/2016/val.txt"):
        check(options_of(data | {"year": 2016}))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"memory": 0}, "memory is 0: from 1 up"),
        ({"window": 0.0}, "window is 0.0: a share"),
        ({"data": {"kind": "folder", "images": "a"}}, "data.masks is missing: kind folder needs it"),
        ({"data": {"path": "a", "year": 2018}}, "data.year is 2018: should be one of 2016, 2017"),
    ],
)
def test_options_that_will_not_do(values: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        evaluation_options(EVALUATION, None, {"data": {"path": "a"}, **values})
