"""Virtual points: places of an image where its embedding is like a vector that is learnt, and a regressor of them.

Thewlis et al., "Unsupervised learning of object frames by dense equivariant image labelling", NeurIPS 2017, section
4.3; how many, how sharp, and the loss are as in the code published with Thewlis et al., ICCV 2019.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers.evaluations.landmark_regression.evaluation import LandmarkRegressionOptions
from trainers.evaluations.landmark_regression.linear import fit_linear, told

HUBER = 20.0
"""Errors, shares of a side, times this are squared below 1: as 10 does for the published code's halves of a side."""
CELLS_AT_ONCE = 2**25
"""Of the maps of virtual points that are in memory."""


class VirtualPoints(nn.Module):
    """From embeddings `(B, L, h, w)` of length 1 to landmarks `(B, P, 2)`, shares of the image's sides.

    Args:
        filters: `(P, M, L)`, the vectors of the virtual points of each landmark.
        weights: `(P, 2M, 2)`, of their regressors.
        sharpness: the factor before the softmax.
    """

    def __init__(self, filters: Tensor, weights: Tensor, sharpness: float) -> None:
        super().__init__()
        self.filters, self.weights = nn.Parameter(filters), nn.Parameter(weights)
        self.sharpness = sharpness

    def points(self, fields: Tensor) -> Tensor:
        """Returns where the virtual points are, `(B, P, M, 2)`, shares."""
        landmarks, several, _ = self.filters.shape
        scores = self.filters.flatten(0, 1) @ fields.flatten(2)
        maps = (self.sharpness * scores).softmax(dim=2)
        height, width = fields.shape[2:]
        rows, columns = ((torch.arange(n, device=fields.device) + 0.5) / n for n in (height, width))
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)
        return (maps @ places).reshape(len(fields), landmarks, several, 2)

    def forward(self, fields: Tensor) -> Tensor:
        return told(self.points(fields), self.weights)


def fit_virtual(
    fields: Sequence[Tensor], places: Tensor, visible: Tensor, options: LandmarkRegressionOptions, seed: int
) -> VirtualPoints:
    """Returns virtual points and regressors of landmarks, learnt from N images.

    Landmarks do not depend on each other, so that as many are learnt at once as there is room for. Vectors begin as
    those of pixels drawn from the images, regressors in closed form.

    Args:
        fields: embeddings of length 1, of each image `(L, h, w)`.
        places: `(N, P, 2)`, shares; visible: `(N, P)`, bool.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = min(options.batch_size, len(fields))
    cells = fields[0][0].numel() * options.virtual_points * batch
    at_once = max(1, CELLS_AT_ONCE // cells)
    parts = []
    for start in range(0, places.shape[1], at_once):
        rows = slice(start, start + at_once)
        rng = np.random.default_rng((options.seed, seed, start))
        parts.append(_fitted(fields, places[:, rows], visible[:, rows], options, batch, rng, device))
    filters, weights = (torch.cat([getattr(part, name).detach() for part in parts]) for name in ("filters", "weights"))
    return VirtualPoints(filters, weights, options.sharpness).requires_grad_(False)


def _fitted(
    fields: Sequence[Tensor],
    places: Tensor,
    visible: Tensor,
    options: LandmarkRegressionOptions,
    batch: int,
    rng: np.random.Generator,
    device: torch.device,
) -> VirtualPoints:
    def stacked(rows: Sequence[int]) -> Tensor:
        return F.normalize(torch.stack([fields[row].float() for row in rows]).to(device), dim=1)

    landmarks = places.shape[1]
    filters = _drawn(fields, (landmarks, options.virtual_points), rng).to(device)
    net = VirtualPoints(
        filters, torch.zeros(landmarks, 2 * options.virtual_points, 2, device=device), options.sharpness
    )
    with torch.no_grad():
        points = torch.cat([net.points(stacked(rows)).cpu() for rows in _batches(len(fields), batch)])
        net.weights.copy_(fit_linear(points, places, visible, options.ridge))
    optimizer = torch.optim.Adam(net.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    falls = sorted({max(1, options.iterations // 3), max(1, 5 * options.iterations // 6)})
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, falls)
    order: list[int] = []
    for _ in range(options.iterations):
        if len(order) < batch:
            order = rng.permutation(len(fields)).tolist()
        rows, order = order[:batch], order[batch:]
        counted = visible[rows].to(device)
        apart = HUBER * (net(stacked(rows)) - places[rows].to(device))
        each = F.smooth_l1_loss(apart, torch.zeros_like(apart), reduction="none").sum(dim=2)
        loss = (each * counted).sum() / counted.sum().clamp(min=1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return net.cpu()


def _drawn(fields: Sequence[Tensor], shape: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """Vectors `(P, M, L)` of length 1, of pixels drawn from the images."""
    count = shape[0] * shape[1]
    images = rng.integers(len(fields), size=count)
    cells = rng.integers(fields[0][0].numel(), size=count)
    drawn = torch.stack([fields[image].flatten(1)[:, cell] for image, cell in zip(images, cells, strict=True)])
    return F.normalize(drawn.float(), dim=1).reshape(*shape, -1)


def _batches(count: int, batch: int) -> list[list[int]]:
    return [list(range(start, min(start + batch, count))) for start in range(0, count, batch)]
