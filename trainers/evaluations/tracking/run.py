"""How well masks are carried through videos from their first frames, beside what needs no learning."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from common_fate.datasets.show import spread
from common_fate.errors import SampleError, UserError
from common_fate.progress import progress
from pipeline.sources.reading import VOID
from trainers.evaluations.job import Job
from trainers.evaluations.result import Picture, Result, Row
from trainers.evaluations.start import load_start_features
from trainers.evaluations.tracking.options import TrackingOptions
from trainers.evaluations.tracking.pictures import Tracked, gallery
from trainers.evaluations.tracking.trackers import FeatureTracker, FlowTracker, Tracker, identity
from trainers.evaluations.tracking.videos import Annotated, Labels, annotated, frames_of, list_videos, mask_of
from trainers.metrics.masks import contour_accuracy, region_similarity, statistics
from trainers.mp4 import write_mp4

FEATURES, IDENTITY, FLOW = "features", "identity", "DIS flow"
SEED = 0  # of random weights
FPS = 24.0  # of DAVIS
METRICS = ("J mean", "J recall", "J decay", "F mean", "F recall", "F decay")
JF = "J&F mean"
MOST_NAMED = 8  # videos
CAPTION = (
    "Of each video the mask of the first frame, and what is tracked from it in the middle and at the end: an object in "
    "a colour. White lines are the annotation."
)
NOTE = (
    "As DAVIS has it: J is the intersection over union of an object's mask, F the accuracy of its contour within 0.8 % "
    "of the frame's diagonal, both in percent; recall, the share of frames above 50 %; decay, what the last quarter of "
    "the frames loses to the first. Each is of all frames that have a mask, without the first and the last, and a mean "
    "over objects; J&F mean is that of both means. Identity leaves the first mask where it is; DIS flow carries it "
    "from frame to frame."
)
_log = logging.getLogger(__name__)

Scores = NDArray[np.float64]
"""J and F of each object in each frame, `(objects, frames, 2)`."""


@dataclass(frozen=True)
class Measured:
    """A video, each tracker's scores by its name, and the seconds that it took for a frame."""

    video: Annotated
    scores: Mapping[str, Scores]
    seconds: Mapping[str, float]


def run(job: Job) -> Result:
    """Measures how well features track the objects of some videos.

    Raises:
        UserError: the weights or a video cannot be used; all masks are read before the first video is tracked.
    """
    options: TrackingOptions = job.options
    listed = list_videos(options.data)
    videos = [annotated(video) for video in progress(listed, len(listed), "check masks (videos)")]
    late = _named_late(videos)
    features = load_start_features(job, SEED, options.stride)
    features.to("cuda" if torch.cuda.is_available() else "cpu")
    trackers: dict[str, Tracker] = {
        FEATURES: partial(FeatureTracker, features, options),
        IDENTITY: identity,
        FLOW: FlowTracker,
    }
    shown = spread([len(videos)], options.pictured).get(0, [])
    measured: list[Measured] = []
    pictured: list[Tracked] = []
    for number, video in enumerate(progress(videos, len(videos), "track (videos)")):
        one, labels = measure(video, trackers, keep=number in shown)
        measured.append(one)
        if labels:
            pictured.append(Tracked(video, labels, 100 * float(one.scores[FEATURES].mean())))
    if options.mp4:
        for tracked in pictured:
            write_mp4(_video_file(job, tracked.video.name), tracked.overlays(), FPS)
    title = f"{job.experiment}, from {job.start}: {len(pictured)} of {len(videos)} videos"
    pictures = (Picture("videos", gallery(title, pictured), CAPTION),) if pictured else ()
    seconds = {name: float(np.mean([one.seconds[name] for one in measured])) for name in trackers}
    times = ", ".join(f"{name} {1000 * taken:.0f}" for name, taken in seconds.items())
    about = {
        "objects": sum(len(video.objects) for video in videos),
        "objects_not_in_the_first_frame": sum(len(video.late) for video in videos),
        "seconds_a_frame": seconds,
    }
    note = f"{NOTE}{late}\nMilliseconds a frame: {times}."
    return Result(rows_of(options.data.title, measured), pictures, about, note)


