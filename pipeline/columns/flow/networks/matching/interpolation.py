"""Flow of every pixel from matches of some, along what looks like one thing.

Revaud et al., "EpicFlow: Edge-Preserving Interpolation of Correspondences for Optical Flow", CVPR 2015, as OpenCV has
it, on the contours that this project's own forest finds.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError
from pipeline.columns.flow.networks.matching.matches import Matches

if TYPE_CHECKING:
    from pipeline.columns.regions.contours.forest import Forest

_LEAST = 8  # matches: an affine motion has three, and what is fitted to fewer than some is chance
_NEIGHBOURS = 128  # matches that a pixel's motion is fitted to, OpenCV's own
_MOST = 32_000  # OpenCV counts them in 16 bits


def interpolate(matches: Matches, this: NDArray[np.uint8], following: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns flow `(2, H, W)`, pixels, of which the verified matches are known.

    Args:
        this, following: the frames, `(H, W, 3)`, RGB.

    Raises:
        SampleError: there are too few matches, or more than OpenCV takes.
    """
    verified = matches.verified
    if not _LEAST <= (count := int(verified.sum())) <= _MOST:
        raise SampleError(f"too {'few' if count < _LEAST else 'many'} matches for deep matching")
    here = matches.points()[:, verified].T
    there = here + matches.flow[:, verified].T
    cv2.setNumThreads(1)  # a job is one core's work; the flow is the same with more
    interpolator = cv2.ximgproc.createEdgeAwareInterpolator()
    interpolator.setK(min(_NEIGHBOURS, count))  # of more than there are OpenCV 4.13 reads outside its arrays
    interpolator.setCostMap(np.ascontiguousarray(_contours(this)))
    flow = interpolator.interpolate(
        _bgr(this), np.ascontiguousarray(here), _bgr(following), np.ascontiguousarray(there)
    )
    return np.ascontiguousarray(flow.transpose(2, 0, 1), np.float32)


def _contours(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    from pipeline.columns.regions.contours.forest import detect
    from pipeline.columns.regions.contours.forest_options import ForestOptions

    return detect(_forest(), image, ForestOptions())


@lru_cache(maxsize=1)
def _forest() -> "Forest":
    from pipeline.columns.regions.contours.detectors import SHIPPED
    from pipeline.columns.regions.contours.forest import load_forest

    return load_forest(SHIPPED)


def _bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[..., ::-1])
