"""The network of SelFlow, over three frames, and its form over two, which is DDFlow's. Imports torch.

Liu et al., "SelFlow: Self-Supervised Learning of Optical Flow", CVPR 2019, section 2 and figure 2; Liu et al., "DDFlow:
Learning Optical Flow with Unlabeled Data Distillation", AAAI 2019.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.columns.flow.networks.layers import ExactConv2d, convolutions, cost_volume, resize_flow, unit, warp

WIDTHS = (16, 32, 64, 96, 128, 192)
"""Channels of the pyramid's levels, 1 to 6."""
RADIUS = 4
SLOPE = 0.2
"""Of the leaky ReLUs, as in the published code."""
_ESTIMATOR = (128, 128, 96, 64, 32)
_CONTEXT, _DILATIONS = (128, 128, 128, 96, 64, 32), (1, 2, 4, 8, 16, 1)


class SelFlow(nn.Module):
    """Estimates the flow of a frame to its neighbours from coarse to fine, each level anew and not what is left.

    Args:
        frames: 3: the frame before, this one and the next; flow to both of the others at once, each direction having
            the other's cost volume and, turned around, flow. 2: this one and the next.

    Attributes:
        stride: what height and width are multiples of.
    """

    stride = 64

    def __init__(self, frames: int = 3) -> None:
        super().__init__()
        if frames not in (2, 3):
            raise ValueError(f"frames is {frames!r}: 2 or 3")
        self.frames = frames
        ways = frames - 1
        volumes = ways * (2 * RADIUS + 1) ** 2
        inputs = (3, *WIDTHS[:-1])
        self.pyramid = nn.ModuleList(
            convolutions(before, (width, width), SLOPE, first_stride=2)
            for before, width in zip(inputs, WIDTHS, strict=True)
        )
        self.estimators = nn.ModuleList(
            convolutions(volumes + width + 2 * ways, _ESTIMATOR, SLOPE) for width in WIDTHS[1:]
        )
        self.flows = nn.ModuleList(ExactConv2d(_ESTIMATOR[-1], 2, 3, padding=1) for _ in WIDTHS[1:])
        self.context = nn.Sequential(
            convolutions(ways * (_ESTIMATOR[-1] + 2), _CONTEXT, SLOPE, dilations=_DILATIONS),
            ExactConv2d(_CONTEXT[-1], 2, 3, padding=1),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Returns flow from this frame to the next, `(B, 2, H, W)`, pixels.

        Args:
            frames: `(B, N, 3, H, W)`, RGB in [0, 1], in the order of their time.
        """
        return self.directions(frames)[0]

    def directions(self, frames: Tensor) -> list[Tensor]:
        """Returns flow from this frame to the next and, of three frames, to the one before, each `(B, 2, H, W)`."""
        return self._levels(frames)[-1]

    def levels(self, frames: Tensor) -> list[Tensor]:
        """Returns flow to the next frame at each level, coarse to fine, in pixels of that level; last the whole."""
        return [flows[0] for flows in self._levels(frames)]

    def _levels(self, frames: Tensor) -> list[list[Tensor]]:
        batch, count, _, height, width = frames.shape
        if count != self.frames:
            raise ValueError(f"{count} frames for a network that reads {self.frames}")
        levels = self._features(frames.flatten(0, 1), batch)
        made: list[list[Tensor]] = []
        flows: list[Tensor] = []
        features: list[Tensor] = []
        for level in range(len(WIDTHS) - 1, 0, -1):
            this, others = levels[level]
            size = this.shape[-2], this.shape[-1]
            flows = [resize_flow(flow, size) for flow in flows] or [frames.new_zeros(batch, 2, *size) for _ in others]
            volumes = [_costs(this, warp(other, flow)) for other, flow in zip(others, flows, strict=True)]
            # Both directions are one batch: the weights are the same, and the order of what they read is turned.
            read = torch.cat(
                [torch.cat([*_turned(volumes, i), this, *_opposed(flows, i)], 1) for i in range(len(flows))]
            )
            found = self.estimators[level - 1](read)
            features, flows = list(found.chunk(len(flows))), list(self.flows[level - 1](found).chunk(len(flows)))
            made.append(flows)
        read = torch.cat([torch.cat([*_turned(features, i), *_opposed(flows, i)], 1) for i in range(len(flows))])
        refined = self.context(read)
        if self.frames == 2:  # DDFlow's adds to the flow; SelFlow's gives it anew
            refined = refined + flows[0]
        whole = [resize_flow(flow, (height, width)) for flow in refined.chunk(len(flows))]
        return [*made, whole]

    def _features(self, images: Tensor, batch: int) -> list[tuple[Tensor, list[Tensor]]]:
        """Of each level the features of this frame, and of those that flow leads to: the next, the one before."""
        levels = []
        for layers in self.pyramid:
            images = layers(images)
            each = images.reshape(batch, self.frames, *images.shape[1:])
            levels.append((each[:, self.frames - 2], [each[:, -1], each[:, 0]][: self.frames - 1]))
        return levels


def _costs(this: Tensor, warped: Tensor) -> Tensor:
    """Of features of unit length: a cost is the cosine of an angle, whatever the light."""
    return cost_volume(unit(this), unit(warped), RADIUS)


def _turned(of_ways: list[Tensor], first: int) -> list[Tensor]:
    """What both directions have, a direction's own first."""
    return [*of_ways[first:], *of_ways[:first]]


def _opposed(flows: list[Tensor], first: int) -> list[Tensor]:
    """A direction's flow, and the other one's turned around: of steady motion they are the same."""
    own, *others = _turned(flows, first)
    return [own, *(-other for other in others)]


def create(options: Mapping[str, Any]) -> SelFlow:
    """Returns the network with random weights; `options` may have `frames`, 2 or 3."""
    return SelFlow(**options)
