"""The ways in which named landmarks are told from what a network finds: each learns from some labels, then predicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainers.evaluations.landmark_regression.evaluation import LandmarkRegressionOptions
from trainers.evaluations.landmark_regression.linear import fit_linear, pixels, shares, told
from trainers.evaluations.landmark_regression.virtual import fit_virtual
from trainers.evaluations.named_points.vectors import Vectors, check_finite, kept, most_like

REGRESSED, NEAREST, STILL = "regressed", "nearest", "mean place"

Predict = Callable[[Any, tuple[int, int]], Tensor]
"""From what was found in an image of some height and width to where its landmarks are, `(P, 2)`, in pixels."""


@dataclass(frozen=True)
class Labels:
    """Images that may be learnt from: what was found in each, and where its P landmarks are.

    Args:
        found: of each image, see `Sparse` and `Dense`.
        places: `(N, P, 2)`, shares of the image's sides.
        visible: `(N, P)`, bool.
        size: H and W of the images.
    """

    found: Sequence[Any]
    places: Tensor
    visible: Tensor
    size: tuple[int, int]

    def some(self, rows: Sequence[int]) -> "Labels":
        """Returns some of them."""
        return Labels([self.found[row] for row in rows], self.places[rows], self.visible[rows], self.size)


class Sparse:
    """Of a network that finds K landmarks of its own: `net.points`. Found are `(K, 2)`, shares of the image's sides."""

    ways = (REGRESSED,)

    def __init__(self, net: nn.Module, options: LandmarkRegressionOptions) -> None:
        self.net, self.options = net, options

    @torch.no_grad()
    def find(self, image: Tensor) -> Tensor:
        """Returns what is found in an image `(3, H, W)`."""
        device = next(self.net.parameters()).device
        points: Tensor = self.net.points(image[None].to(device))[0].cpu()  # type: ignore[operator]
        check_finite(points)
        return shares(points, (image.shape[1], image.shape[2]))

    def size(self, found: Tensor) -> int:
        """Returns the bytes of what was found."""
        return found.numel() * found.element_size()

    def learn(self, labels: Labels, seed: int) -> Mapping[str, Predict]:
        """Returns each way of telling landmarks, learnt from labels."""
        weights = fit_linear(torch.stack(list(labels.found)), labels.places, labels.visible, self.options.ridge)
        return {REGRESSED: lambda found, size: pixels(told(found[None], weights)[0], size)}


class Dense:
    """Of a network that embeds pixels. Found is the embedding `(L, h, w)`, see `kept`."""

    ways = (REGRESSED, NEAREST)

    def __init__(self, vectors: Vectors, options: LandmarkRegressionOptions) -> None:
        self.vectors, self.options = vectors, options

    def find(self, image: Tensor) -> Tensor:
        """Returns what is found in an image `(3, H, W)`."""
        return kept(self.vectors.of(image))

    def size(self, found: Tensor) -> int:
        """Returns the bytes of what was found."""
        return found.numel() * found.element_size()

    def learn(self, labels: Labels, seed: int) -> Mapping[str, Predict]:
        """Returns each way of telling landmarks, learnt from labels."""
        means = self._mean_vectors(labels)
        net = fit_virtual(labels.found, labels.places, labels.visible, self.options, seed)

        def nearest(found: Tensor, size: tuple[int, int]) -> Tensor:
            return most_like(means, self.vectors.everywhere(found.float(), size))

        def regressed(found: Tensor, size: tuple[int, int]) -> Tensor:
            with torch.no_grad():
                return pixels(net(F.normalize(found[None].float(), dim=1))[0], size)

        return {REGRESSED: regressed, NEAREST: nearest}

    def _mean_vectors(self, labels: Labels) -> Tensor:
        """The mean vector at each landmark, `(P, L)`, over the images where it is visible."""
        total = torch.zeros(labels.places.shape[1], len(labels.found[0]))
        for found, places, visible in zip(labels.found, labels.places, labels.visible, strict=True):
            total += self.vectors.at(found.float(), pixels(places, labels.size)) * visible[:, None]
        return total / labels.visible.sum(dim=0).clamp(min=1)[:, None]


def mean_place(labels: Labels) -> Predict:
    """Returns what says of any image that landmarks are where they are on average: the baseline."""
    seen = labels.visible[..., None]
    mean = (labels.places * seen).sum(dim=0) / seen.sum(dim=0).clamp(min=1)
    return lambda found, size: pixels(mean, size)
