"""The auxiliary images of each pair: the next ones of its batch, or some of a pool of the last ones.

Thewlis, "Objects from Motion", chapter 7, sections 3.3 and 4.2: 5 for each pair, of a pool of 16 that went through
warps, too. The later release has 1, the next one of the batch.
"""

import torch
from torch import Tensor, nn


def following(vectors: Tensor, count: int) -> Tensor:
    """Returns the vectors of the next `count` images of a batch `(B, N, L)`, side by side: `(B, count * N, L)`."""
    return torch.cat([vectors.roll(-step, dims=0) for step in range(1, count + 1)], dim=1)


class ImagePool(nn.Module):
    """The last images that were added, all of it buffers: a checkpoint has them.

    Args:
        size: how many images.
        side: of an image, pixels.
    """

    images: Tensor
    identities: Tensor
    next: Tensor

    def __init__(self, size: int, side: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, 3, side, side))
        self.register_buffer("identities", torch.full((size,), -1))
        self.register_buffer("next", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def fill(self, images: Tensor, identities: Tensor) -> None:
        """Fills an empty pool with images `(n, 3, S, S)`, over and over; one that has images stays as it is."""
        empty = self.identities[0] < 0
        turn = torch.arange(self.size, device=images.device) % len(images)
        self.images.copy_(torch.where(empty, images[turn].to(self.images.dtype), self.images))
        self.identities.copy_(torch.where(empty, identities[turn], self.identities))

    @torch.no_grad()
    def add(self, images: Tensor, identities: Tensor) -> None:
        """Adds images `(n, 3, S, S)` in place of the oldest; of more than there is room for, the last ones."""
        images, identities = images[-self.size :], identities[-self.size :]
        places = (self.next + torch.arange(len(images), device=self.next.device)) % self.size
        self.images.index_copy_(0, places, images.detach().to(self.images.dtype))
        self.identities.index_copy_(0, places, identities)
        self.next.copy_((self.next + len(images)) % self.size)

    def draw(self, identities: Tensor, count: int) -> Tensor:
        """Returns the numbers of `count` images for each pair, `(B, count)`, its own image only where it must be.

        They are drawn from PyTorch's global generator, evenly and without repetition.

        Args:
            identities: `(B,)`, of the pairs' images.
        """
        order = torch.rand(len(identities), self.size).to(identities.device)
        order = order + (identities[:, None] == self.identities).float()
        return order.topk(count, dim=1, largest=False).indices
