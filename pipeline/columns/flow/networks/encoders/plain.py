"""torchvision's AlexNet and VGG-16, without normalisations, fully convolutional at stride 32.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014; Simonyan and Zisserman, "Very Deep
Convolutional Networks", ICLR 2015.
"""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.columns.flow.networks.encoders.encoder import Encoder, Layer

_STRIDE = 32
_SIDE = 64  # pixels: AlexNet's pools leave nothing of a smaller image
_WIDTH = 4096  # of fc6 and fc7

_ALEXNET = {
    "conv1": Layer("features.1", 64, 4, 3),
    "pool1": Layer("features.2", 64, 8, 7),
    "conv2": Layer("features.4", 192, 8, 7),
    "pool2": Layer("features.5", 192, 16, 15),
    "conv3": Layer("features.7", 384, 16, 15),
    "conv4": Layer("features.9", 256, 16, 15),
    "conv5": Layer("features.11", 256, 16, 15),
    "pool5": Layer("features.12", 256, 32, 31),
    "fc6": Layer("classifier.2", _WIDTH, 32, 15),
    "fc7": Layer("classifier.5", _WIDTH, 32, 15),
}
_VGG16 = {
    "conv1": Layer("features.3", 64, 1),
    "pool1": Layer("features.4", 64, 2, 0.5),
    "conv2": Layer("features.8", 128, 2, 0.5),
    "pool2": Layer("features.9", 128, 4, 1.5),
    "conv3": Layer("features.15", 256, 4, 1.5),
    "pool3": Layer("features.16", 256, 8, 3.5),
    "conv4": Layer("features.22", 512, 8, 3.5),
    "pool4": Layer("features.23", 512, 16, 7.5),
    "conv5": Layer("features.29", 512, 16, 7.5),
    "pool5": Layer("features.30", 512, 32, 15.5),
    "fc6": Layer("classifier.1", _WIDTH, 32, 15.5),
    "fc7": Layer("classifier.4", _WIDTH, 32, 15.5),
}


class _Plain(Encoder):
    """A network of torchvision's without its last layer, its weights under torchvision's names and in their shapes.

    What torchvision flattens is convolved: fc6 with the kernel that its weights are, padded by half of that. Of 224x224
    pixels all layers up to pool5, and the features in the middle, (3, 3), are what torchvision's network computes.
    Where sides are no multiples of 32, zeros follow right and below, as they stand around the image.
    """

    features: nn.Sequential
    classifier: nn.Sequential

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        height, width = (-(-side // _STRIDE) for side in image.shape[-2:])
        below, right = max(height * _STRIDE, _SIDE) - image.shape[-2], max(width * _STRIDE, _SIDE) - image.shape[-1]
        found = self.classifier(self.features(F.pad(image, (0, right, 0, below))))
        return {_STRIDE: found[..., :height, :width]}


class PlainAlexNet(_Plain):
    """torchvision's AlexNet, fully convolutional. Features: those of fc7 at stride 32."""

    def __init__(self, name: str = "alexnet_torchvision") -> None:
        super().__init__(name, {_STRIDE: _WIDTH})
        self.layers = _ALEXNET
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        )
        self.classifier = nn.Sequential(
            *(nn.Dropout(0.5), Convolved(256, 6, _WIDTH), nn.ReLU(inplace=True)),
            *(nn.Dropout(0.5), Convolved(_WIDTH, 1, _WIDTH), nn.ReLU(inplace=True)),
        )


class PlainVGG(_Plain):
    """torchvision's VGG-16, fully convolutional. Features: those of fc7 at stride 32."""

    def __init__(self, name: str = "vgg16_torchvision") -> None:
        super().__init__(name, {_STRIDE: _WIDTH})
        self.layers = _VGG16
        self.features = nn.Sequential(*_groups((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3))
        self.classifier = nn.Sequential(
            *(Convolved(512, 7, _WIDTH), nn.ReLU(inplace=True), nn.Dropout(0.5)),
            *(Convolved(_WIDTH, 1, _WIDTH), nn.ReLU(inplace=True)),
        )


class Convolved(nn.Linear):
    """A fully connected layer that slides over an image: from `(B, C, h, w)`, padded by half a side, to outputs.

    Args:
        inputs: C; the layer is connected to all of a square of them, flattened.
        side: of the square.
    """

    def __init__(self, inputs: int, side: int, outputs: int) -> None:
        super().__init__(inputs * side**2, outputs)
        self.kernel = (outputs, inputs, side, side)

    def forward(self, features: Tensor) -> Tensor:
        return F.conv2d(features, self.weight.view(self.kernel), self.bias, padding=self.kernel[-1] // 2)


def _groups(*groups: tuple[int, ...]) -> Iterator[nn.Module]:
    inputs = 3
    for group in groups:
        for outputs in group:
            yield nn.Conv2d(inputs, outputs, 3, padding=1)
            yield nn.ReLU(inplace=True)
            inputs = outputs
        yield nn.MaxPool2d(2, 2)
