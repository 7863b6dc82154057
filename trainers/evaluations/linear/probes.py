"""Linear classifiers on the activations of a frozen encoder, one for each layer."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers.models.encoders import Encoder


class Probes(nn.Module):
    """From images `(B, 3, S, S)` in [0, 1] to scores of classes by layer, `(B, classes)` each.

    The activations of a layer are resized bilinearly to the largest square that has no more than `elements` numbers in
    all channels, or stay as they are where they have fewer: 10x10 of AlexNet's 96 channels, 6x6 of 256, 5x5 of 384.
    The encoder keeps its weights and the statistics of its normalisations, whatever the mode. Classifiers start at 0.

    Source: Zhang et al., "Split-Brain Autoencoders", CVPR 2017, section 4.1.

    Args:
        side: of the images, S.
        normalised: whether the resized activations are normalised by batch, channel by channel, without parameters.

    Raises:
        ValueError: the encoder has no such layer.
    """

    def __init__(
        self, encoder: Encoder, layers: Sequence[str], classes: int, side: int, elements: int, normalised: bool
    ) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        self.layers = tuple(layers)
        with torch.no_grad():
            seen = encoder.activations(torch.zeros(1, 3, side, side), self.layers)
        self.sizes = {name: resized_to(one.shape, elements) for name, one in seen.items()}
        self.norms = nn.ModuleDict()
        self.scores = nn.ModuleDict()
        for name, one in seen.items():
            channels = one.shape[1]
            self.norms[name] = nn.BatchNorm2d(channels, affine=False) if normalised else nn.Identity()
            self.scores[name] = nn.Linear(channels * math.prod(self.sizes[name]), classes)
        for parameter in self.scores.parameters():
            nn.init.zeros_(parameter)

    def train(self, mode: bool = True) -> "Probes":
        """Sets the mode of the classifiers alone."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            seen = self.encoder.activations(image, self.layers)
        return {name: self.scores[name](self.norms[name](self.resized(name, seen[name])).flatten(1)) for name in seen}

    @property
    def elements(self) -> dict[str, int]:
        """How many numbers the classifier of each layer has of an image."""
        return {name: one.in_features for name, one in self.scores.items() if isinstance(one, nn.Linear)}

    def probabilities(self, image: Tensor) -> Tensor:
        """Returns the probabilities of classes of images by layer, `(B, layers, classes)`."""
        return torch.stack([scores.double().softmax(dim=1) for scores in self(image).values()], dim=1)

    def resized(self, name: str, activations: Tensor) -> Tensor:
        """Returns the activations of a layer as its classifier has them, `(B, C, h, w)`."""
        if activations.shape[2:] == self.sizes[name]:
            return activations
        return F.interpolate(activations, self.sizes[name], mode="bilinear", align_corners=False)


def resized_to(shape: Sequence[int], elements: int) -> tuple[int, int]:
    """Returns the height and width to which activations `(1, C, h, w)` are resized: 1 at least."""
    side = max(1, math.isqrt(elements // shape[1]))
    return min(side, shape[2]), min(side, shape[3])