def measure(video: Annotated, trackers: Mapping[str, Tracker], keep: bool) -> tuple[Measured, list[Labels]]:
    """Measures how well each tracker carries the masks of a video's first frame to the others.

    Returns:
        What was measured; and the labels of all frames by `FEATURES`, where they are to be kept.

    Raises:
        UserError: a frame or a mask cannot be read, or the frames are too small for a tracker.
    """
    frames = frames_of(video.video)
    first, given = next(frames), _mask(video, video.numbers[0])
    try:
        carries = {name: tracker(first, given, len(video.objects)) for name, tracker in trackers.items()}
        scores: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in trackers}
        seconds = dict.fromkeys(trackers, 0.0)
        labels = [given]
        for number, frame in zip(video.numbers[1:], frames, strict=True):
            truth = mask_of(video.video, number) if number in video.measured else None
            for name, carry in carries.items():
                began = time.perf_counter()
                found = carry(frame)
                seconds[name] += time.perf_counter() - began
                if truth is not None:
                    scores[name].append(list(_scored(found, truth, video.objects)))
                if keep and name == FEATURES:
                    labels.append(found)
    except SampleError as error:
        raise UserError(f"data: {video.name}: {error}") from error
    followed = len(video.numbers) - 1
    return (
        Measured(
            video,
            {name: np.array(of).transpose(1, 0, 2) for name, of in scores.items()},
            {name: taken / followed for name, taken in seconds.items()},
        ),
        labels if keep else [],
    )


def rows_of(dataset: str, measured: Sequence[Measured]) -> tuple[Row, ...]:
    """Returns the rows of the report: of all objects, the mean of J and F first, then of each video by itself."""
    frames = sum(len(one.video.measured) for one in measured)
    means = {name: _means([one.scores[name] for one in measured]) for name in measured[0].scores}
    rows = [
        Row(
            dataset,
            metric,
            means[FEATURES][metric],
            "%",
            "lower" if metric.endswith("decay") else "higher",
            frames,
            "",
            {name: of[metric] for name, of in means.items() if name != FEATURES},
        )
        for metric in (JF, *METRICS)
    ]
    for one in measured:
        scores = {name: 100 * float(of.mean()) for name, of in one.scores.items()}
        value = scores.pop(FEATURES)
        rows.append(Row(dataset, JF, value, "%", "higher", len(one.video.measured), one.video.name, scores))
    return tuple(rows)


def _means(scores: Sequence[Scores]) -> dict[str, float]:
    """Each metric, a mean over all objects, in percent."""
    objects = [one for several in scores for one in several]
    each = [[value for kind in one.T for value in vars(statistics(kind)).values()] for one in objects]
    means = dict(zip(METRICS, (100 * np.mean(each, axis=0)).tolist(), strict=True))
    return {JF: (means["J mean"] + means["F mean"]) / 2, **means}


def _scored(found: Labels, truth: Labels, objects: Sequence[int]) -> Iterator[tuple[float, float]]:
    """J and F of each object, without the pixels that are void."""
    known = truth != VOID
    for place, label in enumerate(objects, start=1):
        mask, true = (found == place) & known, truth == label
        yield region_similarity(mask, true), contour_accuracy(mask, true)


def _mask(video: Annotated, number: int) -> Labels:
    """The labels of a frame as they are tracked: from 1 on, in the order of `objects`."""
    labels = mask_of(video.video, number)
    if labels is None:
        raise UserError(f"data: {video.name}: the mask of frame {number} is gone")
    places = np.zeros(VOID + 1, np.uint8)
    places[list(video.objects)] = np.arange(1, len(video.objects) + 1)
    return places[labels]


def _named_late(videos: Sequence[Annotated]) -> str:
    """Says in the log, and returns for the note, which videos have objects that their first frame lacks."""
    names = [f"{video.name} ({', '.join(map(str, video.late))})" for video in videos if video.late]
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    said = f"labels that the first frame lacks count as background: {', '.join(names[:MOST_NAMED])}{more}"
    _log.warning("data: %s", said)
    return f" L{said[1:]}."


def _video_file(job: Job, name: str) -> Path:
    """`START/VIDEO.mp4`, beside the result."""
    folder = job.runs.parent / job.start
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.mp4"
