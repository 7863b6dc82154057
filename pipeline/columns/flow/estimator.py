"""What a flow estimator is. Each kind is a module of its own; `estimator_families` knows which there are."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Estimator = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From frames `(B, N, 3, H, W)`, RGB in [0, 1], to flow `(B, 2, H, W)` in pixels, both float32.

N is 2, this frame and the next, or 3, the one before, this and the next. The flow is from this to the next. NumPy on
both sides, so that an estimator without a network needs no torch. Raises `SampleError` for frames that it cannot take.
"""
