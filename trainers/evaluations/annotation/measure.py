"""What annotators make of one object, click by click."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from common_fate.pictures import Picture
from trainers.evaluations.annotation.clicks import Answer, Click, Mask, steps
from trainers.evaluations.annotation.data import Objects, pieces
from trainers.evaluations.boxed_images.shapes import packed

LEAST = 0.02
"""The share of an object's pixels that a piece or a hole of it has at least: smaller ones are flaws of an outline."""

Annotator = Callable[[Picture], Answer]
"""From an image `(H, W, 3)` to what answers clicks on it."""


@dataclass(frozen=True)
class Session:
    """One object annotated: all clicks, and after each of the numbers of clicks asked for the mask and its overlap.

    Args:
        masks: pycocotools' packed runs.
        iou: from 0 to 1; where nothing was wrong any more and the user had stopped, what it was then.
        seconds: that all answers took together.
    """

    clicks: tuple[Click, ...]
    masks: tuple[dict[str, Any], ...]
    iou: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Measured:
    """An object, by its image's and its own place, of how many pieces and holes it is, and each annotator's session."""

    image: int
    object: int
    pieces: int
    holes: int
    sessions: Mapping[str, Session]


def session(answer: Answer, truth: Mask, known: Mask, counts: Sequence[int]) -> Session:
    """Returns what as many clicks as the last of `counts`, or fewer, make of an object of which some pixel is known."""
    made = list(steps(answer, truth, known, counts[-1]))
    after = [made[min(count, len(made)) - 1] for count in counts]
    return Session(
        tuple(step.click for step in made),
        tuple(packed(step.mask) for step in after),
        tuple(step.iou for step in after),
        sum(step.seconds for step in made),
    )


def measure(
    image: int, place: int, objects: Objects, annotators: Mapping[str, Annotator], counts: Sequence[int]
) -> Measured:
    """Measures each annotator on an object, whose user sees its own masks."""
    truth = objects.masks[place]
    sessions = {
        name: session(annotator(objects.picture), truth, objects.known, counts)
        for name, annotator in annotators.items()
    }
    return Measured(image, place, *topology(truth, objects.known), sessions)


def topology(truth: Mask, known: Mask) -> tuple[int, int]:
    """Counts the pieces of an object `(H, W)`, and the holes in it, of `LEAST` of its pixels or more.

    A hole is background that the object encloses; pixels that are not known are none of it.
    """
    least = LEAST * np.count_nonzero(truth)
    large = sum(1 for piece in pieces(truth) if np.count_nonzero(piece) >= least)
    outside = np.pad(~truth, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    counted = np.bincount(labels[1:-1, 1:-1][known & ~truth], minlength=2)
    counted[[0, labels[0, 0]]] = 0
    return large, int(np.count_nonzero(counted >= max(least, 1)))
