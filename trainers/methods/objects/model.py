"""The networks: from images to an embedding vector every other pixel."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers.methods.objects.options import STRIDE, ModelOptions

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LENGTH = 20.0
"""Of normalised vectors, as in the later release: matches are as sure as a softmax of up to 400 makes them."""


class ObjectsNet(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1], RGB, to vectors `(B, L, ceil(H / 2), ceil(W / 2))`, of any length.

    With `normalise` their length is 20. Weights are drawn from PyTorch's global generator, which the caller seeds.

    Attributes:
        stride: image pixels between two vectors.
        offset: the image pixel that is the centre of what the first vector sees, 0 the centre of the first pixel: the
            2x2 pool of the plain networks puts it between two pixels.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.stride, self.normalise = STRIDE, options.normalise
        self.offset = 0.0 if options.network == "hourglass" else 0.5
        self.layers = _NETWORKS[options.network](options.dimensions)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        features = self.layers[:-1]((images - self.mean) / self.deviation)
        with torch.autocast(images.device.type, enabled=False):  # a rounded vector has a place that is off
            vectors: Tensor = self.layers[-1](features.float())
        return LENGTH * F.normalize(vectors, dim=1) if self.normalise else vectors

    def embed(self, images: Tensor) -> Tensor:
        """Returns the vectors at length 1, by which evaluations compare them."""
        return F.normalize(self(images), dim=1)


# Filters of (side, channels, dilation), the first followed by a pool; the last layer is of 1x1 filters.
_SIMPLE = ((5, 20, 1), (5, 48, 1), (3, 64, 1), (3, 80, 1), (3, 256, 1))
_DILATIONS = ((5, 20, 1), (5, 48, 1), (5, 64, 2), (3, 80, 4), (3, 256, 2))


def _plain(filters: tuple[tuple[int, int, int], ...], activation: nn.Module, dimensions: int) -> nn.Sequential:
    """A chain of convolutions with batch normalisation, which chapter 7 says of the networks of chapter 5."""
    layers: list[nn.Module] = []
    before = 3
    for number, (side, channels, dilation) in enumerate(filters):
        layers.append(nn.Conv2d(before, channels, side, padding=side // 2 * dilation, dilation=dilation))
        layers += [nn.BatchNorm2d(channels), activation]
        if number == 0:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        before = channels
    return nn.Sequential(*layers, nn.Conv2d(before, dimensions, 1))


class _Residual(nn.Module):
    """A bottleneck with activations before convolutions: from `channels` to `2 * inner`."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, side in ((channels, inner, 1), (inner, inner, 3), (inner, 2 * inner, 1)):
            layers += [_norm(before), nn.ReLU(), nn.Conv2d(before, after, side, padding=side // 2)]
        self.layers = nn.Sequential(*layers)
        self.skip = nn.Identity() if channels == 2 * inner else nn.Conv2d(channels, 2 * inner, 1)

    def forward(self, features: Tensor) -> Tensor:
        made: Tensor = self.layers(features) + self.skip(features)
        return made


class _Hourglass(nn.Module):
    """Down by `depth` pools and up again, with a branch at each size.

    Source: Newell et al., "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016, section 3.1.
    """

    def __init__(self, depth: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.side = _residuals(channels, blocks)
        self.down = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), _residuals(channels, blocks))
        self.within = _Hourglass(depth - 1, channels, blocks) if depth > 1 else _residuals(channels, blocks)
        self.up = _residuals(channels, blocks)

    def forward(self, features: Tensor) -> Tensor:
        side = self.side(features)
        low = self.up(self.within(self.down(features)))
        height, width = side.shape[-2:]
        wide: Tensor = F.interpolate(low, scale_factor=2.0, mode="nearest")[..., :height, :width]
        return side + wide


def _residuals(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(channels, channels // 2) for _ in range(count)))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, momentum=0.3)


def _hourglass(dimensions: int) -> nn.Sequential:
    """One hourglass of depth 4, four residual blocks at each place, at half the image's size."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, stride=2, padding=3),
        _norm(64),
        nn.ReLU(),
        _Residual(64, 64),
        _Residual(128, 128),
        _Residual(256, 128),
        _Hourglass(4, 256, 4),
        _residuals(256, 4),
        nn.Conv2d(256, 256, 1),
        _norm(256),
        nn.ReLU(),
        nn.Conv2d(256, dimensions, 1),
    )


_NETWORKS = {
    "simple": lambda dimensions: _plain(_SIMPLE, nn.ReLU(), dimensions),
    "dilations": lambda dimensions: _plain(_DILATIONS, nn.ReLU(), dimensions),
    "small": lambda dimensions: _plain(_DILATIONS, nn.LeakyReLU(0.2), dimensions),
    "hourglass": _hourglass,
}
