"""The landmarks stage: named points of each frame, as its source knows them, at the size of the stored frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError
from pipeline.sources.source import Points
from pipeline.stages.stage import Sample, Stage, each


@dataclass(frozen=True)
class LandmarksOptions:
    """The landmarks have no options."""


def resized_points(points: Points, height: int, width: int) -> NDArray[np.float32]:
    """Returns points at another size of their image, `(N, 3)`: y, x, and 1 where visible.

    Of unknown ones y and x stay 0. A pixel's centre is at whole numbers.

    Raises:
        SampleError: there are fewer or more points than names, two have one name, or a visible one lies outside the
            image.
    """
    if points.rows.shape != (len(points.names), 3):
        raise SampleError("its points are not as many as their names")
    if len(set(points.names)) < len(points.names):
        raise SampleError("two of its points have one name")
    places, visible = points.rows[:, :2].astype(np.float64), points.rows[:, 2] > 0
    inside = ((places >= -0.5) & (places <= np.array(points.size) - 0.5)).all(axis=1)
    if (visible & ~inside).any():
        raise SampleError("a visible point lies outside the image")
    known = visible | places.any(axis=1)
    moved = (places + 0.5) * np.array([height, width]) / np.array(points.size) - 0.5
    return np.column_stack([np.where(known[:, None], moved, 0), visible]).astype(np.float32)


def mirrored_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Returns the rows of the left and the right one of the same thing, by names such as `left_eye` and `right_eye`."""
    rows = {name: row for row, name in enumerate(names)}
    lefts = ((row, "right" + name.removeprefix("left")) for name, row in rows.items() if name.startswith("left"))
    return [(row, rows[other]) for row, other in lefts if other in rows]


def _annotate(sample: Sample, options: LandmarksOptions) -> Sample | None:
    from pipeline.sources import SOURCES  # sources are many and heavy: only a job that reads them pays for them

    facts, video = sample["json"], sample["video"]
    read = SOURCES[video.kind].points
    points = None if read is None else read(video, facts["frame"])
    if points is None:
        return None
    rows = resized_points(points, facts["height"], facts["width"])
    return {"points.npy": rows, "json": {"landmarks": list(points.names)}}


def _measure(sample: Sample) -> dict[str, float]:
    return {"landmarks_visible": float(sample["points.npy"][:, 2].sum())}


STAGE = Stage(
    name="landmarks",
    version=1,
    reads=("frames", "source"),
    options=LandmarksOptions,
    run=each(_annotate),
    measure=_measure,
)
