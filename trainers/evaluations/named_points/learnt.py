"""Vectors of named points, from the vectors of labelled images: their means, or those that match best.

Thewlis et al., "Unsupervised learning of object frames by dense equivariant image labelling", NeurIPS 2017, section
4.1, "Predicting capsule centers".
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainers.evaluations.named_points.samples import Pointed
from trainers.evaluations.named_points.vectors import Vectors, kept

AT_ONCE = 32
"""Images whose products are in memory."""


@dataclass
class Labelled:
    """The vectors of N images, see `kept`, with those at their P points.

    Args:
        fields: of each image `(L, h, w)`.
        at: of each image `(P, L)`.
        places, visible: of each image `(P, 2)` and `(P,)`.
        left_out: images for which there was no room.
    """

    fields: list[Tensor] = field(default_factory=list)
    at: list[Tensor] = field(default_factory=list)
    places: list[Tensor] = field(default_factory=list)
    visible: list[Tensor] = field(default_factory=list)
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.at)


def labelled(samples: Iterable[Pointed], vectors: Vectors, memory_gb: float) -> Labelled:
    """Returns the vectors of the images that have a visible point, of as many as there is room for."""
    made, room = Labelled(), memory_gb * 1e9
    for one in samples:
        if not one.visible.any():
            continue
        found = vectors.of(one.image)
        field = kept(found)
        room -= field.numel() * field.element_size()
        if room < 0 and made.fields:
            made.left_out += 1
            continue
        made.at.append(vectors.at(found, one.places).cpu())
        made.fields.append(field)
        made.places.append(one.places)
        made.visible.append(one.visible)
    return made


def mean_vectors(images: Labelled) -> Tensor:
    """Returns the mean vector of each point over the images where it is visible, `(P, L)`; 0 where it never is."""
    at, visible = torch.stack(images.at), torch.stack(images.visible)[..., None]
    return (at * visible).sum(dim=0) / visible.sum(dim=0).clamp(min=1)


def learnt_vectors(images: Labelled, iterations: int) -> Tensor:
    """Returns the vector z of each point, `(P, L)`, that makes its places the most probable.

    They minimise minus the logarithm of softmax over an image's pixels of the products with z, at the point: equation
    4, of z alone, which is convex. L-BFGS finds the minimum from the mean vectors.
    """
    at, visible = torch.stack(images.at).double(), torch.stack(images.visible).double()
    z = mean_vectors(images).double().requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [z], max_iter=iterations, tolerance_grad=1e-7, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )
    weight = visible.sum().clamp(min=1)

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = torch.zeros((), dtype=torch.float64)
        for start in range(0, len(images), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            fields = torch.stack([one.flatten(1).float() for one in images.fields[rows]])
            normal = (z.float() @ fields).logsumexp(dim=2).double()
            loss = ((normal - (z * at[rows]).sum(dim=2)) * visible[rows]).sum() / weight
            # A little that keeps z finite where a point is found without fail, and no finite z is the best.
            loss = loss + (1e-6 * z.square().sum() if start == 0 else 0)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return z.detach().float()
