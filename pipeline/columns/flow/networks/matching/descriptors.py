"""Descriptors of patches, of length 1: oriented gradients by hand, VGG's convolutions, or an image encoder's layer."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.columns.flow.networks.encoders import Encoder, create_encoder
from pipeline.columns.flow.networks.encoders.hypercolumns import dense
from pipeline.columns.flow.networks.layers import exact

_ORIENTATIONS = 8
# Revaud et al., IJCV 2016, section 3.2 and table 1: the smoothing before and after the gradients, of pixels in
# [0, 255]; how soon gradients saturate; and what has no gradient is like all else that has none.
_DEVIATION, _SATURATION, _REGULAR = 1.0, 0.2, 0.3
_PATCH = 4
_GREY = (0.299, 0.587, 0.114)
_PROBE = 64  # pixels: a multiple of every stride


class OrientedGradients(nn.Module):
    """Revaud's descriptor of a patch of 4x4 pixels, like HOG: for each pixel its gradient along eight directions.

    From images `(B, 3, H, W)` in [0, 1] to `(B, 144, H, W)`: 16 pixels of nine numbers each. The patch of a pixel has
    it right below and right of its centre. Outside the image nothing is like anything.
    """

    channels = _PATCH * _PATCH * (_ORIENTATIONS + 1)
    kernel: Tensor
    directions: Tensor

    def __init__(self) -> None:
        super().__init__()
        reach = torch.arange(-3.0, 4.0)
        kernel = torch.exp(-(reach**2) / (2 * _DEVIATION**2))
        angles = torch.arange(_ORIENTATIONS) * (2 * torch.pi / _ORIENTATIONS)
        self.register_buffer("kernel", kernel / kernel.sum(), persistent=False)
        self.register_buffer("directions", torch.stack([angles.cos(), angles.sin()], 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        grey = (images * images.new_tensor(_GREY).view(3, 1, 1)).sum(1, keepdim=True) * 255
        grey = F.pad(self._smooth(grey), (1, 1, 1, 1), mode="replicate")
        right = (grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]) / 2
        down = (grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]) / 2
        along = torch.einsum("oc,bchw->bohw", self.directions, torch.cat([right, down], 1)).clamp(min=0)
        along = 2 / (1 + torch.exp(-_SATURATION * self._smooth(along))) - 1
        pixels = F.normalize(F.pad(along, (0, 0, 0, 0, 0, 1), value=_REGULAR), dim=1)
        half = _PATCH // 2
        around = F.pad(pixels, (half, half - 1, half, half - 1))
        height, width = images.shape[2:]
        patches = [around[..., y : y + height, x : x + width] for y in range(_PATCH) for x in range(_PATCH)]
        return torch.cat(patches, 1) / _PATCH

    def _smooth(self, maps: Tensor) -> Tensor:
        """Of each map by itself, with the border's values beyond it."""
        batch, channels, height, width = maps.shape
        flat = F.pad(maps.reshape(-1, 1, height, width), (3, 3, 3, 3), mode="replicate")
        flat = F.conv2d(F.conv2d(flat, self.kernel.view(1, 1, -1, 1)), self.kernel.view(1, 1, 1, -1))
        return flat.view(batch, channels, height, width)


class Convolutions(nn.Module):
    """VGG's first four convolutions, conv1_1 to conv2_2, at every pixel (Simonyan and Zisserman, ICLR 2015).

    From images `(B, 3, H, W)` in [0, 1] to `(B, C, H, W)` of length 1 and never negative. The pool between the groups
    has no stride, and what follows it is dilated by 2, so that every second row and column is the published network's.
    The weights have torchvision's names and shapes where `widths` are the published ones.

    Args:
        widths: channels of the two groups.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, widths: tuple[int, int] = (64, 128)) -> None:
        super().__init__()
        first, second = widths
        self.channels = second
        self.features = nn.Sequential(
            *(nn.Conv2d(3, first, 3, padding=1), nn.ReLU(), nn.Conv2d(first, first, 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, stride=1)),
            *(nn.Conv2d(first, second, 3, padding=2, dilation=2), nn.ReLU()),
            *(nn.Conv2d(second, second, 3, padding=2, dilation=2), nn.ReLU()),
        )
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        # ImageNet's, as published weights expect it.
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        described: Tensor = F.normalize(exact(self.features((images - self.mean) / self.deviation)), dim=1)
        return described


class EncoderLayer:
    """A layer of an image encoder, interpolated to every pixel.

    From images `(B, 3, H, W)` in [0, 1] to `(B, C, H, W)` of length 1 and never negative, as activations after a ReLU
    are. Matches are looked for at every pixel (gamma is 1), and a layer has one vector every `stride` pixels, at an
    offset of its own: between four of them descriptors are interpolated bilinearly, and only then brought to length 1,
    so that a match is found between them, too. The thesis' VGG layers have strides of 1 and 2; of much coarser ones
    neighbouring descriptors are nearly the same. What lies behind the layer is neither computed nor trained.

    No module, for the encoder is the network's own part of that name, under which files of weights have it.

    Args:
        layer: of `encoder.layers`.

    Raises:
        ValueError: the encoder has no such layer.
    """

    def __init__(self, encoder: Encoder, layer: str) -> None:
        self.encoder, self.layer = encoder.eval(), layer
        weights = list(encoder.parameters())
        with torch.enable_grad():
            activations = encoder.reached(weights[0].new_zeros(1, 3, _PROBE, _PROBE), layer)
            gradients = torch.autograd.grad(activations.sum(), weights, allow_unused=True)
        self._used = [weight for weight, gradient in zip(weights, gradients, strict=True) if gradient is not None]
        encoder.requires_grad_(False)
        self.requires_grad_(True)

    def __call__(self, images: Tensor) -> Tensor:
        activations = {self.layer: self.encoder.reached(images, self.layer)}
        return F.normalize(exact(dense(activations, self.encoder.layers, images.shape[2:])), dim=1)

    def requires_grad_(self, wanted: bool) -> None:
        """Sets whether the layer's weights, and those before it, are trained."""
        for weight in self._used:
            weight.requires_grad_(wanted)


Descriptor = OrientedGradients | Convolutions | EncoderLayer


def create_descriptor(name: str, options: Mapping[str, Any]) -> Descriptor:
    """Returns what describes patches, with random weights where it has any.

    Args:
        name: `gradients`, `convolutions` or `encoder`.
        options: of convolutions `widths`; of an encoder `encoder`, as `create_encoder` names it, and `layer`.

    Raises:
        TypeError, ValueError: there is no such descriptor, or these are not its options.
    """
    if name == "gradients":
        return OrientedGradients()
    if name == "convolutions":
        return Convolutions(**options)
    if name == "encoder":
        return _encoder_layer(**options)
    raise ValueError(f"descriptor is {name!r}: should be gradients, convolutions or encoder")


def _encoder_layer(encoder: str, layer: str) -> EncoderLayer:
    return EncoderLayer(create_encoder(encoder), layer)
