"""Labels averaged over the nearest cells in memory: exact, and in tiles that bound the memory that it takes."""

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 16  # cells: the similarities of 256 of them at a time are 52 MB, for two frames of 480p at stride 4
GROUP = 64  # cells of which only the most similar one is looked at first
LEAST = 1e-6  # a neighbour's weight


def embedded(features: Tensor, position_weight: float) -> Tensor:
    """Returns features `(C, h, w)` at length 1, with weighted coordinates appended: `(C + 2, h, w)`.

    Coordinates are y and x, as shares of the longer side.
    """
    _, height, width = features.shape
    rows = torch.arange(height, device=features.device).float()[:, None].expand(height, width)
    columns = torch.arange(width, device=features.device).float().expand(height, width)
    places = torch.stack([rows, columns]) / max(height, width)
    return torch.cat([F.normalize(features.float(), dim=0), position_weight * places])


def averaged_labels(query: Tensor, memory: Tensor, labels: Tensor, neighbours: int, window: int | None) -> Tensor:
    """Computes for each cell of a frame the average of the labels of its nearest neighbours in memory.

    A neighbour's weight is its similarity, 1 less half the squared distance: the cosine, less what places differ by.

    Args:
        query: of the frame what `embedded` gives, `(D, h, w)`.
        memory: the same of the frames in memory, `(N, D, h, w)`.
        labels: of these the shares of K labels, `(N, K, h, w)`.
        neighbours: how many, over all frames in memory together; fewer where there are not as many.
        window: how many cells a neighbour may lie up, down, left or right; None: anywhere.

    Returns:
        `(K, h, w)`, which sum to 1 over K.
    """
    _, height, width = query.shape
    keys = torch.cat([memory, memory.square().sum(1, keepdim=True) / -2], dim=1)
    queries = torch.cat([query, torch.ones_like(query[:1])])
    whole = _columns(keys, labels) if window is None else None
    if window is not None:
        keys, labels = _bordered(keys, labels, window)
    found = labels.new_empty(labels.shape[1], height, width)
    room = query.new_empty(0)  # one for all tiles: fresh memory costs as much as what is written into it
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            cells = queries[:, top : top + TILE, left : left + TILE]
            rows, columns = cells.shape[1:]
            reach = 2 * (window or 0)
            area = slice(top, top + rows + reach), slice(left, left + columns + reach)
            candidates, theirs = whole or _columns(keys[:, :, *area], labels[:, :, *area])
            room.resize_(rows * columns, candidates.shape[1])
            products = torch.mm(cells.flatten(1).T, candidates, out=room)
            if window is not None:
                outside = _outside(rows, columns, window, query.device)
                around = products[:, : len(memory) * outside.shape[1]].view(len(products), len(memory), -1)
                around.masked_fill_(outside[:, None], -torch.inf)
            rest = 1 - cells[:-1].flatten(1).square().sum(0) / 2
            average = _averaged(products, rest, theirs, neighbours)
            found[:, top : top + rows, left : left + columns] = average.view(-1, rows, columns)
    return found


def _averaged(products: Tensor, rest: Tensor, labels: Tensor, neighbours: int) -> Tensor:
    """From products `(Q, M)`, what makes similarities of each row of them `(Q)`, and labels `(K, M)`: `(K, Q)`."""
    groups = products.view(len(products), -1, GROUP)
    # The nearest are in the groups whose best are best, so that the search reads few of the others' cells.
    best = groups.amax(2).topk(min(neighbours, groups.shape[1])).indices
    candidates = groups.gather(1, best[:, :, None].expand(-1, -1, GROUP)).flatten(1)
    most, at = candidates.topk(min(neighbours, candidates.shape[1]))
    places = best.gather(1, at // GROUP) * GROUP + at % GROUP
    weights = (most + rest[:, None]).clamp(min=LEAST)
    sums = (labels[:, places] * weights).sum(2)
    return sums / sums.sum(0)


def _columns(keys: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Keys `(D, M)` and labels `(K, M)` of all cells, M a multiple of `GROUP`: those added are far from everything."""
    keys, labels = (of.transpose(0, 1).flatten(1) for of in (keys, labels))
    cells = keys.shape[1]
    keys, labels = (F.pad(of, (0, -cells % GROUP)) for of in (keys, labels))
    keys[-1, cells:] = -torch.inf
    return keys, labels


def _bordered(keys: Tensor, labels: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Both with cells around them that are far from everything, so that windows have one size."""
    border = (window,) * 4
    keys = torch.cat([F.pad(keys[:, :-1], border), F.pad(keys[:, -1:], border, value=-torch.inf)], dim=1)
    return keys, F.pad(labels, border)


def _outside(rows: int, columns: int, window: int, device: torch.device) -> Tensor:
    """Which cells around a tile are out of each of its cells' windows, `(rows * columns, cells around)`."""
    down, across = (
        (torch.arange(side + 2 * window, device=device) - window - torch.arange(side, device=device)[:, None]).abs()
        > window
        for side in (rows, columns)
    )
    return (down[:, None, :, None] | across[None, :, None, :]).flatten(2).flatten(0, 1)
