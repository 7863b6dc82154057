"""Dilated VGG-16: Simonyan and Zisserman, "Very Deep Convolutional Networks", ICLR 2015, at stride 8."""

import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from pipeline.columns.flow.networks.encoders.encoder import Encoder, Layer

_GROUPS = (
    (64, (1, 0.0), (2, 0.5)),
    (128, (2, 0.5), (4, 1.5)),
    (256, (4, 1.5), (8, 3.5)),
    (512, (8, 3.5), (8, 7.5)),
    (512, (8, 7.5), (8, -0.5)),
)
"""Channels, and stride and offset of the last convolution and of the pool behind it."""


class VGG(Encoder):
    """torchvision's VGG-16 with batch normalisation, without its classifier and without the last two pools' strides.

    What follows a pool without a stride is dilated by 2, so that every second row and column of it is what the strided
    network has there (Chen et al., ICLR 2015, section 3.1). Features: of the second group at stride 2, of the third at
    4, and those after the last pool at 8.
    """

    def __init__(self, name: str = "vgg16") -> None:
        super().__init__(name, {2: 128, 4: 256, 8: 512})
        self.features = torchvision.models.vgg16_bn(weights=None).features
        pools = [index for index, layer in enumerate(self.features) if isinstance(layer, nn.MaxPool2d)]
        self.layers = {
            f"{kind}{group}": Layer(f"features.{index + after}", channels, stride, offset)
            for group, (index, (channels, *lattices)) in enumerate(zip(pools, _GROUPS, strict=True), start=1)
            for kind, after, (stride, offset) in zip(("conv", "pool"), (-1, 0), lattices, strict=True)
        }
        self._strides = {pools[1]: 2, pools[2]: 4}  # of what goes into a pool
        for index in pools[:3]:
            self.features[index] = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.features[pools[3]] = _dense_pool((0, 1), dilation=1)
        for layer in self.features[pools[3] : pools[4]]:
            if isinstance(layer, nn.Conv2d):
                layer.dilation = layer.padding = (2, 2)
        self.features[pools[4]] = _dense_pool((2, 0), dilation=2)

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        features = {}
        for index, layer in enumerate(self.features):
            if index in self._strides:
                features[self._strides[index]] = image
            image = layer(image)
        return {**features, self.stride: image}


def _dense_pool(padding: tuple[int, int], dilation: int) -> nn.Module:
    """Pools 2x2 without a stride, over zeros before and after each axis, which change nothing after a ReLU.

    One pool looks right and down and the other left and up, so that feature `i` sits at pixel `8 i` (less half a pixel)
    as in the other encoders.
    """
    return nn.Sequential(nn.ZeroPad2d(padding + padding), nn.MaxPool2d(2, stride=1, dilation=dilation))
