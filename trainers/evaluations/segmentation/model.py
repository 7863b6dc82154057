"""What segments: an encoder with a linear classifier of pixels, frozen features with the head of DeepLabv3, or two."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import DeepLabHead  # type: ignore[import-untyped]

from pipeline.columns.flow.networks.encoders.hypercolumns import dense
from trainers.evaluations.start import Features
from trainers.models.encoders import Encoder

REACH = 96  # pixels: a stride times the smallest of its rates


class Segmenter(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1] to scores of classes `(B, classes, H, W)`.

    A 1x1 convolution scores the features of stride s, and the scores are interpolated bilinearly: with AlexNet, whose
    features are those of fc7 at stride 32, this is FCN-32s. The convolution starts at zero.

    Source: Long et al., "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, sections 3.3 and 4.
    """

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.score = nn.Conv2d(encoder.channels[encoder.stride], classes, 1)
        for parameter in self.score.parameters():
            nn.init.zeros_(parameter)
        self.deepest = [*encoder.layers][-1]

    def forward(self, image: Tensor) -> Tensor:
        scores = self.score(self.encoder(image)[self.encoder.stride])
        if self.encoder.layers[self.deepest].offset:
            return dense({self.deepest: scores}, self.encoder.layers, image.shape[2:])
        return upsampled(scores, self.encoder.stride, (image.shape[2], image.shape[3]))


class FrozenSegmenter(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1] to scores of classes `(B, classes, H, W)`, by what the features already say.

    The features keep their weights and the statistics of their normalisations, whatever the mode. The head is
    torchvision's of DeepLabv3, atrous spatial pyramid pooling and a convolution, with random weights from PyTorch's
    global generator. Its rates keep their reach in pixels: (6, 12, 18) at stride 16, twice that at stride 8.

    Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017, section 3.3.
    """

    def __init__(self, features: Features, classes: int) -> None:
        super().__init__()
        self.features = features.requires_grad_(False)
        channels, self.stride = features.eval().grid()
        rate = max(REACH // self.stride, 1)
        self.head = DeepLabHead(channels, classes, (rate, 2 * rate, 3 * rate))

    def train(self, mode: bool = True) -> "FrozenSegmenter":
        """Sets the mode of the head alone."""
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.features(image)
        return upsampled(self.head(features), self.stride, (image.shape[2], image.shape[3]))


class Ensemble(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1] to the mean of several networks' probabilities `(B, classes, H, W)`."""

    def __init__(self, *nets: nn.Module) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, image: Tensor) -> Tensor:
        return torch.stack([net(image).float().softmax(dim=1) for net in self.nets]).mean(dim=0)


def upsampled(scores: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
    """Returns scores `(B, C, ceil(H / stride), ceil(W / stride))` on all pixels of `size`, H and W.

    Score i belongs to pixel `stride * i`, where padded convolutions and pools have their centre; beyond the last one
    its value goes on. Stretching to H and W would shift it by up to `stride` pixels.
    """
    height, width = (stride * (cells - 1) + 1 for cells in scores.shape[2:])
    fine = F.interpolate(scores, (height, width), mode="bilinear", align_corners=True)
    return F.pad(fine, (0, size[1] - width, 0, size[0] - height), mode="replicate")
