"""Linear regressors without bias, from the places of points to those of named landmarks, in closed form.

Thewlis et al., "Unsupervised learning of object landmarks by factorized spatial embeddings", ICCV 2017, section 4.3.
"""

import torch
from torch import Tensor


def shares(places: Tensor, side: tuple[int, int]) -> Tensor:
    """Returns places `(..., 2)`, y and x in pixels, as shares of an image's sides, H and W, from its corner."""
    return (places + 0.5) / torch.tensor(side, dtype=places.dtype, device=places.device)


def pixels(parts: Tensor, side: tuple[int, int]) -> Tensor:
    """Returns shares of an image's sides as places in pixels: what `shares` undoes."""
    return parts * torch.tensor(side, dtype=parts.dtype, device=parts.device) - 0.5


def fit_linear(points: Tensor, places: Tensor, visible: Tensor, ridge: float) -> Tensor:
    """Returns the weights `(P, 2K, 2)` of the regressor of each landmark, from the images where it is visible.

    They minimise the mean squared error, and `ridge` times their squares. Without `ridge`, of all that fit as well,
    they are the smallest; of a landmark that is visible nowhere they are 0.

    Args:
        points: `(N, K, 2)`, shares; or of each landmark its own, `(N, P, K, 2)`.
        places: `(N, P, 2)`, shares.
        visible: `(N, P)`, bool.
    """
    weights = []
    for number in range(places.shape[1]):
        rows = visible[:, number]
        own = points[:, number] if points.ndim == 4 else points
        inputs, targets = own[rows].flatten(1).double(), places[rows, number].double()
        if not len(inputs):
            weights.append(torch.zeros(inputs.shape[1], 2))
            continue
        if ridge:  # the same as more rows, of the root of the penalty
            penalty = (ridge * len(inputs)) ** 0.5 * torch.eye(inputs.shape[1], dtype=torch.float64)
            inputs = torch.cat([inputs, penalty])
            targets = torch.cat([targets, torch.zeros(len(penalty), 2, dtype=torch.float64)])
        weights.append(torch.linalg.lstsq(inputs, targets, driver="gelsd").solution.float())
    return torch.stack(weights)


def told(points: Tensor, weights: Tensor) -> Tensor:
    """Returns the landmarks `(N, P, 2)`, shares, that regressors tell from points; see `fit_linear`."""
    if points.ndim == 4:
        return torch.einsum("npk,pkd->npd", points.flatten(2), weights)
    return torch.einsum("nk,pkd->npd", points.flatten(1), weights)
