"""Refining estimated flow to parts of a pixel by the brightness of the frames themselves.

Brox et al., "High Accuracy Optical Flow Estimation Based on a Theory for Warping", ECCV 2004, on one scale, as EpicFlow
ends with it (Revaud et al., CVPR 2015, section 4) and DIS (Kroeger et al., ECCV 2016, section 2.3). OpenCV's.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.columns.flow.estimator import Estimator
from pipeline.columns.flow.grey import grey

_OVER = np.float32(2)
"""Of all steps but the last. OpenCV takes gradients for twice what they are, so that brightness leads half-way: after
any number of iterations to 0.26 px of 0.5. A doubled step turns over what is uneven; the last one, as it is, smoothes.
"""


def refined(estimate: Estimator, steps: int) -> Estimator:
    """Returns an estimator whose flow is another's, refined.

    Args:
        steps: how often the next frame is warped by the flow, and the flow mended by what is left.
    """

    def estimate_refined(frames: NDArray[np.float32]) -> NDArray[np.float32]:
        cv2.setNumThreads(1)  # a job is one core's work; the flow is the same with more
        refinement = cv2.VariationalRefinement.create()
        flows = []
        for pair, flow in zip(frames[:, -2:], estimate(frames), strict=True):
            this, following = (grey(frame) for frame in pair)
            found = np.array(flow.transpose(1, 2, 0), order="C")
            for step in range(steps):
                mended = refinement.calc(this, following, found.copy())  # it writes into what it is given
                found = mended if step == steps - 1 else found + _OVER * (mended - found)
            flows.append(found)
        return np.stack(flows).transpose(0, 3, 1, 2)

    return estimate_refined
