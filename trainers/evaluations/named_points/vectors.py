"""Vectors of pixels: of whole images, at places, and where an image is most like one."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common_fate.errors import UserError
from trainers.evaluations.job import Job
from trainers.evaluations.start import load_start_features


class Vectors(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1] to vectors `(B, L, h, w)`, whose inner products say what corresponds.

    Args:
        net: an embedding of pixels, whose call gives vectors and whose `embed` gives those of length 1; or, where
            `encoder` is true, features of an image encoder.
        stride: image pixels between two vectors.
        offset: the image pixel that the first vector is of, which may lie between two.
        unit: whether their length is 1.
    """

    def __init__(self, net: nn.Module, stride: int, offset: float, unit: bool = False, encoder: bool = False) -> None:
        super().__init__()
        self.net, self.stride, self.offset, self.unit, self.encoder = net, stride, offset, unit, encoder

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        if self.encoder:
            return F.normalize(self.net(images).float(), dim=1)
        vectors: Tensor = self.net.embed(images) if self.unit else self.net(images)  # type: ignore[operator]
        return vectors.float()

    def of(self, image: Tensor) -> Tensor:
        """Returns the vectors `(L, h, w)` of an image `(3, H, W)`, on the network's device.

        Raises:
            UserError: one is not finite.
        """
        found: Tensor = self(image[None].to(next(self.parameters()).device))[0]
        check_finite(found)
        return found

    def at(self, vectors: Tensor, places: Tensor) -> Tensor:
        """Returns vectors `(L, h, w)` at places `(P, 2)`, y and x in image pixels, interpolated: `(P, L)`."""
        return _sampled(vectors, places, self.stride, self.offset).T

    def everywhere(self, vectors: Tensor, size: tuple[int, int]) -> Tensor:
        """Returns vectors `(L, h, w)` at all pixels of an image of `size`, interpolated: `(L, H, W)`."""
        rows, columns = (torch.arange(side, device=vectors.device, dtype=vectors.dtype) for side in size)
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)
        return _sampled(vectors, places.reshape(-1, 2), self.stride, self.offset).reshape(-1, *size)


def load_vectors(job: Job, kind: str, stride: int | None = None) -> Vectors:
    """Returns what gives vectors of pixels, from the job's weights, on a GPU where there is one.

    Args:
        kind: `unit`, at length 1; or `raw`, as the network gives them. Features of an encoder are always of length 1.
        stride: of an image encoder's features.

    Raises:
        UserError: see `load_start_features`.
    """
    features = load_start_features(job, 0, stride)
    spacing = features.grid()[1]
    if features.stride is not None:  # the features of a convolution with stride lie at every so many pixels
        made = Vectors(features, spacing, 0.0, encoder=True)
    else:
        offset = float(getattr(features.net, "offset", (spacing - 1) / 2))
        made = Vectors(features.net, spacing, offset, kind == "unit")
    return made.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def check_finite(found: Tensor) -> None:
    """Raises `UserError` where what a network gives is not finite: a training that diverged."""
    if not bool(torch.isfinite(found).all()):
        raise UserError("the network gives vectors that are not finite: it cannot be measured; train it anew")


def kept(found: Tensor) -> Tensor:
    """Returns vectors in 16 bits, in memory that is not the device's; in 32 where one is too large for 16."""
    small = found.to(torch.float16)
    return (small if bool(torch.isfinite(small).all()) else found.float()).cpu()


def most_like(queries: Tensor, vectors: Tensor) -> Tensor:
    """Returns the pixels whose vectors `(L, H, W)` have the largest inner product with queries `(P, L)`: `(P, 2)`.

    Raises:
        UserError: a vector is not finite.
    """
    products = queries @ vectors.flatten(1)
    check_finite(products)
    best = products.argmax(dim=1)
    width = vectors.shape[2]
    return torch.stack([best // width, best % width], dim=1).float().cpu()


def _sampled(vectors: Tensor, places: Tensor, stride: int, offset: float) -> Tensor:
    """`(L, P)`: bilinear between the places of vectors, and the nearest beyond the outermost."""
    sides = torch.tensor(vectors.shape[1:], device=vectors.device, dtype=vectors.dtype)
    cells = (places.to(vectors) - offset) / stride
    grid = (2 * cells / (sides - 1).clamp(min=1) - 1).flip(-1)
    found = F.grid_sample(vectors[None], grid[None, None], mode="bilinear", padding_mode="border", align_corners=True)
    return found[0, :, 0]
