"""The two sums over all pairs of pixels, a block of rows at a time: neither holds the correlation whole.

Both give the same values and gradients as their plain forms in `loss`, which do.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from trainers.methods.objects.geometry import Grid

BLOCK = 2**18
"""Pairs of pixels in a block: a megabyte in float32, which stays in a core's cache."""
GPU_BLOCK = 2**26


def blocks(images: int, rows: int, cells: int, device: torch.device) -> Iterator[tuple[slice, slice]]:
    """Yields slices of images and of their rows, of `cells` pairs each: several whole images, or some rows of one."""
    most = BLOCK if device.type == "cpu" else GPU_BLOCK
    some = max(most // max(rows * cells, 1), 1)
    step = rows if rows * cells <= most else max(most // cells, 1)
    for image in range(0, images, some):
        for start in range(0, rows, max(step, 1)):
            yield slice(image, min(image + some, images)), slice(start, min(start + step, rows))


def powered(squares: Tensor, gamma: float) -> Tensor:
    """Returns distances to the power of gamma from their squares, in place."""
    if gamma == 2:
        return squares
    if gamma == 1:
        return squares.sqrt_()
    if gamma == 0.5:
        return squares.sqrt_().sqrt_()
    return squares.pow_(gamma / 2)


def distances(targets: Tensor, grid: Grid, gamma: float) -> Tensor:
    """Returns how far each vector of a grid is from targets `(..., 2)`, to the power of gamma: `(..., cells)`.

    The squares are a sum of one over rows and one over columns.
    """
    y, x = grid.axes(targets.device)
    down = (y.to(targets.dtype) - targets[..., :1]).square()
    right = (x.to(targets.dtype) - targets[..., 1:]).square()
    return powered((down[..., :, None] + right[..., None, :]).flatten(-2), gamma)


class MatchLoss(torch.autograd.Function):
    """Sums of equation 4 or 5 over the rows of each image: `(B,)`.

    The gradient is made along with the value, block by block, so that nothing is computed twice; what is kept is as
    large as the embeddings.

    Args (of `apply`):
        first: `(B, R, L)`, embeddings of the first image's pixels.
        second: `(B, cells, L)`, of all of the second's.
        targets: `(B, R, 2)`, where the former are in the second image, pixels.
        weights: `(B, R)`, of the rows; 0 leaves one out.
        grid: of the second image's vectors.
        gamma: of equation 5, or None for equation 4.
    """

    @staticmethod
    def forward(
        ctx: Any, first: Tensor, second: Tensor, targets: Tensor, weights: Tensor, grid: Grid, gamma: float | None
    ) -> Tensor:
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        total = first.new_zeros(len(first))
        to_first = torch.zeros_like(first) if wanted else None
        to_second = torch.zeros_like(second) if wanted else None
        for images, rows in blocks(len(first), first.shape[1], grid.cells, first.device):
            vectors, others, places = first[images, rows], second[images], targets[images, rows]
            counts = weights[images, rows, None]
            share = torch.bmm(vectors, others.transpose(1, 2))
            most = share.amax(dim=2, keepdim=True)
            cells = grid.nearest(places)[..., None] if gamma is None else None
            right = share.gather(2, cells) if cells is not None else None
            share.sub_(most).exp_()
            normaliser = share.sum(dim=2, keepdim=True)
            share.div_(normaliser)
            if gamma is None:
                assert cells is not None
                assert right is not None
                loss = most + normaliser.log() - right
                slope = share.scatter_add_(2, cells, -torch.ones_like(right))
            else:
                slope = distances(places, grid, gamma)
                loss = torch.linalg.vecdot(share, slope)[..., None]
                slope = slope.sub_(loss).mul_(share)
            total[images] += (loss * counts).sum(dim=(1, 2))
            if to_first is not None and to_second is not None:
                slope.mul_(counts)
                to_first[images, rows] = torch.bmm(slope, others)
                to_second[images].baddbmm_(slope.transpose(1, 2), vectors)
        ctx.save_for_backward(to_first, to_second)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        to_first, to_second = ctx.saved_tensors
        scale = grad[:, None, None]
        return to_first * scale, to_second * scale, None, None, None, None


class Reconstruction(torch.autograd.Function):
    """Each vector as the mean of an auxiliary set's, by how well they match: `(B, R, L)` (chapter 7, equation 3).

    The backward pass computes each block of the correlation again.

    Args (of `apply`):
        vectors: `(B, R, L)`.
        auxiliary: `(B, M, L)`.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, auxiliary: Tensor) -> Tensor:
        made = torch.empty_like(vectors)
        for images, rows in blocks(len(vectors), vectors.shape[1], auxiliary.shape[1], vectors.device):
            others = auxiliary[images]
            share = torch.bmm(vectors[images, rows], others.transpose(1, 2)).softmax(dim=2)
            made[images, rows] = torch.bmm(share, others)
        ctx.save_for_backward(vectors, auxiliary, made)
        return made

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        vectors, auxiliary, made = ctx.saved_tensors
        to_vectors, to_auxiliary = torch.empty_like(vectors), torch.zeros_like(auxiliary)
        mean = (grad * made).sum(dim=2, keepdim=True)
        for images, rows in blocks(len(vectors), vectors.shape[1], auxiliary.shape[1], vectors.device):
            some, others, slopes = vectors[images, rows], auxiliary[images], grad[images, rows]
            share = torch.bmm(some, others.transpose(1, 2)).softmax(dim=2)
            to_auxiliary[images].baddbmm_(share.transpose(1, 2), slopes)
            slope = torch.bmm(slopes, others.transpose(1, 2)).sub_(mean[images, rows]).mul_(share)
            to_vectors[images, rows] = torch.bmm(slope, others)
            to_auxiliary[images].baddbmm_(slope.transpose(1, 2), some)
        return to_vectors, to_auxiliary
