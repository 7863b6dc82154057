"""The operators of deep matching on maps of scores, differentiable: fine to coarse, and back (sections 2.1 and 2.3).

Scores are `(B, n, m, K, K)`: for each of `n x m` points of the reference image those of `K x K` matches around it,
`K = 2 R_l + 1`, so that a match of the same index is the same motion at every point of a level.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.columns.flow.networks.matching.grid import MatchingGrid

TIE = 1e-6
"""A share of a score: what lacks no more is as good."""
_COLUMNS = 16
"""Points of a row that are correlated at once: their windows overlap, and what they do not share is done in vain."""
_LEAST = 1e-6
"""What scores are at least before they are raised to a power, whose gradient has no limit at 0."""

Shifts = tuple[int, int]


def padded(target: Tensor, grid: MatchingGrid, points: tuple[int, int]) -> Tensor:
    """Returns a map `(B, C, H, W)` of the target image at all places of matches, with zeros outside the image.

    Args:
        points: how many the reference image has along each axis.
    """
    reach, pads = grid.gamma * grid.reach(0), []
    for count, side in reversed(list(zip(points, target.shape[2:], strict=True))):
        pads += [reach - grid.beta, grid.alpha * (count - 1) + grid.beta + reach - (side - 1)]
    return F.pad(target, pads)[:, :, :: grid.gamma, :: grid.gamma]


def correlate(reference: Tensor, windows: Tensor, grid: MatchingGrid) -> Tensor:
    """Returns the scores `(B, n, m, K, K)` of level 0: inner products of descriptors (equation 2).

    Matches outside the target image have the score 0, as do descriptors that have nothing in common.

    Args:
        reference: `(B, C, n, m)` descriptors of points.
        windows: `(B, C, h, w)` descriptors of the target image, see `padded`; of as many rows as those points need.
    """
    batch, _, rows, columns = reference.shape
    side, step = 2 * grid.reach(0) + 1, grid.alpha // grid.gamma
    made = []
    for row in range(rows):
        strip = windows[:, :, step * row : step * row + side]
        for first in range(0, columns, _COLUMNS):
            points = reference[:, :, row, first : first + _COLUMNS]
            piece = strip[..., step * first : step * (first + points.shape[2] - 1) + side]
            width = piece.shape[3]
            with torch.autocast(points.device.type, enabled=False):  # scores that 8 bits cannot tell apart are no ties
                scores = points.transpose(1, 2) @ piece.flatten(2)
            # A point's matches begin `step` columns after those of the point before it.
            made.append(
                scores.as_strided(
                    (batch, points.shape[2], side, side),
                    (scores.stride(0), side * width + step, width, 1),
                )
            )
    return torch.cat(made, 1).view(batch, rows, columns, side, side)


def pool(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the largest of 3x3 scores, every second one along each axis, and where it is (equation 3).

    Where the one in the middle is as good, it is there: in what looks alike all over, one of the other eight would
    shift the match at every level.

    Returns:
        Scores `(B, n, m, K', K')`, and their switches, int64: the index of a score in the flattened `K x K`.
    """
    batch, rows, columns, side = scores.shape[:4]
    reach = (side - 1) // 2
    odd = reach % 2  # the centres are those at even steps from the point
    flat = scores.reshape(batch * rows, columns, side, side)
    if odd:
        flat = F.pad(flat, (1, 1, 1, 1), value=-torch.inf)
    pooled, switches = F.max_pool2d(flat, 3, 2, 1, return_indices=True)
    even = torch.arange(0, flat.shape[3], 2, device=flat.device)
    middles = even[:, None] * flat.shape[3] + even
    switches = torch.where(flat[..., ::2, ::2] >= pooled - TIE * pooled.abs(), middles, switches)
    if odd:
        switches = (switches // (side + 2) - 1) * side + switches % (side + 2) - 1
    shape = batch, rows, columns, *pooled.shape[2:]
    return pooled.view(shape), switches.view(shape)


def aggregate(pooled: Tensor, shifts: Shifts, exponent: Tensor | float) -> Tensor:
    """Returns the mean of the scores at the corners of each point's square, to a power (equation 4).

    Corners outside the image are not counted.

    Args:
        pooled: `(B, n, m, K, K)`.
        shifts: where the corners are, see `MatchingGrid.shifts`; every point has one inside at least.
        exponent: nu.

    Returns:
        `(B, n', m', K, K)`: a point more along each axis where the corners are an odd number of points apart.
    """
    more = (shifts[1] - shifts[0]) % 2
    sides = [side + more for side in pooled.shape[1:3]]
    total = pooled.new_zeros(pooled.shape[0], *sides, *pooled.shape[3:])
    count = pooled.new_zeros(*sides, 1, 1)
    for down in shifts:
        for right in shifts:
            to_rows, of_rows = _shifted(down, sides[0], pooled.shape[1])
            to_columns, of_columns = _shifted(right, sides[1], pooled.shape[2])
            total[:, to_rows, to_columns] += pooled[:, of_rows, of_columns]
            count[to_rows, to_columns] += 1
    return (total / count).clamp(min=_LEAST) ** exponent


def disaggregate(scores: Tensor, shifts: Shifts, points: tuple[int, int]) -> Tensor:
    """Returns the largest of the scores of the squares that a point is a corner of (equation 5).

    Args:
        scores: `(B, n', m', K, K)` of the level above.
        shifts: as `aggregate` had them.
        points: `(n, m)`, of the level below.
    """
    pads = []
    for side, count in zip(scores.shape[2:0:-1], reversed(points), strict=True):
        pads += [max(0, shifts[1]), max(0, count - shifts[0] - side)]
    around = F.pad(scores, [0, 0, 0, 0, *pads], value=-torch.inf)
    (rows, columns), first = points, max(0, shifts[1])
    corners = [
        around[:, first - down : first - down + rows, first - right : first - right + columns]
        for down in shifts
        for right in shifts
    ]
    return torch.maximum(torch.maximum(*corners[:2]), torch.maximum(*corners[2:]))


def unpool(scores: Tensor, switches: Tensor, side: int) -> Tensor:
    """Returns each score at the place that its switch names, the largest where several meet, and else minus infinity.

    This is the second term of equation 6.

    Args:
        scores: `(B, n, m, K', K')`.
        switches: as `pool` gave them.
        side: K of what is returned, `(B, n, m, K, K)`.
    """
    flat = scores.new_full((*scores.shape[:3], side * side), -torch.inf)
    flat = flat.scatter_reduce(3, switches.flatten(3), scores.flatten(3), "amax")
    return flat.view(*scores.shape[:3], side, side)


def _shifted(shift: int, sides: int, points: int) -> tuple[slice, slice]:
    """Which squares have a corner in the image, and which points those are."""
    first, last = max(0, -shift), min(sides, points - shift)
    return slice(first, last), slice(first + shift, last + shift)
