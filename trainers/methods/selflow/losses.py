"""The losses of SelFlow: photometric, census, self-supervision; and occlusion, which says where each counts.

Liu et al., "SelFlow", CVPR 2019, section 2. All are means over what counts, and 0 where nothing does.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.columns.flow.networks.layers import inside, warp

EPSILON = 0.01
_RADIUS = 3
"""Of the census transform: 7x7."""
_GREY = (0.299, 0.587, 0.114)


def robust(difference: Tensor, exponent: float) -> Tensor:
    """Returns psi(x) = (|x| + 0.01)^q."""
    return (difference.abs() + EPSILON) ** exponent


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Returns the mean of values `(B, C, H, W)` where the mask `(B, H, W)` is set; 0 where it is set nowhere.

    What stands elsewhere does not matter, be it not a number.
    """
    weights = mask[:, None].to(values.dtype)
    kept = torch.where(mask[:, None], values, values.new_zeros(()))
    return kept.sum() / (weights.sum() * values.shape[1]).clamp(min=1)


@torch.no_grad()
def occluded(flow: Tensor, back: Tensor) -> Tensor:
    """Returns the pixels `(B, H, W)`, bool, that the other frame does not show; no gradient reaches the flows.

    |f + b_w|^2 > 0.01 (|f|^2 + |b_w|^2) + 0.5, and where the flow leads out of the frame.

    Args:
        flow, back: `(B, 2, H, W)`, pixels: from a frame to the other, and from that one back.
    """
    returned = warp(back, flow)
    gap = (flow + returned).square().sum(1)
    length = flow.square().sum(1) + returned.square().sum(1)
    return (gap > 0.01 * length + 0.5) | ~inside(flow)


def photometric_loss(image: Tensor, warped: Tensor, counts: Tensor, census: bool, exponent: float) -> Tensor:
    """Returns how unlike an image and what is warped to it are where it counts (equation 1).

    Args:
        image, warped: `(B, 3, H, W)`, RGB in [0, 1].
        counts: `(B, H, W)`, bool.
        census: compares census transforms; a border of 3 pixels then does not count.
    """
    if not census:
        return masked_mean(robust(image - warped, exponent), counts)
    distance = census_distance(image, warped)
    border = functional.pad(torch.ones_like(counts[:, _RADIUS:-_RADIUS, _RADIUS:-_RADIUS]), (_RADIUS,) * 4)
    return masked_mean(robust(distance, exponent), counts & border)


def census_distance(first: Tensor, second: Tensor) -> Tensor:
    """Returns the soft Hamming distance of two images' census transforms, `(B, 1, H, W)`.

    Each pixel is compared with the 49 around it: t = d / sqrt(0.81 + d^2) of grey values of 0 to 255; the distance is
    the sum of (t1 - t2)^2 / (0.1 + (t1 - t2)^2).
    """
    squared = (_census(first) - _census(second)).square()
    return (squared / (0.1 + squared)).sum(1, keepdim=True)


def _census(images: Tensor) -> Tensor:
    grey = 255 * (images * images.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True)
    batch, _, height, width = grey.shape
    side = 2 * _RADIUS + 1
    around = functional.unfold(grey, side, padding=_RADIUS).view(batch, side * side, height, width)
    difference = around - grey
    return difference / torch.sqrt(0.81 + difference.square())


def self_supervision_loss(flow: Tensor, taught: Tensor, hidden: Tensor, exponent: float) -> Tensor:
    """Returns how far the student's flow is from its teacher's where only the student cannot see (equation 2).

    Args:
        flow, taught: `(B, 2, H, W)`, pixels.
        hidden: M, `(B, H, W)`, bool: occluded for the student, and not for its teacher.
    """
    return masked_mean(robust(flow - taught.detach(), exponent), hidden)
