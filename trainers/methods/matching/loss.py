"""The structured hinge loss of scores (section 2.2)."""

import torch
from torch import Tensor

from pipeline.columns.flow.networks.matching.grid import MatchingGrid


def truth_at(
    points: tuple[int, int], level: int, grid: MatchingGrid, flow: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns the exact motion of a level's points, and where it is known.

    Args:
        points: how many there are along each axis.
        flow: `(B, 2, H, W)`, pixels.
        valid: `(B, H, W)`, bool.

    Returns:
        `(B, 2, n, m)`, pixels, and `(B, n, m)` bool. Between pixels it is the pixel's before.
    """
    half = grid.alpha / 2 if level and grid.halved else 0
    places, inside = [], []
    for count, side in zip(points, valid.shape[1:], strict=True):
        place = (grid.alpha * torch.arange(count, device=flow.device) + grid.beta - half).floor().long()
        places.append(place.clamp(0, side - 1))
        inside.append((place >= 0) & (place < side))
    rows, columns = places[0][:, None], places[1][None, :]
    known = valid[:, rows, columns] & inside[0][:, None] & inside[1][None, :]
    return flow[:, :, rows, columns], known


def structured_hinge(
    scores: Tensor, level: int, grid: MatchingGrid, flow: Tensor, valid: Tensor, sigma: float
) -> Tensor:
    """Returns by how much wrong matches come too near to the right one, summed over matches, the mean over points.

    The thesis has the sum over points as well; a mean is as large whatever the image. Points without truth, with a
    motion beyond reach, or whose right match has no score, do not count. Without any it is 0.

    Args:
        scores: `(B, n, m, K, K)`, S or Q, of which minus infinity is no match.
        level: whose they are.
        flow: `(B, 2, n, m)`, the exact motion of the points, pixels.
        valid: `(B, n, m)`, bool, where it is known.
        sigma: of the margin `1 - exp(-d^2 / (2 sigma^2))`, where d is how many matches one is from the right one.
    """
    reach = grid.reach(level)
    side = 2 * reach + 1
    cells = (flow / (2**level * grid.gamma)).round().long() + reach
    counted = valid & ((cells >= 0) & (cells < side)).all(1)
    cells = cells.clamp(0, side - 1)
    right = torch.gather(scores.flatten(3), 3, (cells[:, 1] * side + cells[:, 0])[..., None])[..., 0]
    counted = counted & torch.isfinite(right)
    scores, right, cells = scores[counted], right[counted], cells.movedim(1, -1)[counted]
    steps = torch.arange(side, device=scores.device, dtype=scores.dtype)
    near_x, near_y = (torch.exp(-((steps - cells[:, axis, None]) ** 2) / (2 * sigma**2)) for axis in (0, 1))
    margin = 1 - near_y[:, :, None] * near_x[:, None, :]
    violation = (margin + scores - right[:, None, None]).clamp(min=0)
    return violation.sum() / max(1, len(violation))
