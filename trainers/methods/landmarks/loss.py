"""The losses of maps: that landmarks move as a warp does, and that they differ (section 3.3)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from trainers.methods.landmarks.options import STRIDE


def probabilities(scores: Tensor) -> Tensor:
    """Returns of scores `(B, K, h, w)` the probability that a landmark is in a cell: their softmax over all cells."""
    return scores.flatten(2).softmax(dim=2).view_as(scores)


def cell_places(size: Sequence[int], like: Tensor) -> Tensor:
    """Returns where the cells `(h, w)` of maps lie in the image, `(2, h, w)`: y and x in pixels."""
    rows, columns = (STRIDE * torch.arange(n, dtype=like.dtype, device=like.device) + (STRIDE - 1) / 2 for n in size)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))


def expected_places(maps: Tensor, places: Tensor) -> Tensor:
    """Returns the expected place of each landmark, `(B, K, 2)` (equation 4).

    Args:
        maps: `(B, K, h, w)`, probabilities.
        places: `(2, h, w)` or `(B, 2, h, w)`, of the cells.
    """
    if places.ndim == 3:
        places = places.expand(len(maps), *places.shape)
    return maps.flatten(2) @ places.flatten(2).transpose(1, 2)


def alignment_loss(maps: Tensor, places: Tensor, warped_maps: Tensor, warped_places: Tensor) -> Tensor:
    """Returns equation 6, a mean over landmarks and images: the expected squared distance of u from g(v), pixels.

    In linear time: the mean square of a difference of independent places is the sum of their two variances and the
    square of the difference of their means. The paper's three sums are the same, and lose digits far from the origin.

    Args:
        maps: `(B, K, h, w)`, probabilities p(u | x, r) of cells u of an image x.
        places: `(2, h, w)`: u.
        warped_maps: `(B, K, h, w)`, p(v | x', r) of the image warped by g.
        warped_places: `(B, 2, h, w)`: g(v), where in x the cells of x' are from.
    """
    means, warped_means = expected_places(maps, places), expected_places(warped_maps, warped_places)
    apart = (means - warped_means).square().sum(dim=2)
    everywhere = places.expand(len(maps), *places.shape)
    return (_variances(maps, everywhere, means) + _variances(warped_maps, warped_places, warped_means) + apart).mean()


def diversity_loss(maps: Tensor, pooling: int) -> Tensor:
    """Returns equation 8 after sums over squares of `pooling` cells, a mean over images.

    It is 0 where no square has two landmarks.

    Args:
        maps: `(B, K, h, w)`, probabilities.
    """
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (0, -width % pooling, 0, -height % pooling))
    sums = F.avg_pool2d(padded, pooling) * pooling**2
    return maps.shape[1] - sums.amax(dim=1).sum(dim=(1, 2)).mean()


def _variances(maps: Tensor, places: Tensor, means: Tensor) -> Tensor:
    """The expected squared distances `(B, K)` of places `(B, 2, h, w)` from their means `(B, K, 2)`."""
    middle = places.mean(dim=(2, 3), keepdim=True)  # of which squares are small
    squares = (places - middle).square().sum(dim=1).flatten(1)
    expected = (maps.flatten(2) @ squares[:, :, None])[..., 0]
    return expected - (means - middle[:, None, :, 0, 0]).square().sum(dim=2)
