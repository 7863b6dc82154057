"""Fully convolutional AlexNet: Krizhevsky et al., NeurIPS 2012, with batch normalisation, at stride 32."""

from torch import Tensor, nn

from trainers.models.encoders.encoder import Encoder


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
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.dropout = nn.Dropout(0.5)

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        quartered = self.conv1(image)
        eighth = self.conv2(self.pool(quartered))
        last = self.conv5(self.conv4(self.conv3(self.pool(eighth))))
        return {self.stride: self.dropout(self.fc7(self.dropout(self.fc6(self.pool(last)))))}


def _block(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
