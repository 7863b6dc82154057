"""Pictures and videos of what was tracked: each object in a colour over the frame, its annotation as an outline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from common_fate.pictures import Picture, Tile, contact_sheet, label_colors
from trainers.evaluations.tracking.videos import Annotated, Labels, frames_of, mask_of
from trainers.metrics.masks import contour

OPACITY = 0.55
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Tracked:
    """A video, and the labels of each of its frames, 0 the background, from 1 its objects in order."""

    video: Annotated
    labels: Sequence[Labels]
    score: float  # J&F mean, percent

    def overlays(self) -> Iterator[Picture]:
        """Yields each frame with its labels over it."""
        for frame, labels in zip(frames_of(self.video.video), self.labels, strict=True):
            yield overlay(frame, labels)


def gallery(title: str, several: Sequence[Tracked]) -> bytes:
    """Draws a sheet, as PNG: of each video the first frame with its mask, the middle one and the last as tracked."""
    sheet = contact_sheet([row(tracked) for tracked in several], title)
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()


def row(tracked: Tracked) -> list[Tile]:
    """Draws three frames of a video and writes their captions."""
    numbers = tracked.video.numbers
    shown = (0, len(numbers) // 2, len(numbers) - 1)
    captions = (
        f"{tracked.video.name}: the first frame's mask",
        f"frame {numbers[shown[1]]}\nJ&F mean of all frames {tracked.score:.1f} %",
        f"frame {numbers[shown[2]]}, the last",
    )
    frames = {place: frame for place, frame in enumerate(frames_of(tracked.video.video)) if place in shown}
    return [
        (_outlined(overlay(frames[place], tracked.labels[place]), tracked.video, numbers[place]), caption)
        for place, caption in zip(shown, captions, strict=True)
    ]


def overlay(frame: Picture, labels: Labels) -> Picture:
    """Draws labels `(H, W)` over a frame `(H, W, 3)`, as in one colour each."""
    mixed = np.rint(OPACITY * label_colors(labels) + (1 - OPACITY) * frame).astype(np.uint8)
    return np.where(labels[..., None] > 0, mixed, frame)


def _outlined(picture: Picture, video: Annotated, number: int) -> Picture:
    """With the outlines of what is annotated."""
    truth = mask_of(video.video, number)
    if truth is not None:
        for label in video.objects:
            line = cv2.dilate(contour(truth == label).astype(np.uint8), np.ones((2, 2), np.uint8))
            picture[line > 0] = WHITE
    return picture
