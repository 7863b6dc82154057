"""Running a flow network on frames of any size, deterministically. Imports torch."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from common_fate.errors import SampleError
from pipeline.columns.flow.estimator import Estimator


def estimator_of(network: nn.Module, name: str) -> Estimator:
    """Returns an estimator from a network, on the GPU where there is one.

    Frames are padded with their border to multiples of the network's `stride`, and the flow is cropped back.

    Args:
        network: from frames `(B, N, 3, H, W)`, RGB in [0, 1], to flow `(B, 2, H, W)`.
        name: for the reason of a sample that fails.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)  # a job is one core's work, and sums depend on how threads share them
    network = network.eval().requires_grad_(False).to(device, torch.float32)
    stride = int(getattr(network, "stride", 1))

    def estimate(frames: NDArray[np.float32]) -> NDArray[np.float32]:
        batch, count, _, height, width = frames.shape
        images = torch.from_numpy(np.ascontiguousarray(frames, np.float32)).to(device)
        top, left = (-height % stride) // 2, (-width % stride) // 2
        padding = (left, -width % stride - left, top, -height % stride - top)
        padded = functional.pad(images.flatten(0, 1), padding, mode="replicate")
        padded = padded.reshape(batch, count, *padded.shape[1:])
        with torch.inference_mode(), _exact():
            flow = network(padded)
        if flow.shape != (batch, 2, *padded.shape[-2:]):
            raise SampleError(f"{name} does not estimate one flow from {count} frames")
        cropped = flow[:, :, top : top + height, left : left + width]
        return np.ascontiguousarray(cropped.float().cpu().numpy())

    return estimate


@contextmanager
def _exact() -> Iterator[None]:
    """float32 without shortcuts, and the same algorithm every time."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
