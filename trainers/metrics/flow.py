"""How far predicted flow is from its target, and what a prediction has to beat. Batched tensors in, tensors out."""

import torch
from torch import Tensor


def endpoint_errors(flow: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Measures the end-point error of each sample, as a sum and a count.

    These add up over samples, sets and processes.

    Args:
        flow, target: `(B, 2, H, W)`, pixels.
        valid: `(B, H, W)` bool; what stands elsewhere does not matter, be it not a number.

    Returns:
        `(B, 2)` float64: the sum of errors over valid pixels in pixels, and how many these are. See `mean_error`.
    """
    difference = flow.double() - target.double()
    # Not a product with the mask: not-a-number times 0 is not 0.
    errors = torch.where(valid, torch.linalg.vector_norm(difference, dim=1), 0)
    return torch.stack([errors.sum((1, 2)), valid.sum((1, 2)).double()], dim=1)


def mean_error(errors: Tensor) -> float | None:
    """Returns the mean over all valid pixels of rows `(N, 2)` of `endpoint_errors`, pixels; None over no pixels."""
    total, count = errors.sum(0).tolist()
    return total / count if count else None


def no_motion(guidance: Tensor) -> Tensor:
    """Predicts that nothing moves, the first baseline: from guidance `(B, 3, H, W)` to flow `(B, 2, H, W)`."""
    return torch.zeros_like(guidance[:, :2])


def nearest_guidance(guidance: Tensor) -> Tensor:
    """Predicts that each pixel moves as its nearest guidance point does: the second baseline.

    Without points nothing moves.

    Args:
        guidance: `(B, 3, H, W)`: u and v in pixels, and 1 at the points.

    Returns:
        Flow `(B, 2, H, W)`, pixels. Of points equally near, the first in reading order counts.
    """
    moved = no_motion(guidance)
    for told, out in zip(guidance, moved, strict=True):
        points = torch.nonzero(told[2])
        if len(points):
            motions = told[:2, points[:, 0], points[:, 1]]
            out.copy_(motions[:, nearest_point(points, (told.shape[1], told.shape[2]))])
    return moved


def nearest_point(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Finds which of the points `(N, 2)`, int64 rows of y and x, N from 1 up, is the nearest to each pixel of `size`.

    Returns:
        Indices `(H, W)` int64, by Euclidean distance; of points equally near the lowest. Exact: squared distances are
        whole numbers. A library's search does not say which of equals it returns, which is why there is none here.
    """
    height, width = size
    rows = torch.arange(height, device=points.device)[:, None] - points[:, 0]
    columns = torch.arange(width, device=points.device)[:, None] - points[:, 1]
    count = len(points)
    # Distance and index in one number: the smallest is the nearest point, and among equals the lowest.
    down, across = rows**2 * count + torch.arange(count, device=points.device), columns**2 * count
    best = down[:, :1] + across[:, 0]
    for index in range(1, count):
        best = torch.minimum(best, down[:, index, None] + across[:, index])
    return best % count
