"""A flow network of one weight, for tests of whatever runs networks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Scaled(nn.Module):
    """u is the weight times the red of the first frame less that of the last; v is the number of frames."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.stride = stride

    def forward(self, frames: Tensor) -> Tensor:
        assert not any(side % self.stride for side in frames.shape[-2:])
        u = self.scale * (frames[:, 0, 0] - frames[:, -1, 0])
        return torch.stack([u, torch.full_like(u, frames.shape[1])], dim=1)


def scaled(options: Mapping[str, Any]) -> nn.Module:
    return Scaled(**options)
