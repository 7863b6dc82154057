"""Dense inverse search, the embedded estimator.

Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError
from pipeline.columns.flow.estimator import Estimator
from pipeline.columns.flow.grey import grey

# On smaller images OpenCV 4.13 raises, returns not-a-number, or reads outside its arrays and crashes: four patches of
# 8 pixels is the least that every preset takes whatever the other side.
MIN_SIDE = 32


def dis(preset: str = "medium") -> Estimator:
    """Returns OpenCV's DIS with one of its presets; the pairs of a batch one after the other.

    Raises:
        SampleError: (the estimator) the images are smaller than `MIN_SIDE` on a side.
    """
    cv2.setNumThreads(1)  # a job is one core's work; the flow is the same with more

    @lru_cache(maxsize=4)
    def search_of(height: int, width: int) -> cv2.DISOpticalFlow:
        """One for each size: a small image changes the scales of its search for all that follow."""
        return cv2.DISOpticalFlow.create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset.upper()}"))

    def estimate(frames: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = frames.shape[3:]
        if min(height, width) < MIN_SIDE:
            raise SampleError(f"{width}x{height} is too small for DIS: each side needs {MIN_SIDE} pixels")
        search = search_of(height, width)
        flows = [search.calc(grey(this), grey(following), None) for this, following in frames]
        return np.stack(flows).transpose(0, 3, 1, 2)

    return estimate


def dis_provenance() -> dict[str, Any]:
    """Returns the version of OpenCV, for its flow changes between versions."""
    return {"opencv": cv2.__version__}
