"""LiteFlowNet, which can be trained here, and reads the weights that ptlflow publishes. Imports torch.

Hui et al., "LiteFlowNet: A Lightweight Convolutional Neural Network for Optical Flow Estimation", CVPR 2018. Its
parts are called as in ptlflow's checkpoints.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.columns.flow.networks.layers import ExactConv2d, convolutions, cost_volume, warp

SCALE = 20.0
"""Pixels of the full frame that a flow of 1 is, at every level."""
SLOPE = 0.1
MEANS = (0.411618, 0.434631, 0.454253)
"""Of red, green and blue, over FlyingChairs."""
WIDTHS = (192, 128, 96, 64, 32)
"""Channels of the features at levels 6 to 2, where flow is estimated."""
_RADIUS = 3
_VOLUME = (2 * _RADIUS + 1) ** 2
_KERNELS = (3, 3, 5, 5, 7)
"""Of each level's last convolution, and of its local filters."""
_STRIDED = 3
"""The level (of `WIDTHS`) from which on every second pixel has a cost, for every second shift."""


class LiteFlowNet(nn.Module):
    """Estimates flow from coarse to fine: at each level matching, sub-pixel refinement and regularisation.

    Attributes:
        stride: what height and width are multiples of.
    """

    stride = 32

    def __init__(self) -> None:
        super().__init__()
        self.feature_net = _Features()
        levels = range(len(WIDTHS))
        self.matching_nets = nn.ModuleList(_Matching(level) for level in levels)
        self.subpixel_nets = nn.ModuleList(_SubPixel(level) for level in levels)
        self.regularization_nets = nn.ModuleList(_Regularization(level) for level in levels)
        self.feat2_conv = _one_by_one(WIDTHS[-1], 64)

    def forward(self, frames: Tensor) -> Tensor:
        """Returns flow from this frame to the next, `(B, 2, H, W)`, pixels.

        Args:
            frames: `(B, 2, 3, H, W)`, RGB in [0, 1].
        """
        return self.levels(frames)[-1]

    def levels(self, frames: Tensor) -> list[Tensor]:
        """Returns the flows of each level's three parts, coarse to fine, in pixels of that level; last the whole."""
        images = frames - frames.new_tensor(MEANS)[:, None, None]
        first, second = (self.feature_net(images[:, i]) for i in (0, 1))
        flow: Tensor | None = None
        found: list[Tensor] = []
        for level, (this, other) in enumerate(zip(first, second, strict=True)):
            factor = SCALE / 2 ** (len(WIDTHS) - level)  # to pixels of this level
            size = this.shape[-2], this.shape[-1]
            small = [functional.interpolate(images[:, i], size, mode="bilinear", align_corners=False) for i in (0, 1)]
            # The finest level matches wider features than its other parts read (section 3.1).
            finest = level == len(WIDTHS) - 1
            matched = [self.feat2_conv(features) if finest else features for features in (this, other)]
            coarse = self.matching_nets[level](*matched, flow, factor)
            fine = self.subpixel_nets[level](*matched, coarse, factor)
            flow = self.regularization_nets[level](*small, this, fine, factor)
            found += [factor * each for each in (coarse, fine, flow)]
        assert flow is not None
        return [*found, functional.interpolate(flow * SCALE, scale_factor=2, mode="bilinear", align_corners=False)]


class _Features(nn.Module):
    """The pyramid (NetC)."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                convolutions(3, (32,), SLOPE, kernel=7),
                convolutions(32, (32, 32, 32), SLOPE, first_stride=2),
                convolutions(32, (64, 64), SLOPE, first_stride=2),
                convolutions(64, (96, 96), SLOPE, first_stride=2),
                convolutions(96, (128,), SLOPE, first_stride=2),
                convolutions(128, (192,), SLOPE, first_stride=2),
            ]
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns the features of levels 6 to 2."""
        found = []
        for layers in self.convs:
            images = layers(images)
            found.append(images)
        return found[:0:-1]


