"""What carries the masks of a first frame through a video: features, optical flow, or nothing."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from common_fate.pictures import Picture
from pipeline.columns.flow.dis import dis
from trainers.evaluations.tracking.nearest import averaged_labels, embedded
from trainers.evaluations.tracking.options import TrackingOptions
from trainers.evaluations.tracking.videos import Labels

Carry = Callable[[Picture], Labels]
"""From the next frame of a video to its labels."""
Tracker = Callable[[Picture, Labels, int], Carry]
"""From the first frame `(H, W, 3)`, its labels `(H, W)` from 0, the background, to K, and K."""


def identity(frame: Picture, labels: Labels, objects: int) -> Carry:
    """Lets the masks stay where they are: the first baseline."""
    return lambda following: labels


class FlowTracker:
    """Carries masks by DIS flow from each frame to the one before, the second baseline."""

    def __init__(self, frame: Picture, labels: Labels, objects: int) -> None:
        self._estimate = dis()
        self._before = _scaled(frame)
        # Shares, for a motion of less than half a pixel would move no label ever.
        self._masks = [(labels == label).astype(np.float32) for label in range(1, objects + 1)]

    def __call__(self, frame: Picture) -> Labels:
        this = _scaled(frame)
        u, v = self._estimate(np.stack([this, self._before])[None])[0]
        y, x = np.indices(u.shape, np.float32)
        self._masks = [cv2.remap(mask, x + u, y + v, cv2.INTER_LINEAR).astype(np.float32) for mask in self._masks]
        self._before = this
        background = 1 - np.sum(self._masks, axis=0)
        return np.argmax([background, *self._masks], axis=0).astype(np.uint8)


class FeatureTracker:
    """Carries masks by the labels of the nearest features in the frames before.

    Section 5.3 of the paper; what it leaves open: neighbours are the nearest of all frames in memory together, and
    labels stay shares from frame to frame.

    Args:
        features: from images `(B, 3, H, W)` in [0, 1] to features `(B, C, h, w)`.
    """

    def __init__(
        self, features: nn.Module, options: TrackingOptions, frame: Picture, labels: Labels, objects: int
    ) -> None:
        self._features, self._options = features, options
        query = self._embedded(frame)
        shares = F.one_hot(torch.from_numpy(labels).long(), objects + 1).permute(2, 0, 1).float().to(query.device)
        self._frames = [(query, F.adaptive_avg_pool2d(shares, (query.shape[1], query.shape[2])))]

    @torch.no_grad()
    def __call__(self, frame: Picture) -> Labels:
        query = self._embedded(frame)
        memory, labels = (torch.stack(of) for of in zip(*self._frames, strict=True))
        found = averaged_labels(query, memory, labels, self._options.neighbours, self._window(query))
        self._frames.append((query, found))
        kept = self._frames[-self._options.memory :]
        leaves = self._options.keep_first and len(self._frames) > self._options.memory
        self._frames = [self._frames[0], *kept] if leaves else kept
        size = frame.shape[:2]
        return F.interpolate(found[None], size, mode="bilinear", align_corners=False)[0].argmax(0).byte().cpu().numpy()

    @torch.no_grad()
    def _embedded(self, frame: Picture) -> Tensor:
        device = next(self._features.parameters()).device
        image = torch.from_numpy(_scaled(frame)).to(device)
        return embedded(self._features(image[None])[0], self._options.position_weight)

    def _window(self, query: Tensor) -> int | None:
        if self._options.window is None:
            return None
        longer = max(query.shape[1:])
        cells = max(1, round(self._options.window * longer))
        return cells if cells < longer else None


def _scaled(frame: Picture) -> NDArray[np.float32]:
    """`(3, H, W)` in [0, 1]."""
    return np.divide(frame.transpose(2, 0, 1), np.float32(255), order="C")
