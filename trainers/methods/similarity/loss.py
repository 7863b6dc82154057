"""How well the kernel of an embedding is that of the flow (equations 3 to 6), and flow in classes, the baseline.

Mahendran, Thewlis and Vedaldi, ACCV 2018, section 3.2 and section 4.5.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainers.methods.similarity.options import LossOptions

_FLAT = 1e-10  # of a variance of kernels' values: rounding


def kernel_loss(embedded: Tensor, flow: Tensor, counted: Tensor, kind: str) -> Tensor:
    """Returns the loss of each image's pair of kernels, `(B,)`; 0 of an image without a pixel that counts.

    `kta` is 1 less the alignment, which is maximised; the cross-entropies are means over pixels, not sums.

    Args:
        embedded, flow: kernels `(B, N, N)`.
        counted: `(B, N)`, bool: the other pixels are as if they were not there.
        kind: kta, ce or ce_rev.
    """
    if kind == "kta":
        return (1 - alignment(embedded, flow, counted)) * counted.any(dim=1)
    both = [log_shares(kernel, counted) for kernel in (flow, embedded)]
    truth, other = both if kind == "ce" else reversed(both)
    pairs = counted[:, :, None] & counted[:, None, :]
    terms = -(truth.exp() * other.masked_fill(~pairs, 0)).sum(dim=(1, 2))
    return terms / counted.sum(dim=1).clamp(min=1)


def alignment(first: Tensor, second: Tensor, counted: Tensor) -> Tensor:
    """Returns the kernel target alignment of two kernels `(B, N, N)`, `(B,)`, in [-1, 1] (equation 3); of none 0."""
    pairs = counted[:, :, None] & counted[:, None, :]
    first, second = first * pairs, second * pairs
    products = (first * second).sum(dim=(1, 2))
    squares = first.square().sum(dim=(1, 2)) * second.square().sum(dim=(1, 2))
    return products / torch.where(squares > 0, squares, 1).sqrt()


def correlation(first: Tensor, second: Tensor, counted: Tensor) -> Tensor:
    """Returns Pearson's correlation of two kernels' values for pairs of different pixels that count, `(B,)`.

    Unlike `alignment` it does not mind what is added to a kernel, and is 0 where nothing is known. Not a number of an
    image where either kernel is the same for all pairs, or has none.
    """
    diagonal = torch.eye(counted.shape[1], dtype=torch.bool, device=counted.device)
    pairs = (counted[:, :, None] & counted[:, None, :] & ~diagonal).double()
    count = pairs.sum(dim=(1, 2), keepdim=True)
    centred = [(one - (one * pairs).sum(dim=(1, 2), keepdim=True) / count) * pairs for one in (first, second)]
    squares = [one.square().sum(dim=(1, 2)) / count[:, 0, 0] for one in centred]
    varied = (squares[0] > _FLAT) & (squares[1] > _FLAT)
    products = (centred[0] * centred[1]).sum(dim=(1, 2)) / count[:, 0, 0]
    return torch.where(varied, products / (squares[0] * squares[1]).sqrt(), torch.nan)


def log_shares(kernel: Tensor, counted: Tensor) -> Tensor:
    """Returns the logarithms of equation 5, `(B, N, N)`: each row a softmax with 0 in place of the diagonal.

    Columns of pixels that do not count have no share, -inf; their rows mean nothing.
    """
    diagonal = torch.eye(kernel.shape[1], dtype=torch.bool, device=kernel.device)
    # A pixel's own column stays, so that no row is without any.
    scores = kernel.masked_fill(~counted[:, None, :], -torch.inf).masked_fill(diagonal, 0)
    return scores.log_softmax(dim=2)


def bins_of(flow: Tensor, bins: int) -> Tensor:
    """Returns of normalised flow, in [-1, 1], into which of even bins it falls, int64 (section 4.5, "Baseline")."""
    return ((flow + 1) / 2 * bins).long().clamp(0, bins - 1)


def direct_loss(scores: Tensor, flow: Tensor, counted: Tensor, options: LossOptions) -> Tensor:
    """Returns the cross-entropies of each image, of both axes together, means over its pixels, `(B,)`; 0 of none.

    Args:
        scores: `(B, N, 2 * bins)`, those of u, then those of v.
        flow: `(B, N, 2)`, normalised.
        counted: `(B, N)`, bool.
    """
    shaped = scores.reshape(*scores.shape[:2], 2, options.bins).permute(0, 3, 1, 2)
    each = F.cross_entropy(shaped, bins_of(flow, options.bins), reduction="none").sum(dim=2)
    return (each * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