class _Matching(nn.Module):
    """Finds, by a cost volume, what is left of the flow of the level above (section 3.2, M)."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.up_flow = nn.ConvTranspose2d(2, 2, 4, 2, 1, groups=2, bias=False) if level else None
        strided = level >= _STRIDED
        self.up_corr = nn.ConvTranspose2d(_VOLUME, _VOLUME, 4, 2, 1, groups=_VOLUME, bias=False) if strided else None
        self.flow_net = _estimator(_VOLUME, _KERNELS[level])

    def forward(self, first: Tensor, second: Tensor, flow: Tensor | None, factor: float) -> Tensor:
        if flow is not None and self.up_flow is not None:
            with torch.autocast(flow.device.type, enabled=False):
                flow = self.up_flow(flow)
            second = warp(second, flow * factor)
        if self.up_corr is not None:
            costs = self.up_corr(_costs(first[:, :, ::2, ::2], second[:, :, ::2, ::2]))
        else:
            costs = _costs(first, second)
        found: Tensor = self.flow_net(costs)
        return found if flow is None else flow + found


class _SubPixel(nn.Module):
    """Refines flow where matching left features apart (section 3.2, S)."""

    def __init__(self, level: int) -> None:
        super().__init__()
        channels = 64 if level == len(WIDTHS) - 1 else WIDTHS[level]
        self.flow_net = _estimator(2 * channels + 2, _KERNELS[level])

    def forward(self, first: Tensor, second: Tensor, flow: Tensor, factor: float) -> Tensor:
        found: Tensor = self.flow_net(torch.cat([first, warp(second, flow * factor), flow], 1))
        return flow + found


class _Regularization(nn.Module):
    """Filters flow by weights of each pixel's own, sharp at edges (section 3.3, f-lconv)."""

    def __init__(self, level: int) -> None:
        super().__init__()
        kernel, channels = _KERNELS[level], WIDTHS[level]
        wide = channels >= 128
        self.feat_conv = None if wide else _one_by_one(channels, 128)
        self.feat_net = convolutions((channels if wide else 128) + 3, (128, 128, 64, 64, 32, 32), SLOPE)
        taps, half = kernel * kernel, kernel // 2
        self.dist = (
            nn.Conv2d(32, taps, 3, padding=1)
            if level < 2
            else nn.Sequential(
                nn.Conv2d(32, taps, (kernel, 1), padding=(half, 0)),
                nn.Conv2d(taps, taps, (1, kernel), padding=(0, half)),
            )
        )
        self.kernel = kernel

    def forward(self, first: Tensor, second: Tensor, features: Tensor, flow: Tensor, factor: float) -> Tensor:
        # The brightness error is of all channels, and no gradient reaches the flow by it.
        difference = torch.linalg.vector_norm(first - warp(second, flow.detach() * factor), dim=1, keepdim=True)
        if self.feat_conv is not None:
            features = self.feat_conv(features)
        centred = flow - flow.mean((-2, -1), keepdim=True)
        distances = self.dist(self.feat_net(torch.cat([difference, centred, features], 1)))
        weights = (-distances.square()).softmax(1)
        batch, _, height, width = flow.shape
        around = functional.unfold(flow, self.kernel, padding=self.kernel // 2)
        return (around.view(batch, 2, -1, height, width) * weights[:, None]).sum(2)


def _costs(first: Tensor, second: Tensor) -> Tensor:
    """The mean over channels, with little left of what is below 0."""
    return functional.leaky_relu(cost_volume(first, second, _RADIUS) / first.shape[1], SLOPE)


def _estimator(inputs: int, kernel: int) -> nn.Sequential:
    """The four convolutions to flow of matching and of refinement."""
    return nn.Sequential(*convolutions(inputs, (128, 64, 32), SLOPE), ExactConv2d(32, 2, kernel, padding=kernel // 2))


def _one_by_one(inputs: int, channels: int) -> nn.Sequential:
    return convolutions(inputs, (channels,), SLOPE, kernel=1)


def create(options: Mapping[str, Any]) -> LiteFlowNet:
    """Returns the network with random weights; it has no options."""
    return LiteFlowNet(**options)
