"""The contrastive loss of equation 1, over all anchors of a batch at once.

Zhang and Maire, NeurIPS 2020, section 3.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trainers.methods.grouping.options import STRIDE, LossOptions


@dataclass(frozen=True)
class References:
    """What anchors are compared with: vectors of length 1, `(B, A, M, C)`, and which count, `(B, A, M)`, bool."""

    vectors: Tensor
    counted: Tensor


def joined(references: list[References]) -> References:
    """Returns the references of several sources as those of one."""
    vectors, counted = ([getattr(one, name) for one in references] for name in ("vectors", "counted"))
    return References(torch.cat(vectors, dim=2), torch.cat(counted, dim=2))


def at(embedding: Tensor, points: Tensor) -> Tensor:
    """Returns the embedding at points of the image, interpolated, of length 1: `(B, ..., C)`.

    Args:
        embedding: `(B, C, h, w)`, each vector that of a square of `STRIDE` pixels.
        points: `(B, ..., 2)`, y and x in pixels of the image; pixel 0's centre is 0.
    """
    sides = points.new_tensor(embedding.shape[-2:]) * STRIDE
    grid = ((2 * points + 1) / sides - 1).flip(-1).flatten(1, -2)[:, :, None]
    vectors = F.grid_sample(embedding, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.normalize(vectors[..., 0].transpose(1, 2), dim=2).reshape(*points.shape[:-1], -1)


def similarities(anchors: Tensor, references: References) -> Tensor:
    """Returns the cosines `(B, A, M)` of anchors `(B, A, C)` and their references, all of length 1.

    Products and a sum, and no `einsum`, which autocast would have in bfloat16.
    """
    return (anchors[:, :, None] * references.vectors).sum(dim=3)


def grouping_loss(
    anchors: Tensor, counted: Tensor, positives: References, negatives: References, options: LossOptions
) -> Tensor:
    """Returns the mean of the terms of equation 1 over all pairs of an anchor and a positive that count; 0 of none.

    The term of a pair is the share of exp(sim / temperature) that is the positive's, of it and all of the anchor's
    negatives. `log` has minus its logarithm, `sum` minus the term itself, as equation 1 is maximised.

    Args:
        anchors: `(B, A, C)`, of length 1.
        counted: `(B, A)`, bool: each that counts has a negative that counts.
    """
    wanted = positives.counted & counted[..., None]
    near = similarities(anchors, positives) / options.temperature
    far = similarities(anchors, negatives) / options.temperature
    ahead = near - far.masked_fill(~negatives.counted, -torch.inf).logsumexp(dim=2, keepdim=True)
    terms = F.softplus(-ahead) if options.form == "log" else -ahead.sigmoid()
    return (terms * wanted).sum() / wanted.sum().clamp(min=1)
