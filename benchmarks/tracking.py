"""Tracking: frames a second on two threads, at 480p and stride 4, beside a plain search for the nearest features."""

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from common_fate.pictures import Picture
from trainers.evaluations.tracking.nearest import TILE, embedded
from trainers.evaluations.tracking.options import TrackingData, TrackingOptions
from trainers.evaluations.tracking.trackers import FeatureTracker

SIZE, STRIDE, CHANNELS, OBJECTS = (480, 854), 4, 32, 2
FRAMES = 4  # of which the first two fill the memory
PART = 10  # the peer takes so long that one cell in so many is searched for
WINDOWS = {"window of an eighth": 0.125, "whole frame": None}


class Convolution(nn.Module):
    """Features of so many channels at no cost to speak of."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(3, CHANNELS, 7, STRIDE, 3)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.net(images)
        return features


def run() -> list[dict[str, Any]]:
    """Frames a second of all but the network: the search in two frames of memory, and what becomes of the labels."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    plain = 1 / (PART * _seconds(_plain_search()))
    rows = []
    for what, window in WINDOWS.items():
        ours = 1 / _seconds(_tracker(window))
        rows.append(
            {
                "what": f"tracking: 480p, stride {STRIDE}, {CHANNELS} channels, two threads, {what} (frames/s)",
                "ours": f"{ours:.2f}",
                "peer": f"{plain:.2f}",
                "ratio": f"{ours / plain:.1f}",
                "reach": "1 frame/s" if window else "",
            }
        )
    torch.set_num_threads(threads)
    return rows


def frames() -> list[Picture]:
    """Smooth noise that moves two pixels a frame."""
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[0], SIZE[1] + 2 * FRAMES, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (31, 31), 0)
    return [np.ascontiguousarray(smooth[:, 2 * i : 2 * i + SIZE[1]]) for i in range(FRAMES)]


def _tracker(window: float | None) -> Callable[[Picture], object]:
    options = TrackingOptions(TrackingData(path="none"), window=window)
    labels = np.zeros(SIZE, np.uint8)
    labels[100:200, 100:300], labels[300:400, 500:700] = 1, 2
    return FeatureTracker(Convolution().eval(), options, frames()[0], labels, OBJECTS)


@torch.no_grad()
def _plain_search() -> Callable[[Picture], object]:
    """All similarities of 256 cells at a time, and torch's ten largest of each."""
    net = Convolution().eval()
    embeddings = [
        embedded(net(torch.from_numpy(frame.transpose(2, 0, 1) / np.float32(255))[None])[0], 1.0) for frame in frames()
    ]
    query, memory = embeddings[2].flatten(1).T, torch.cat([one.flatten(1) for one in embeddings[:2]], dim=1)
    half = memory.square().sum(0) / 2
    return lambda frame: [(cells @ memory - half).topk(10) for cells in query[: len(query) // PART].split(TILE**2)]


def _seconds(carry: Callable[[Picture], object]) -> float:
    """The fastest frame's: whatever else the machine does slows the others down."""
    taken = []
    for frame in frames()[1:]:
        began = time.perf_counter()
        carry(frame)
        taken.append(time.perf_counter() - began)
    return min(taken[1:])
