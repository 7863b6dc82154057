"""Fully convolutional AlexNet: Krizhevsky et al., NeurIPS 2012, with batch normalisation, at stride 32."""

from torch import Tensor, nn

from pipeline.columns.flow.networks.encoders.encoder import Encoder, Layer

_LAYERS = (
    *(("conv1", 96, 4), ("pool1", 96, 8), ("conv2", 256, 8), ("pool2", 256, 16), ("conv3", 384, 16)),
    *(("conv4", 384, 16), ("conv5", 256, 16), ("pool5", 256, 32), ("fc6", 4096, 32), ("fc7", 4096, 32)),
)


class AlexNet(Encoder):
    """Five convolutions, and fc6 and fc7 as two more; one group each, normalised, and padded to halve exactly.

    fc6 sees 3x3 of what conv5 gives, and not 6x6: so the published network has 31.04 M parameters. Features: those of
    fc7 at stride 32.
    """

    def __init__(self, name: str = "alexnet") -> None:
        super().__init__(name, {32: 4096})
        self.conv1 = _block(3, 96, 11, stride=4)
        self.conv2 = _block(96, 256, 5)
        self.conv3 = _block(256, 384, 3)
        self.conv4 = _block(384, 384, 3)
        self.conv5 = _block(384, 256, 3)
        self.fc6 = _block(256, 4096, 3)
        self.fc7 = _block(4096, 4096, 1)
        self.pool1, self.pool2, self.pool5 = (nn.MaxPool2d(3, stride=2, padding=1) for _ in range(3))
        self.dropout = nn.Dropout(0.5)
        self.layers = {name: Layer(name, channels, stride) for name, channels, stride in _LAYERS}

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        quartered = self.conv1(image)
        eighth = self.conv2(self.pool1(quartered))
        last = self.conv5(self.conv4(self.conv3(self.pool2(eighth))))
        return {self.stride: self.dropout(self.fc7(self.dropout(self.fc6(self.pool5(last)))))}


def _block(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
