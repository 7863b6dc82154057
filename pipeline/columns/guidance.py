"""Guidance: the points whose motion conditional motion propagation is told.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, section 3.2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError
from pipeline.option import option
from pipeline.stages.stage import Sample, Stage, each


@dataclass(frozen=True)
class GuidanceOptions:
    """How many key-points a flow field gets, and where."""

    kernel_size: int = option(81, "K: the side of the suppression window in pixels; larger is sparser", minimum=3)
    edge_threshold: float = option(
        0.1, "a motion edge, as a share of the field's strongest", exclusiveMinimum=0, exclusiveMaximum=1
    )

    def __post_init__(self) -> None:
        if self.kernel_size < 3 or self.kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size is {self.kernel_size}: the window has a centre, so take an odd number from 3 up"
            )
        if not 0 < self.edge_threshold < 1:
            raise ValueError(
                f"edge_threshold is {self.edge_threshold}: it is a share of the strongest edge, above 0 and below 1"
            )


def watershed_points(flow: NDArray[np.float32], options: GuidanceOptions) -> NDArray[np.float32]:
    """Finds the local maxima of the distance to the nearest motion edge.

    Args:
        flow: `(2, H, W)`, pixels.

    Returns:
        `(N, 3)` rows of y, x and distance in pixels, farthest first; ties go to the smaller y, then x. A field without
        edges has no key-points: the grid alone guides it.

    Raises:
        SampleError: the flow is not finite everywhere.
    """
    from pipeline.kernels import distance_to_edges, motion_edges, window_maxima

    if not np.isfinite(flow).all():
        raise SampleError("the flow has values that are not finite")
    edges = motion_edges(flow, options.edge_threshold)
    if not edges.any():
        return np.empty((0, 3), np.float32)
    return window_maxima(distance_to_edges(edges), options.kernel_size)


def _annotate(sample: Sample, options: GuidanceOptions) -> Sample:
    return {"guidance.npy": watershed_points(sample["flow.b2"], options)}


def _measure(sample: Sample) -> dict[str, float]:
    return {"points": len(sample["guidance.npy"])}


STAGE = Stage(
    name="guidance",
    version=1,
    reads=("flow",),
    options=GuidanceOptions,
    run=each(_annotate),
    measure=_measure,
    software=("numba",),  # compiles the kernels; OpenCV has no part in them
)
