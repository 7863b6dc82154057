"""Where the vectors of an embedding lie on the image, and where motion takes them.

Pixel 0's centre is at 0, so that an image of W pixels reaches from -0.5 to W - 0.5.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """The vectors of an embedding of `height` by `width`: vector i of an axis is at pixel `offset + stride * i`."""

    height: int
    width: int
    stride: int
    offset: float

    @property
    def cells(self) -> int:
        """How many vectors there are."""
        return self.height * self.width

    def axes(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Returns the pixels of the rows `(height,)` and of the columns `(width,)`."""
        y, x = (torch.arange(cells, device=device) for cells in (self.height, self.width))
        return self.offset + self.stride * y.float(), self.offset + self.stride * x.float()

    def places(self, device: torch.device) -> Tensor:
        """Returns the pixels of all vectors, y and x, `(height * width, 2)`, row by row."""
        return torch.stack(torch.meshgrid(*self.axes(device), indexing="ij"), dim=-1).reshape(-1, 2)

    def nearest(self, places: Tensor) -> Tensor:
        """Returns the numbers, row by row, of the vectors nearest to places `(..., 2)`, which may lie beyond them."""
        y, x = ((places - self.offset) / self.stride).round().long().unbind(-1)
        return y.clamp(0, self.height - 1) * self.width + x.clamp(0, self.width - 1)

    def sampled(self, planes: Tensor) -> Tensor:
        """Returns planes of the image, `(B, C, H, W)`, at the vectors, interpolated bilinearly: `(B, C, cells)`.

        A vector beyond the last pixel's centre has that pixel's value.
        """
        height, width = planes.shape[-2:]
        y, x = self.places(planes.device).unbind(1)
        # align_corners=True: -1 is the centre of the first pixel, 1 that of the last one.
        scaled = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
        grid = scaled[None, None].expand(len(planes), 1, -1, 2)
        made = F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return made[:, :, 0]


@dataclass(frozen=True)
class Matches:
    """Where the vectors of first images are seen in second ones.

    `targets (B, cells, 2)`, float32, are pixels, y and x; `counted (B, cells)`, bool, says of which vectors that is
    known, and in the second image.
    """

    targets: Tensor
    counted: Tensor


def matches(flow: Tensor, counted: Tensor, grid: Grid) -> Matches:
    """Returns where motion takes the vectors of a grid.

    A vector counts if every pixel does that its motion is interpolated from, and that leads into the second image.

    Args:
        flow: `(B, 2, H, W)`, u and v, pixels.
        counted: `(B, H, W)`, bool.
    """
    height, width = flow.shape[-2:]
    moved = grid.places(flow.device) + grid.sampled(flow).transpose(1, 2).flip(2)
    sides = moved.new_tensor([height, width])
    inside = ((moved >= -0.5) & (moved <= sides - 0.5)).all(dim=2)
    every = grid.sampled(counted[:, None].float())[:, 0] > 1 - 1e-4
    return Matches(moved, inside & every)
