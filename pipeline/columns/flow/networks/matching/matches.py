"""Matches of points, which of them are sure, and what they say of the pixels around."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FILLED = 8  # pixels from a match along each axis (section 3, footnote 3)

Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Matches:
    """The best match of each point of an image, `n x m` points `(row, column) * step + first`.

    Attributes:
        flow: `(2, n, m)`, pixels, right and down.
        score: `(n, m)`, which compares matches of one pair of images.
        verified: `(n, m)`, whether the match is in the target image and no other point has a higher score with it
            (section 2.1, footnote 1).
    """

    flow: Flow
    score: NDArray[np.float32]
    verified: Mask
    first: int
    step: int

    def enlarged(self, factor: int) -> "Matches":
        """Returns the same matches of images that are larger by a factor."""
        return replace(self, flow=self.flow * factor, first=self.first * factor, step=self.step * factor)

    def points(self) -> NDArray[np.float32]:
        """Returns where the points are: `(2, n, m)`, pixels, x and y, as flow has its components."""
        rows, columns = (self.first + self.step * np.arange(side, dtype=np.float32) for side in self.score.shape)
        return np.stack(np.broadcast_arrays(columns[None, :], rows[:, None])).astype(np.float32)


def fill(matches: Matches, height: int, width: int, radius: int = FILLED) -> tuple[Flow, Mask]:
    """Returns the motion of each pixel's nearest verified match, and which pixels have one so near.

    Of matches as near, the one of the highest score counts (section 3, footnote 3).

    Args:
        height, width: of the image.
        radius: how far a match may be, the larger of both axes, pixels.

    Returns:
        Flow `(2, H, W)`, 0 where there is none, and `(H, W)` bool.
    """
    flow, found = np.zeros((2, height, width), np.float32), np.full((height, width), np.inf, np.float32)
    sure = np.argwhere(matches.verified)
    # The nearest is written last, and of those as near the surest: a later one counts.
    for row, column in sure[np.argsort(matches.score[tuple(sure.T)], kind="stable")]:
        y, x = matches.first + matches.step * row, matches.first + matches.step * column
        rows = slice(max(0, y - radius), y + radius + 1)
        columns = slice(max(0, x - radius), x + radius + 1)
        near_y = abs(np.arange(height, dtype=np.float32)[rows] - y)
        near_x = abs(np.arange(width, dtype=np.float32)[columns] - x)
        distance = np.maximum(near_y[:, None], near_x[None, :])
        nearer = distance <= found[rows, columns]
        found[rows, columns][nearer] = distance[nearer]
        flow[:, rows, columns][:, nearer] = matches.flow[:, row, column, None]
    return flow, np.isfinite(found)
