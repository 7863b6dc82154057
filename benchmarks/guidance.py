"""Watershed guidance against the steps of the published sampler in SciPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from benchmarks.inputs import dis_flows, milliseconds
from pipeline.columns.guidance import GuidanceOptions, watershed_points

OPTIONS = GuidanceOptions()
ACROSS = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def run() -> list[dict[str, Any]]:
    """Milliseconds a 384x384 field."""
    origin, flows = dis_flows()
    ours = milliseconds(lambda flow: watershed_points(flow, OPTIONS), flows, repeats=100)
    peer = milliseconds(published_points, flows, repeats=5)
    return [
        {
            "what": f"guidance: 384x384, K={OPTIONS.kernel_size}, DIS flow of {origin} (ms)",
            "ours": round(ours, 2),
            "peer": round(peer, 1),
            "ratio": round(peer / ours, 1),
            "reach": "3.5 ms, 10x",
        }
    ]


def published_points(flow: NDArray[np.float32]) -> NDArray[np.int64]:
    """Zhan et al.'s sampler, step by step: `(N, 2)` rows of y and x, of near ones one by chance."""
    edge = sum(
        np.sqrt(
            signal.convolve2d(channel, ACROSS, mode="same", boundary="symm") ** 2
            + signal.convolve2d(channel, ACROSS.T, mode="same", boundary="symm") ** 2
        )
        for channel in flow
    )
    is_edge = edge / max(edge.max(), 0.01) > OPTIONS.edge_threshold
    distance = ndimage.distance_transform_edt(~is_edge)
    window = np.ones((OPTIONS.kernel_size, OPTIONS.kernel_size))
    distance[distance < ndimage.maximum_filter(distance, footprint=window)] = 0
    distance[[0, -1]] = distance[:, [0, -1]] = 0
    return _one_of_near(np.argwhere(distance > 0))


def _one_of_near(points: NDArray[np.int64]) -> NDArray[np.int64]:
    random = np.random.default_rng(0)
    near = (np.abs(points[:, None] - points[None]) < (OPTIONS.kernel_size - 1) / 2).all(axis=2)
    stays = np.ones(len(points), bool)
    for a, b in np.argwhere(np.triu(near, 1)):
        if stays[a] and stays[b]:
            stays[random.choice((a, b))] = False
    return points[stays]
