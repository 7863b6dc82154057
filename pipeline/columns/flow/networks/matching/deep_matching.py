"""Deep matching as a network: from two images to scores that can be learnt from, to matches, and to flow."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common_fate.errors import SampleError
from pipeline.columns.flow.networks.matching.descriptors import Descriptor, EncoderLayer, create_descriptor
from pipeline.columns.flow.networks.matching.grid import MatchingGrid
from pipeline.columns.flow.networks.matching.interpolation import interpolate
from pipeline.columns.flow.networks.matching.levels import Levels, coarsen, refine
from pipeline.columns.flow.networks.matching.matches import Matches
from pipeline.columns.flow.networks.matching.pyramid import (
    TIE,
    aggregate,
    correlate,
    disaggregate,
    padded,
    pool,
    unpool,
)

EXPONENT = 1.4
"""nu of all levels, where it is not learnt (section 2.1)."""
_BLOCK = 4  # rows of points whose scores are there at once
_PLACES = 9  # that may be as good as a match: it and its neighbours
_KEPT = 2**27  # scores of level 0 that are kept, rather than computed a second time


class DeepMatching(nn.Module):
    """Matches the points of an image with those of another.

    Called on frames `(B, 2, 3, H, W)`, RGB in [0, 1], it gives flow `(B, 2, H, W)`, pixels, interpolated between the
    verified matches.

    Args:
        grid: which points, and how far their matches.
        descriptor: from images to `(B, C, H, W)` of length 1, at every pixel.

    Attributes:
        encoder: the image encoder that describes, in evaluation mode; None where another descriptor does.
    """

    frames = 2

    def __init__(self, grid: MatchingGrid, descriptor: Descriptor) -> None:
        super().__init__()
        self.grid = grid
        self.descriptor = descriptor
        self.encoder = descriptor.encoder if isinstance(descriptor, EncoderLayer) else None
        self.exponents = nn.Parameter(torch.full((grid.levels,), EXPONENT))

    def train(self, mode: bool = True) -> "DeepMatching":
        """Sets the mode of everything but the encoder: a step has one pair, too few images for their statistics."""
        super().train(mode)
        if self.encoder is not None:
            self.encoder.eval()
        return self

    def forward(self, frames: Tensor) -> Tensor:
        flows = []
        for pair in frames:
            images = [np.rint(255 * image.permute(1, 2, 0).cpu().numpy()).astype(np.uint8) for image in pair]
            flows.append(interpolate(self.match(*pair), *images))
        return torch.from_numpy(np.stack(flows)).to(frames.device)

    def scores(self, this: Tensor, following: Tensor) -> tuple[Levels, tuple[Tensor, ...]]:
        """Returns the scores of all levels, and the decoded ones, of images `(B, 3, H, W)`: S_0 to S_L, Q_0 to Q_L."""
        reference, windows = self._described(this, following)
        exponents = self.exponents[: self.grid.depth(this.shape[2], this.shape[3])]
        levels = coarsen(correlate(reference, windows, self.grid), self.grid, tuple(exponents))
        return levels, refine(levels, self.grid)

    @torch.no_grad()
    def match(self, this: Tensor, following: Tensor, pyramid: bool = True) -> Matches:
        """Returns the best match of each point of an image `(3, H, W)`, reduced where it is large.

        Only some rows of the largest scores are in memory at a time, where they are many.

        Args:
            pyramid: false compares descriptors alone: the nearest neighbour of each.

        Raises:
            SampleError: the image is smaller than where its first point would be.
        """
        factor = self.grid.reduction(this.shape[1], this.shape[2])
        if factor > 1:
            this, following = (F.avg_pool2d(image, factor) for image in (this, following))
        if not self.grid.points(min(this.shape[1:])):
            raise SampleError("too small for deep matching")
        reference, windows = self._described(this[None], following[None])
        points = reference.shape[2:]
        depth = self.grid.depth(this.shape[1], this.shape[2]) if pyramid else 0
        keep = points.numel() * (2 * self.grid.reach(0) + 1) ** 2 <= _KEPT
        kept: list[Tensor] = []
        above: list[tuple[Tensor, Tensor]] = []
        if depth:
            pooled = []
            for scores in self._rows(reference, windows):
                pooled.append(pool(scores))
                kept += [scores] if keep else []
            switches = [where for _, where in pooled]
            first = aggregate(torch.cat([largest for largest, _ in pooled], 1), self.grid.shifts(0), self.exponents[0])
            levels = coarsen(first, self.grid, tuple(self.exponents[1:depth]), first=1)
            best = disaggregate(refine(levels, self.grid, first=1)[0], self.grid.shifts(0), (points[0], points[1]))
            above = list(zip(torch.split(best, _BLOCK, 1), switches, strict=True))
        rows = iter(kept) if kept else self._rows(reference, windows)
        return self._best(rows, above, windows.shape[2:], following).enlarged(factor)

    def _described(self, this: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        grid = self.grid
        reference = self.descriptor(this)[:, :, grid.beta :: grid.alpha, grid.beta :: grid.alpha]
        return reference, padded(self.descriptor(following), grid, (reference.shape[2], reference.shape[3]))

    def _rows(self, reference: Tensor, windows: Tensor) -> Iterator[Tensor]:
        """The scores of level 0, some rows at a time."""
        step = self.grid.alpha // self.grid.gamma
        for row in range(0, reference.shape[2], _BLOCK):
            yield correlate(reference[:, :, row : row + _BLOCK], windows[:, :, step * row :], self.grid)

    def _best(
        self, rows: Iterator[Tensor], above: list[tuple[Tensor, Tensor]], size: torch.Size, following: Tensor
    ) -> Matches:
        """The best matches by rows of level 0 and what is added to them, and which are to be trusted.

        Those are the best of both their points, and there are not many others as good, as there are in a clear sky.
        """
        grid, reach = self.grid, self.grid.reach(0)
        side, step = 2 * reach + 1, grid.alpha // grid.gamma
        highest = torch.full(tuple(size), -torch.inf, device=following.device)
        found, scored, one = [], [], []
        for block, scores in enumerate(rows):
            if above:
                scores = scores + unpool(*above[block], side)
            everywhere = scores[0].flatten(2)
            score, index = everywhere.max(2)
            as_good = (everywhere >= (score - TIE * score.abs())[:, :, None]).sum(2)
            one.append(as_good <= _PLACES)
            found.append(torch.stack([index % side - reach, index // side - reach]))
            scored.append(score)
            for row, column in np.ndindex(score.shape):
                top, left = step * (block * _BLOCK + row), step * column
                seen = highest[top : top + side, left : left + side]
                torch.maximum(seen, scores[0, row, column], out=seen)
        steps, score = torch.cat(found, 1), torch.cat(scored)
        at = torch.stack(torch.meshgrid(*(torch.arange(count) * step for count in score.shape), indexing="ij"))
        at = at.to(steps.device) + steps.flip(0) + reach  # of a match, among the windows
        pixel = grid.gamma * (at - reach) + grid.beta
        limits = pixel.new_tensor(following.shape[1:]).view(2, 1, 1)
        inside = ((pixel >= 0) & (pixel < limits)).all(0)
        verified = inside & torch.cat(one) & (score >= highest[at[0], at[1]])
        flow = (grid.gamma * steps).float().cpu().numpy()
        return Matches(flow, score.cpu().numpy(), verified.cpu().numpy(), grid.beta, grid.alpha)


def create(options: Mapping[str, Any]) -> DeepMatching:
    """Returns deep matching with random weights, where its descriptor has any.

    Args:
        options: those of `MatchingGrid`; `descriptor`, a name, and what else `create_descriptor` takes.

    Raises:
        TypeError, ValueError: they do not fit.
    """
    names = {field.name for field in fields(MatchingGrid)}
    grid = MatchingGrid(**{name: value for name, value in options.items() if name in names})
    rest = {name: value for name, value in options.items() if name not in names | {"descriptor"}}
    return DeepMatching(grid, create_descriptor(options.get("descriptor", "gradients"), rest))
