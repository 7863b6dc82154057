"""What flow networks share: the cost volume, the warp, and the resizing of flow. Imports torch.

Sun et al., "PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and Cost Volume", CVPR 2018, section 3.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_SIDE = 8
"""Of the tiles that a cost volume is computed in: products large enough to be fast, with little to throw away."""


class ExactConv2d(nn.Conv2d):
    """Convolves in at least 32 bits, also where autocast rounds the layers around it: flow needs more than 8."""

    def forward(self, images: Tensor) -> Tensor:
        """Returns the convolution of `(B, C, H, W)`."""
        with torch.autocast(images.device.type, enabled=False):
            return super().forward(exact(images))


def exact(numbers: Tensor) -> Tensor:
    """Returns numbers in at least 32 bits: places and flow in half of them would be pixels off."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))


class _TileProducts(torch.autograd.Function):
    """Products of each tile's pixels with those of its window, less what lies too far away.

    A tile's `side * side` pixels times its window's `(side + 2r) ** 2` is one matrix product, which is what processors
    are best at: tiles are `(N, C, side^2)` and windows `(N, C, (side + 2r)^2)`. Of each row the `(2r + 1) ** 2` wanted
    entries stand at fixed strides: a view, which is copied once.
    """

    @staticmethod
    def forward(ctx: Any, tiles: Tensor, windows: Tensor, radius: int) -> Tensor:
        ctx.save_for_backward(tiles, windows)
        ctx.radius = radius
        products = tiles.transpose(1, 2) @ windows
        return _wanted(products, radius).contiguous()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        tiles, windows = ctx.saved_tensors
        products = gradient.new_zeros(len(tiles), tiles.shape[2], windows.shape[2])
        _wanted(products, ctx.radius).copy_(gradient)
        to_tiles = windows @ products.transpose(1, 2) if ctx.needs_input_grad[0] else None
        to_windows = tiles @ products if ctx.needs_input_grad[1] else None
        return to_tiles, to_windows, None


def _wanted(products: Tensor, radius: int) -> Tensor:
    """A view `(N, side, side, 2r + 1, 2r + 1)` of `(N, side^2, (side + 2r)^2)`: pixel (y, x) with (y + dy, x + dx)."""
    reach, wide = 2 * radius + 1, _SIDE + 2 * radius
    whole = wide * wide
    sizes = (len(products), _SIDE, _SIDE, reach, reach)
    strides = (_SIDE * _SIDE * whole, _SIDE * whole + wide, whole + 1, wide, 1)
    return products.as_strided(sizes, strides)


def cost_volume(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """Returns the products of features with those of their surroundings, summed over channels.

    Args:
        first, second: `(B, C, H, W)`. Beyond its border `second` is 0.
        radius: r, pixels.

    Returns:
        `(B, (2r + 1)^2, H, W)`; channel `(dy + r) * (2r + 1) + dx + r` is of pixels (y, x) and (y + dy, x + dx).
    """
    first, second = exact(first), exact(second)
    batch, channels, height, width = first.shape
    down, right = -height % _SIDE, -width % _SIDE
    rows, columns = (height + down) // _SIDE, (width + right) // _SIDE
    tiles = functional.pad(first, (0, right, 0, down))
    # Channels stay before pixels: lines of a tile are then copied whole.
    tiles = tiles.reshape(batch, channels, rows, _SIDE, columns, _SIDE).permute(0, 2, 4, 1, 3, 5)
    tiles = tiles.reshape(-1, channels, _SIDE * _SIDE)
    around = functional.pad(second, (radius, radius + right, radius, radius + down))
    windows = around.unfold(2, _SIDE + 2 * radius, _SIDE).unfold(3, _SIDE + 2 * radius, _SIDE)
    windows = windows.permute(0, 2, 3, 1, 4, 5).reshape(len(tiles), channels, -1)
    with torch.autocast(first.device.type, enabled=False):
        products: Tensor = _TileProducts.apply(tiles, windows, radius)
    products = products.reshape(batch, rows, columns, _SIDE, _SIDE, -1).permute(0, 5, 1, 3, 2, 4)
    return products.reshape(batch, -1, height + down, width + right)[:, :, :height, :width]


def unit(features: Tensor) -> Tensor:
    """Returns features `(B, C, H, W)` with a length of 1 over channels; what is 0 stays so.

    A CPU takes a tenth of the time of `functional.normalize`, whose norm runs across memory.
    """
    features = exact(features)
    return features / features.square().sum(1, keepdim=True).clamp(min=1e-24).sqrt()


def convolutions(
    inputs: int,
    widths: Sequence[int],
    slope: float,
    *,
    kernel: int = 3,
    first_stride: int = 1,
    dilations: Sequence[int] | None = None,
) -> nn.Sequential:
    """Returns convolutions, each with its leaky ReLU, that keep the size but for the first one's stride.

    Args:
        widths: channels of each.
        slope: of the leaky ReLUs.
        dilations: of each; by default 1.
    """
    made: list[nn.Module] = []
    for channels, dilation in zip(widths, dilations or [1] * len(widths), strict=True):
        stride = 1 if made else first_stride
        padding = dilation * (kernel // 2)
        made += [nn.Conv2d(inputs, channels, kernel, stride, padding, dilation), nn.LeakyReLU(slope, inplace=True)]
        inputs = channels
    return nn.Sequential(*made)


def positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Returns where flow `(B, 2, H, W)` leads to: x and y, each `(B, H, W)`, pixels."""
    height, width = flow.shape[-2:]
    x = torch.arange(width, dtype=flow.dtype, device=flow.device) + flow[:, 0]
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + flow[:, 1]
    return x, y


def inside(flow: Tensor) -> Tensor:
    """Returns `(B, H, W)`, bool: where flow `(B, 2, H, W)` leads to a place within the frame."""
    height, width = flow.shape[-2:]
    x, y = positions(flow)
    slack = 1e-4  # of a pixel, so that rounding decides nothing at the border
    return (x >= -slack) & (x <= width - 1 + slack) & (y >= -slack) & (y <= height - 1 + slack)


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Returns of each pixel what is a flow vector away, interpolated bilinearly; 0 where that is not in the frame.

    Args:
        images: `(B, C, H, W)`, of the frame that the flow leads to.
        flow: `(B, 2, H, W)`, pixels.
    """
    images = exact(images)
    height, width = images.shape[-2:]
    x, y = positions(exact(flow))
    grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1).to(images.dtype)
    found = functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return found * inside(flow)[:, None]


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns flow `(B, 2, H, W)` at another size (height, width), its vectors in pixels of that size; bilinear."""
    flow = exact(flow)
    height, width = flow.shape[-2:]
    factors = flow.new_tensor([size[1] / width, size[0] / height])[:, None, None]
    return functional.interpolate(flow, size, mode="bilinear", align_corners=False) * factors
