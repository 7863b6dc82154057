"""LiteFlowNet as published, where ptlflow 0.4.2 departs from it. Imports torch.

Hui et al., "LiteFlowNet: A Lightweight Convolutional Neural Network for Optical Flow Estimation", CVPR 2018.
"""

from ptlflow.models.liteflownet.liteflownet import LiteFlowNet
from ptlflow.models.liteflownet.liteflownet2 import LiteFlowNet2
from ptlflow.models.liteflownet.warp import WarpingLayer
from torch import Tensor, nn

from pipeline.columns.flow.networks.layers import warp


class Warp(nn.Module):
    """Images as the flow finds them, 0 where it leads out of the frame.

    ptlflow's zeroes a pixel unless its four bilinear weights sum to 1 and not to a rounding less: about one in seventy
    inside the frame, and others when the same pair stands in a larger batch. That moves the flow by up to 0.1 px.
    """

    def forward(self, images: Tensor, flow: Tensor, height: int, width: int, divisor: float) -> Tensor:
        """Warps `images (B, C, H, W)`: of each pixel what is `flow (B, 2, H, W) / divisor` pixels away; outside, 0."""
        return warp(images, flow / divisor)


class PairWarp(Warp):
    """Warps into the second frames of pairs, `(B, 2, C, H, W)`.

    ptlflow's regularization compares the first image with `warp(second)[:, 1]`, the second *of a pair*, where the warp
    gives images: that takes their green channel alone, and another sample's where there are several. Of pairs, the
    expression is the image that was meant (section 3.3: the brightness error is of all channels).
    """

    def forward(self, images: Tensor, flow: Tensor, height: int, width: int, divisor: float) -> Tensor:
        """Warps as `Warp` does, and returns each image in both places of its pair."""
        warped = super().forward(images, flow, height, width, divisor)
        return warped[:, None].expand(-1, 2, -1, -1, -1)


def correct(network: nn.Module) -> None:
    """Replaces the warps of a ptlflow LiteFlowNet (any of its generations) in place; other networks stay as they are.

    The weights are untouched, for a warp has none.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, WarpingLayer):
                setattr(module, name, Warp())
    if isinstance(network, LiteFlowNet | LiteFlowNet2):
        for regularization in network.regularization_nets:
            regularization.warp = PairWarp()
