"""The network: six convolutions, one pool, and a map of scores for each landmark (section 4.1)."""

from torch import Tensor, nn

from trainers.methods.landmarks.loss import cell_places, expected_places, probabilities
from trainers.methods.landmarks.options import STRIDE, ModelOptions

FILTERS = ((5, 20), (5, 48), (3, 64), (3, 80), (3, 256))
"""Sides and numbers, before the last; the sides are those of the same network in the authors' NeurIPS 2017 paper."""


class LandmarkNet(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1], RGB, to scores of each landmark, `(B, K, ceil(H / 2), ceil(W / 2))`.

    Weights are drawn from PyTorch's global generator, which the caller seeds.

    Attributes:
        stride: image pixels between two cells.
        offset: where the first cell lies in the image, pixels: between two, as cells are pools of two.
    """

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.stride, self.offset = STRIDE, (STRIDE - 1) / 2
        layers: list[nn.Module] = []
        before = 3
        for number, (side, filters) in enumerate(FILTERS):
            layers += _rectified(before, filters, side)
            if number == 0:
                layers.append(nn.MaxPool2d(STRIDE, ceil_mode=True))
            before = filters
        last = _rectified(before, options.landmarks, 1)
        self.layers = nn.Sequential(*layers, *(last if options.rectified else last[:1]))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images)
        return scores.float()

    def points(self, images: Tensor) -> Tensor:
        """Returns where the landmarks are, `(B, K, 2)`: y and x in pixels, equation 4."""
        maps = probabilities(self(images))
        return expected_places(maps, cell_places(maps.shape[-2:], maps))


def _rectified(before: int, filters: int, side: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, filters, side, padding=side // 2)
    return [convolution, nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
