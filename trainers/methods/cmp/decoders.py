"""Dense motion decoders: from image and motion features to a prediction (section 3.1)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    """Builds a convolution, batch normalisation and ReLU.

    The convolution has a bias, as published, though the normalisation undoes it.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class PlainDecoder(nn.Module):
    """Propagation nets of two convolutions each, and a single convolution that fuses them (Figure 2).

    Args:
        inputs: channels of image and motion features together.
        outputs: channels of the prediction.
        strides: of the propagation nets, relative to the features.
        width: channels of a propagation net.
    """

    def __init__(self, inputs: int, outputs: int, strides: Sequence[int], width: int) -> None:
        super().__init__()
        self.propagation = Propagation(inputs, strides, width, convolutions=2)
        self.fusion = nn.Conv2d(width * len(strides), outputs, 1)

    def forward(self, joined: Tensor, features: Mapping[int, Tensor]) -> Tensor:
        """Predicts at the stride of the `joined` features; the encoder's `features` are not looked at again."""
        return self.fusion(self.propagation(joined))


class SkipDecoder(nn.Module):
    """Propagation nets at four strides, of three convolutions each, refined by the encoder's features down to stride 2.

    What the published applications use (guided generation, annotation); the paper does not describe it.

    Args:
        inputs: channels of image and motion features together.
        outputs: channels of the prediction.
        channels: of the encoder's features, by stride: 2 and 4 are used.
        width: channels of a propagation net.
    """

    def __init__(self, inputs: int, outputs: int, channels: Mapping[int, int], width: int) -> None:
        super().__init__()
        strides = (1, 2, 4, 8)
        self.propagation = Propagation(inputs, strides, width, convolutions=3)
        self.fusion8 = block(width * len(strides), 256)
        self.skip4 = block(channels[4], 128)
        self.fusion4 = block(256 + 128, 128)
        self.skip2 = block(channels[2], 32)
        self.fusion2 = block(128 + 32, 64)
        self.predict = nn.Conv2d(64, outputs, 1)

    def forward(self, joined: Tensor, features: Mapping[int, Tensor]) -> Tensor:
        """Predicts at stride 2."""
        fused = self.fusion8(self.propagation(joined))
        fused = self.fusion4(_beside(fused, self.skip4(features[4])))
        fused = self.fusion2(_beside(fused, self.skip2(features[2])))
        return self.predict(fused)


class Propagation(nn.Module):
    """Nets that look ever further, the larger the stride of the pooling before them; their outputs side by side."""

    def __init__(self, inputs: int, strides: Sequence[int], width: int, convolutions: int) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            nn.Sequential(
                # Features that the stride does not divide, or that are smaller than it, are not cut off.
                nn.MaxPool2d(stride, ceil_mode=True),
                *(block(inputs if first else width, width) for first in [True] + [False] * (convolutions - 1)),
            )
            for stride in strides
        )

    def forward(self, joined: Tensor) -> Tensor:
        size = joined.shape[-2:]
        return torch.cat([_resize(net(joined), size) for net in self.nets], dim=1)


def _beside(coarse: Tensor, fine: Tensor) -> Tensor:
    return torch.cat([_resize(coarse, fine.shape[-2:]), fine], dim=1)


def _resize(features: Tensor, size: Sequence[int]) -> Tensor:
    return functional.interpolate(features, tuple(size), mode="bilinear", align_corners=True)
