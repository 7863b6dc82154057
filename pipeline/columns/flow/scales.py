"""Estimating flow from coarse to fine, so that a network follows motion that is larger than it was made for.

The estimator runs on the frames at a quarter of their size, at half of it, and as they are. On each larger scale there
are three proposals: its flow; the flow of the scale before; and that, with what the estimator finds when the next frame
is warped by it (as between the stages of FlowNet 2.0, Ilg et al., CVPR 2017). Each pixel takes the first, or another
that explains the frames clearly better: a fusion of proposals as in Lempitsky et al., "FusionFlow", CVPR 2008, without
its smoothness.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.columns.flow.estimator import Estimator

SMALLEST = 32
"""Pixels of the shorter side of the coarsest scale."""
_WINDOW = 49
"""Pixels: errors are means over its square."""
_BETTER = np.float32(0.9)
"""The share of the error so far that another proposal's may be, to be taken."""
_MOST = np.float32(0.24)
"""The largest error of a pixel: where it is hidden it is no worse for being very unlike."""
_OUTSIDE = np.float32(0.08)
"""That of a pixel that leaves the frame."""

_Image = NDArray[np.float32]
"""`(H, W, C)`."""
_Pair = tuple[_Image, _Image]


def over_scales(estimate: Estimator, scales: int) -> Estimator:
    """Returns an estimator of pairs that runs another at several sizes, each twice the one before.

    Args:
        estimate: of frames `(B, 2, 3, H, W)`.
        scales: how many, with the whole; fewer of frames that would become smaller than `SMALLEST`.
    """

    def estimate_over_scales(frames: NDArray[np.float32]) -> NDArray[np.float32]:
        cv2.setNumThreads(1)  # a job is one core's work
        count = scales
        while count > 1 and min(frames.shape[-2:]) >> (count - 1) < SMALLEST:
            count -= 1
        if count == 1:
            return estimate(frames)
        pairs = [(_channels_last(this), _channels_last(following)) for this, following in frames]
        return np.stack(_flows(estimate, pairs, count)).transpose(0, 3, 1, 2)

    return estimate_over_scales


def _flows(estimate: Estimator, pairs: Sequence[_Pair], count: int) -> list[_Image]:
    height, width = pairs[0][0].shape[:2]
    flows: list[_Image] = []
    for level in reversed(range(count)):
        size = width >> level, height >> level
        scaled = [(_smaller(this, size), _smaller(following, size)) for this, following in pairs]
        direct = _estimated(estimate, scaled)
        if not flows:
            flows = direct
            continue
        before = [_resized(flow, size) for flow in flows]
        warped = [(this, _warped(following, flow)) for (this, following), flow in zip(scaled, before, strict=True)]
        added = _estimated(estimate, warped)
        mended = [more + _warped(flow, more) for more, flow in zip(added, before, strict=True)]
        flows = [_fused(*each) for each in zip(scaled, direct, before, mended, strict=True)]
    return flows


def _estimated(estimate: Estimator, pairs: Sequence[_Pair]) -> list[_Image]:
    frames = np.stack([np.stack(pair).transpose(0, 3, 1, 2) for pair in pairs])
    return [_channels_last(flow) for flow in estimate(np.ascontiguousarray(frames))]


def _fused(pair: _Pair, direct: _Image, *others: _Image) -> _Image:
    """Each pixel's of the first proposal, or of another that explains the frames clearly better."""
    flow, error = direct, _error(*pair, direct)
    for proposal in others:
        its_error = _error(*pair, proposal)
        taken = its_error < _BETTER * error
        flow, error = np.where(taken[..., None], proposal, flow), np.where(taken, its_error, error)
    return flow


def _smaller(image: _Image, size: tuple[int, int]) -> _Image:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _channels_last(planes: NDArray[np.float32]) -> _Image:
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _resized(flow: _Image, size: tuple[int, int]) -> _Image:
    height, width = flow.shape[:2]
    factors = np.array([size[0] / width, size[1] / height], np.float32)
    return np.asarray(cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) * factors, np.float32)


def _targets(flow: _Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel comes to lie: x and y."""
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return np.asarray(columns + flow[..., 0], np.float32), np.asarray(rows + flow[..., 1], np.float32)


def _warped(image: _Image, flow: _Image) -> _Image:
    """What lies where the flow leads; beyond the border what is at the border."""
    there = cv2.remap(image, *_targets(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(there, np.float32)


def _error(first: _Image, second: _Image, flow: _Image) -> NDArray[np.float32]:
    """How unlike colours and gradients are along the flow `(H, W)`: a mean over a window."""
    colours = np.abs(first - _warped(second, flow)).mean(2)
    gradients = np.abs(_gradients(first) - _warped(_gradients(second), flow)).sum(2)
    x, y = _targets(flow)
    outside = (x < 0) | (y < 0) | (x > flow.shape[1] - 1) | (y > flow.shape[0] - 1)
    unlike = np.where(outside, _OUTSIDE, np.minimum(colours + gradients, _MOST))
    return np.asarray(cv2.blur(unlike, (_WINDOW, _WINDOW)), np.float32)


def _gradients(image: _Image) -> _Image:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.dstack([cv2.Sobel(grey, cv2.CV_32F, *axes, scale=1 / 4) for axes in ((1, 0), (0, 1))])
