"""How well matches of embeddings predict motion.

Thewlis, "Objects from Motion": chapter 5, equations 3 to 5; chapter 6, equations 4 and 6; chapter 7, equations 3 and 4.
"""

import math

import torch
from torch import Tensor

from trainers.methods.objects.correlation import MatchLoss, Reconstruction, distances
from trainers.methods.objects.geometry import Grid, Matches
from trainers.methods.objects.options import LossOptions


def rows_of(embedding: Tensor) -> Tensor:
    """Returns the vectors of an embedding `(B, L, h, w)` row by row, `(B, h * w, L)`."""
    return embedding.flatten(2).transpose(1, 2).contiguous()


def match_loss(
    first: Tensor, second: Tensor, found: Matches, grid: Grid, options: LossOptions, auxiliary: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns the sums of the loss over the pixels of each image that count, and how many they are, `(B,)` both.

    With rotational symmetry the sum is the least over all turns of an image's embedding (chapter 6, equation 6).

    Args:
        first, second: vectors `(B, cells, L)` of both images; those of a mirrored second image are to be flipped
            before.
        found: the motion from the first to the second.
        auxiliary: vectors `(B, M, L)` of each pair's auxiliary images, side by side (chapter 7, section 3.3).
    """
    rows, weights = counted_rows(found.counted)
    targets = found.targets.gather(1, rows[..., None].expand(-1, -1, 2)).to(first.dtype)
    vectors = first.gather(1, rows[..., None].expand(-1, -1, first.shape[2]))
    weights = weights.to(first.dtype)
    if auxiliary is not None:
        vectors = reconstructed(vectors, auxiliary, options.memory)
    gamma = options.gamma if options.kind == "dist" else None
    sums = [_sums(turned, second, targets, weights, grid, gamma, options.memory) for turned in turns(vectors, options)]
    return torch.stack(sums).amin(dim=0), weights.sum(dim=1)


def counted_rows(counted: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the numbers of what counts in each image first, as many as the most of them, and which of these count.

    Args:
        counted: `(B, N)`, bool.

    Returns:
        Two of `(B, R)`, int64 and bool.
    """
    most = int(counted.sum(dim=1).max())
    # Stable, so that they stay in their order.
    rows = torch.sort(~counted, dim=1, stable=True).indices[:, :most]
    return rows, counted.gather(1, rows)


def turns(vectors: Tensor, options: LossOptions) -> list[Tensor]:
    """Returns vectors `(B, R, L)` turned about the third axis by each element of the group of rotations; or as is."""
    if options.symmetry != "rotational":
        return [vectors]
    made = []
    for number in range(options.order):
        angle = 2 * math.pi * number / options.order
        x, y, rest = vectors[..., :1], vectors[..., 1:2], vectors[..., 2:]
        cosine, sine = math.cos(angle), math.sin(angle)
        made.append(torch.cat([cosine * x - sine * y, sine * x + cosine * y, rest], dim=2))
    return made


def reflected(vectors: Tensor, mirrored: Tensor) -> Tensor:
    """Returns vectors `(B, N, L)`, those of mirrored images, `(B,)` bool, with the sign of the first axis changed.

    Chapter 6, equation 2.
    """
    signs = torch.where(mirrored, -1.0, 1.0).to(vectors.dtype)[:, None, None]
    return torch.cat([vectors[..., :1] * signs, vectors[..., 1:]], dim=2)


def reconstructed(vectors: Tensor, auxiliary: Tensor, memory: str) -> Tensor:
    """Returns each vector as the mean of an auxiliary set's, by how well they match (chapter 7, equation 3)."""
    if memory == "whole":
        return torch.bmm(torch.bmm(vectors, auxiliary.transpose(1, 2)).softmax(dim=2), auxiliary)
    made: Tensor = Reconstruction.apply(vectors, auxiliary)
    return made


def _sums(
    first: Tensor, second: Tensor, targets: Tensor, weights: Tensor, grid: Grid, gamma: float | None, memory: str
) -> Tensor:
    if memory == "blocks":
        made: Tensor = MatchLoss.apply(first, second, targets, weights, grid, gamma)
        return made
    scores = torch.bmm(first, second.transpose(1, 2))
    if gamma is None:
        terms = -scores.log_softmax(dim=2).gather(2, grid.nearest(targets)[..., None])[..., 0]
    else:
        terms = (scores.softmax(dim=2) * distances(targets, grid, gamma)).sum(dim=2)
    return (terms * weights).sum(dim=1)
