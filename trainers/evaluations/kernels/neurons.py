"""What neurons like: pictures that make channels of an encoder's last convolution most active, by gradient ascent.

Mahendran and Vedaldi, "Visualizing Deep Convolutional Neural Networks Using Natural Pre-images", IJCV 2016: activation
maximisation with total variation and jitter as priors.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from common_fate.progress import progress
from trainers.models.encoders import Encoder

RATE = 0.1  # of Adam
COARSER = (2, 4, 8, 16, 32)  # pixels between the values of each grid that a picture is the sum of: no noise of pixels
VARIATION = 50.0  # weight of the squared differences between neighbouring pixels
JITTER = 4  # pixels, of a shift in each step
SMALLEST = 1e-6  # of an activation, whose logarithm is maximised: so its scale is of no matter


def last_convolution(encoder: Encoder) -> str:
    """Returns the name of an encoder's deepest layer of convolutions: no pool, and none that was fully connected."""
    return [name for name in encoder.layers if not name.startswith(("pool", "fc"))][-1]


def favourites(encoder: Encoder, layer: str, channels: list[int], steps: int, side: int, seed: int) -> Tensor:
    """Returns for each of some channels of a layer a picture that makes it most active, `(channels, 3, side, side)`.

    Args:
        encoder: in evaluation mode; its weights stay.
        seed: of the noise that it begins with, and of the jitter.
    """
    device = next(encoder.parameters()).device
    rng = np.random.default_rng(seed)
    sides = [max(side // coarser, 1) for coarser in COARSER]
    noise = [rng.normal(0, 0.1, (len(channels), 3, cells, cells)).astype(np.float32) for cells in sides]
    grids = [torch.from_numpy(one).to(device).requires_grad_(True) for one in noise]
    optimizer = torch.optim.Adam(grids, RATE)
    rows = torch.arange(len(channels), device=device)
    with torch.enable_grad():
        for _ in progress(range(steps), steps, "neurons"):
            shift = rng.integers(-JITTER, JITTER + 1, 2).tolist()
            shown = _picture(grids, side).roll(shift, dims=(2, 3))
            active = encoder.activations(shown, [layer])[layer][rows, channels].mean(dim=(1, 2))
            loss = (VARIATION * variation(shown) - (active + SMALLEST).log()).sum()
            for grid, gradient in zip(grids, torch.autograd.grad(loss, grids), strict=True):
                grid.grad = gradient
            optimizer.step()
    return _picture(grids, side).detach()


def variation(images: Tensor) -> Tensor:
    """Returns of each image the mean squared differences between neighbouring pixels, `(B,)`."""
    down, right = (images.diff(dim=axis).square().mean(dim=(1, 2, 3)) for axis in (2, 3))
    return down + right


def _picture(grids: list[Tensor], side: int) -> Tensor:
    """Pictures `(N, 3, side, side)` in [0, 1] of grids of several sizes."""
    fine = [F.interpolate(grid, (side, side), mode="bilinear", align_corners=False) for grid in grids]
    return torch.stack(fine).sum(dim=0).sigmoid()
