"""A network whose answer is known: each area of one colour moves as its guidance says."""

from types import SimpleNamespace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from trainers.engine.options import build
from trainers.methods.cmp.options import CMPOptions

BACKGROUND = (40, 60, 80)


class ColouredNet(nn.Module):
    """Regresses, at full resolution, the mean of the guidance within an area of one colour.

    An area without guidance moves as the areas of its colour that have some, as far as there are any; the background
    never moves. It keeps what it was given last.
    """

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.encoder = SimpleNamespace(stride=stride)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        self.image, self.guidance = image, guidance
        return torch.from_numpy(np.stack([_moved(*both) for both in zip(image.numpy(), guidance.numpy(), strict=True)]))


def _moved(image: np.ndarray, guidance: np.ndarray) -> np.ndarray:
    colours = np.rint(image * 255).astype(int)
    told = guidance[2] > 0
    flow = np.zeros_like(guidance[:2])
    for colour in {tuple(pixel) for pixel in colours.reshape(3, -1).T} - {BACKGROUND}:
        same = (colours == np.array(colour)[:, None, None]).all(axis=0)
        if not (same & told).any():
            continue
        areas, number = ndimage.label(same)
        for area in (areas == i + 1 for i in range(number)):
            guides = area & told if (area & told).any() else same & told
            flow[:, area] = guidance[:2, guides].mean(axis=1, keepdims=True)
    return flow


def lively(net: nn.Module) -> nn.Module:
    """A real network in evaluation mode, its weights so large that what it says depends on what it is told."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return net.eval()


def options(crop: int = 64, **loss: object) -> CMPOptions:
    """For networks that regress, at `crop` pixels."""
    return build(
        CMPOptions, {"transforms": {"crop": crop, "shorter_side": crop}, "loss": {"kind": "regression", **loss}}
    )


def canvas(height: int = 64, width: int = 80) -> np.ndarray:
    """A picture of nothing but background."""
    return np.full((height, width, 3), BACKGROUND, np.uint8)
