"""The network: features of a ResNet's groups, side by side at a quarter of the image, to 32 channels (section 4.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers.methods.grouping.options import STRIDE, ModelOptions
from trainers.models.encoders import StridedResNet

WIDTH = 256
"""Of each group's features."""
DIMENSIONS = 32
"""Of the embedding."""


class GroupingNet(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1], RGB, to vectors of length 1, `(B, 32, ceil(H / 4), ceil(W / 4))`.

    Weights are drawn from PyTorch's global generator, which the caller seeds.
    """

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.strides = options.strides
        self.encoder = StridedResNet(options.encoder, max(options.strides))
        self.blocks = nn.ModuleList(_block(self.encoder.channels[stride]) for stride in options.strides)
        self.project = nn.Conv2d(WIDTH * len(options.strides), DIMENSIONS, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.encoder(images)
        size = features[STRIDE].shape[-2:]
        joined = [
            F.interpolate(block(features[stride]), size, mode="bilinear", align_corners=False)
            for stride, block in zip(self.strides, self.blocks, strict=True)
        ]
        return F.normalize(self.project(torch.cat(joined, dim=1)).float(), dim=1)

    def embed(self, images: Tensor) -> Tensor:
        """Returns the embedding: what a call returns, under the name by which evaluations know it."""
        embedding: Tensor = self(images)
        return embedding


def _block(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)
    )
