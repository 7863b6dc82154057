"""How alike pixels are by their motion, and by their embedding (equations 2 and 7).

Mahendran, Thewlis and Vedaldi, ACCV 2018, sections 3.1 and 4.2.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

COSINE = 0.25
"""By what the cosine kernel is scaled (equation 2)."""


def normalised_flow(flow: Tensor, limit: float) -> Tensor:
    """Returns flow in pixels as numbers in [-1, 1] that grow with its logarithm; from `limit` on, 1 (equation 7)."""
    return flow.sign() * (flow.abs().log1p() / math.log1p(limit)).clamp(max=1)


def flow_kernel(flow: Tensor, variance: Tensor | float) -> Tensor:
    """Returns the Gaussian kernel `(..., N, N)` of flow `(..., N, 2)`, 1 where it is equal (equation 2).

    Args:
        variance: sigma squared.
    """
    squares = (flow[..., :, None, :] - flow[..., None, :, :]).square().sum(dim=-1)
    return torch.exp(-squares / (2 * variance))


def embedding_kernel(embedding: Tensor) -> Tensor:
    """Returns the scaled cosine kernel `(..., N, N)` of vectors `(..., N, D)` (equation 2); 0 with one of length 0."""
    unit = F.normalize(embedding, dim=-1)
    return COSINE * (unit @ unit.transpose(-1, -2))
