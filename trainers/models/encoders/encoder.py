"""The base of all image encoders."""

import torch
from torch import Tensor, nn

# Of ImageNet's images in [0, 1], RGB: what all published weights expect.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """An image encoder: from an image to features at one stride or several.

    A call takes images `(B, 3, H, W)` in [0, 1], RGB, and gives features by stride, the deepest last: at stride s,
    `(B, channels[s], ceil(H / s), ceil(W / s))`. The state dict holds weights only: normalising the image is part of
    the encoder, not of its weights.

    Attributes:
        name: of the architecture, as `create_encoder` knows it.
        channels: of the features, by stride.
        stride: of the deepest features.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, channels: dict[int, int]) -> None:
        super().__init__()
        self.name = name
        self.channels = channels
        self.stride = max(channels)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        return self.features_of((image - self.mean) / self.deviation)

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        """Returns features by stride, the deepest last, of a normalised image."""
        raise NotImplementedError
