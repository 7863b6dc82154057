"""The table of an evaluation of annotation, and what stands under it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.evaluations.annotation.measure import Measured
from trainers.evaluations.annotation.options import AnnotationOptions
from trainers.evaluations.result import Row

MODEL, GRABCUT, DISCS = "model", "GrabCut", "discs"  # the sessions of each object
NOTE = (
    "Intersection over union (IoU) in percent, the mean over objects, after so many clicks of a simulated user: the "
    "first in the middle of the object, each next one in the middle of the largest connected error, positive where "
    "pixels are missed and negative where they should not be in. Each method is clicked on by its own errors. Pixels "
    "that do not count are never clicked. Discs: the pixels nearest to a positive click, as near as in a disc of the "
    "objects' mean size. GrabCut is OpenCV's; it begins with such a disc around the first click, and is sure of 5 "
    "pixels around each. Pieces and holes of less than 2 % of an object do not count."
)


def rows_of(dataset: str, measured: Sequence[Measured], options: AnnotationOptions) -> tuple[Row, ...]:
    """Returns the rows of the report: of all objects, then of those in several pieces, and of those with holes."""
    subsets = {
        "": measured,
        "in several pieces": [one for one in measured if one.pieces > 1],
        "with holes": [one for one in measured if one.holes],
    }
    rows = []
    for subset, of in subsets.items():
        if not of:
            continue
        overlaps = _overlaps(of)
        for place, count in enumerate(options.clicks):
            means = {name: 100 * float(iou[:, place].mean()) for name, iou in overlaps.items()}
            metric = f"IoU after {count} click{'s' if count > 1 else ''}"
            rows.append(Row(dataset, metric, means.pop(MODEL), "%", "higher", len(of), subset, means))
        shares = {name: 100 * failed / len(of) for name, failed in failures(of, options.failed_below).items()}
        rows.append(Row(dataset, "failures", shares.pop(MODEL), "%", "lower", len(of), subset, shares))
    return tuple(rows)


def failures(measured: Sequence[Measured], bound: float) -> dict[str, int]:
    """Returns by annotator how many objects have an overlap below a bound after the last click."""
    return {name: int(np.count_nonzero(iou[:, -1] < bound)) for name, iou in _overlaps(measured).items()}


def about(measured: Sequence[Measured], options: AnnotationOptions) -> dict[str, Any]:
    """Returns what else was counted, and the seconds that an object took, the median."""
    return {
        "measured": len(measured),
        "in_several_pieces": sum(one.pieces > 1 for one in measured),
        "with_holes": sum(one.holes > 0 for one in measured),
        "failures": failures(measured, options.failed_below),
        "seconds_an_object": _seconds(measured),
    }


def note_of(measured: Sequence[Measured], options: AnnotationOptions) -> str:
    """Returns what stands under the table: what the rows mean, failures as numbers, and times."""
    failed, seconds = failures(measured, options.failed_below), _seconds(measured)
    counts = ", ".join(f"{name} {number}" for name, number in failed.items())
    times = ", ".join(f"{name} {taken:.2f}" for name, taken in seconds.items())
    return (
        f"{NOTE}\nFailures, an IoU below {100 * options.failed_below:g} % after the last click, of {len(measured)} "
        f"objects: {counts}.\nSeconds an object, the median, of all answers to its {options.clicks[-1]} clicks or "
        f"fewer, without anybody's time to look and click: {times}."
    )


def _overlaps(measured: Sequence[Measured]) -> Mapping[str, Any]:
    """By annotator, `(objects, numbers of clicks)`."""
    return {name: np.array([one.sessions[name].iou for one in measured]) for name in measured[0].sessions}


def _seconds(measured: Sequence[Measured]) -> dict[str, float]:
    return {name: float(np.median([one.sessions[name].seconds for one in measured])) for name in measured[0].sessions}
