"""The network: image encoder, sparse motion encoder, dense motion decoder (section 3.1, appendix A)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainers.methods.cmp.decoders import PlainDecoder, SkipDecoder, block
from trainers.methods.cmp.options import LossOptions, ModelOptions
from trainers.models.encoders import create_encoder, initialise

IMAGE_CHANNELS = 256
MOTION_CHANNELS = 16


class CMPNet(nn.Module):
    """A network from an image and the motion at a few points to the motion everywhere.

    Starts as published (`trainers.models.encoders.initialise`, the encoder included), from PyTorch's global generator,
    which the caller seeds: load weights afterwards.
    """

    def __init__(self, model: ModelOptions, loss: LossOptions) -> None:
        super().__init__()
        outputs = 2 * loss.bins if loss.kind == "classification" else 2
        self.encoder = create_encoder(model.encoder)
        self.reduce = nn.Conv2d(self.encoder.channels[self.encoder.stride], IMAGE_CHANNELS, 1)
        self.motion = _motion_encoder(self.encoder.stride)
        joined = IMAGE_CHANNELS + MOTION_CHANNELS
        self.decoder = (
            PlainDecoder(joined, outputs, model.strides, model.width)
            if model.decoder == "plain"
            else SkipDecoder(joined, outputs, self.encoder.channels, model.width)
        )
        initialise(self)

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        """Returns a prediction, which `trainers.methods.cmp.loss` reads.

        Args:
            image: `(B, 3, H, W)` in [0, 1], RGB, of any size.
            guidance: `(B, 3, H, W)`: u and v in pixels, zero where not told, and 1 where told.

        Returns:
            `(B, C, h, w)`, h and w at the encoder's stride, or at stride 2 from the skip decoder. For classification,
            C is twice the bins: the logits of u, then those of v. For regression, C is 2: u and v in pixels.
        """
        return self.propagated(self.encoder(image), guidance)

    def propagated(self, features: Mapping[int, Tensor], guidance: Tensor) -> Tensor:
        """Returns what `forward` does, from what the image encoder made of the image."""
        joined = torch.cat([self.reduce(features[self.encoder.stride]), self.motion(guidance)], dim=1)
        return self.decoder(joined, features)


def _motion_encoder(stride: int) -> nn.Module:
    """Two convolutions, each followed by pooling. The published code has the mask twice, the paper and this once."""
    return nn.Sequential(
        block(3, MOTION_CHANNELS, kernel=5, stride=2),
        nn.MaxPool2d(2, ceil_mode=True),
        block(MOTION_CHANNELS, MOTION_CHANNELS),
        nn.AvgPool2d(stride // 4, ceil_mode=True),
    )
