"""A flow network of this project's own, for a few cores: small, and trained here. Imports torch.

A pyramid with warping and cost volumes as in Sun et al., "PWC-Net", CVPR 2018; full resolution is
a convex combination of neighbours, as in Teed and Deng, "RAFT", ECCV 2020, section 3.3.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.columns.flow.networks.layers import (
    ExactConv2d,
    convolutions,
    cost_volume,
    exact,
    resize_flow,
    unit,
    warp,
)

WIDTHS = (32, 64, 96, 128)
"""Channels of the features at strides 4, 8, 16 and 32."""
RADIUS = 3
SHARPNESS = 4.0
"""Of costs: the factor on the cosine of the angle between features."""
_STRIDE = 4
"""Of the finest level."""
_DECODER = (96, 96, 64, 48)
SLOPE = 0.1
"""Of the leaky ReLUs."""
_STATE = 32
"""Channels that a level hands down to the next one, beside its flow."""


class SmallFlowNet(nn.Module):
    """Estimates flow from stride 64 to stride 4, each level what the one above left.

    Stride 64 has no weights of its own: its features are means of those at stride 32, whose decoder it shares. So
    motion twice as large is found, at hardly any cost.

    Attributes:
        stride: what height and width are multiples of.
    """

    stride = 32

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolutions(3, (16,), SLOPE, first_stride=2)
        inputs = (16, *WIDTHS[:-1])
        self.pyramid = nn.ModuleList(
            convolutions(before, (width, width), SLOPE, first_stride=2)
            for before, width in zip(inputs, WIDTHS, strict=True)
        )
        levels = range(len(WIDTHS))
        self.decoders = nn.ModuleList(_Decoder(WIDTHS[level], first=level == len(WIDTHS) - 1) for level in levels)
        self.weights = nn.Sequential(*convolutions(_STATE, (64,), SLOPE), nn.Conv2d(64, 9 * _STRIDE**2, 1))
        _initialise(self)

    def forward(self, frames: Tensor) -> Tensor:
        """Returns flow from this frame to the next, `(B, 2, H, W)`, pixels.

        Args:
            frames: `(B, 2, 3, H, W)`, RGB in [0, 1].
        """
        return self._levels(frames, apart=False)[-1]

    def levels(self, frames: Tensor) -> list[Tensor]:
        """Returns the flow of each level, coarse to fine, in pixels of that level, and then that of the whole.

        Each level has to be taught: it learns to mend what is there, and not to make the one above right for it. What
        `forward` returns teaches all levels at once.
        """
        return self._levels(frames, apart=True)

    def _levels(self, frames: Tensor, apart: bool) -> list[Tensor]:
        batch = len(frames)
        images = self.stem(frames.flatten(0, 1) - 0.5)
        pyramid = []
        for layers in self.pyramid:
            images = layers(images)
            pyramid.append(images.unflatten(0, (batch, 2)))
        flow = self._beyond(pyramid[-1])
        state: Tensor | None = None
        found = [flow]
        for features, decoder in zip(reversed(pyramid), reversed(self.decoders), strict=True):
            this, other = features[:, 0], features[:, 1]
            size = this.shape[-2], this.shape[-1]
            if state is not None:
                state = functional.interpolate(state, size, mode="bilinear", align_corners=False)
            so_far = resize_flow(flow.detach() if apart else flow, size)
            flow, state = decoder(this, other, so_far, state)
            found.append(flow)
        assert state is not None
        return [*found, _upsampled(flow, self.weights(state))]

    def _beyond(self, features: Tensor) -> Tensor:
        """The flow of stride 64 at the size of features `(B, 2, C, H, W)` of stride 32, which may be odd."""
        height, width = features.shape[-2:]
        odd = (0, width % 2, 0, height % 2)
        this, other = (functional.avg_pool2d(functional.pad(features[:, i], odd, mode="replicate"), 2) for i in (0, 1))
        flow, _ = self.decoders[-1](this, other, this.new_zeros(len(this), 2, *this.shape[2:]), None)
        return resize_flow(flow, (2 * this.shape[2], 2 * this.shape[3]))[..., :height, :width]


def _initialise(net: SmallFlowNet) -> None:
    """Draws weights that keep the size of what passes: by PyTorch's own it fades, and nothing is learnt for long."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.zeros_(layer.bias)
    for layer in net.modules():
        if isinstance(layer, _Decoder):
            layer.flow.weight.data.mul_(0.1)  # the first flow is about zero


class _Decoder(nn.Module):
    """One level: from features of both frames and the flow so far to the flow, and a state for the next level."""

    def __init__(self, channels: int, first: bool) -> None:
        super().__init__()
        volume = (2 * RADIUS + 1) ** 2
        self.narrow = convolutions(channels, (32,), SLOPE, kernel=1)
        self.layers = convolutions(volume + 32 + 2 + (0 if first else _STATE), (*_DECODER, _STATE), SLOPE)
        self.flow = ExactConv2d(_STATE, 2, 3, padding=1)

    def forward(self, this: Tensor, other: Tensor, flow: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        costs = SHARPNESS * cost_volume(unit(this), unit(warp(other, flow)), RADIUS)
        read = [costs, self.narrow(this), flow, *([] if state is None else [state])]
        state = self.layers(torch.cat(read, 1))
        return flow + self.flow(state), state


def _upsampled(flow: Tensor, logits: Tensor) -> Tensor:
    """Flow `(B, 2, H, W)` four times as large: each pixel's is a convex combination of the 3x3 around it."""
    batch, _, height, width = flow.shape
    weights = exact(logits).view(batch, 1, 9, _STRIDE, _STRIDE, height, width).softmax(2)
    padded = functional.pad(flow * _STRIDE, (1, 1, 1, 1), mode="replicate")
    around = functional.unfold(padded, 3).view(batch, 2, 9, 1, 1, height, width)
    fine = (weights * around).sum(2).permute(0, 1, 4, 2, 5, 3)
    return fine.reshape(batch, 2, _STRIDE * height, _STRIDE * width)


def create(options: Mapping[str, Any]) -> SmallFlowNet:
    """Returns the network with random weights; it has no options."""
    return SmallFlowNet(**options)
