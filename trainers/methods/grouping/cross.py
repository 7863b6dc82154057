"""Negatives from other images: those of the batch, or a queue of pixels of former batches.

Zhang and Maire, NeurIPS 2020, section 3, "Crossing-image Negative Sampling".
"""

import torch
from torch import Tensor, nn

from trainers.methods.grouping.loss import References


def of_batch(embedding: Tensor, draws: Tensor) -> References:
    """Returns negatives drawn evenly from all vectors of the batch's other images; none that count, if there are none.

    Args:
        embedding: `(B, C, h, w)`.
        draws: `(B, A, K)` in [0, 1).
    """
    batch, _, height, width = embedding.shape
    cells = height * width
    index = _index(draws, torch.tensor((batch - 1) * cells, device=draws.device))
    own = torch.arange(batch, device=draws.device)[:, None, None]
    others = (own + 1 + index // cells) % batch
    vectors = embedding.flatten(2).transpose(1, 2)[others, index % cells]
    return References(vectors, torch.full_like(index, batch > 1, dtype=torch.bool))


class PixelQueue(nn.Module):
    """The vectors of the last pixels that were added, all of it buffers: a checkpoint has them.

    Args:
        size: how many pixels.
        channels: of a vector.
    """

    vectors: Tensor
    images: Tensor
    filled: Tensor
    next: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("vectors", torch.zeros(size, channels))
        self.register_buffer("images", torch.full((size,), -1))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.register_buffer("next", torch.zeros((), dtype=torch.int64))

    def draw(self, draws: Tensor, images: Tensor) -> References:
        """Returns negatives drawn evenly; none counts that is of the anchor's own image.

        Args:
            draws: `(B, A, K)` in [0, 1).
            images: `(B,)`, the identities of the anchors' images.
        """
        index = _index(draws, self.filled)
        return References(self.vectors[index], (self.images[index] != images[:, None, None]) & (self.filled > 0))

    @torch.no_grad()
    def add(self, vectors: Tensor, images: Tensor) -> None:
        """Adds vectors `(n, C)`, at most as many as there is room for, of images `(n,)`, in place of the oldest."""
        places = (self.next + torch.arange(len(vectors), device=self.next.device)) % self.size
        self.vectors.index_copy_(0, places, vectors.detach())
        self.images.index_copy_(0, places, images)
        self.filled.copy_((self.filled + len(vectors)).clamp(max=self.size))
        self.next.copy_((self.next + len(vectors)) % self.size)


def _index(draws: Tensor, count: Tensor) -> Tensor:
    """Whole numbers from 0 to below a count; 0 where it is 0."""
    return torch.minimum((draws.double() * count).long(), count - 1).clamp(min=0)
