"""The network: sparse hypercolumns of an encoder, and a layer that embeds them (section 3.3; section 4.1)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.columns.flow.networks.encoders.hypercolumns import pixels, sparse, width
from trainers.methods.similarity.options import LossOptions, ModelOptions
from trainers.models.encoders import Encoder, Norms, StridedResNet, create_encoder

STRIDE = 4
"""Image pixels between two vectors of the dense embedding."""
CHUNK = 4096  # hypercolumns in memory at a time where they are dense
PROJECTED = 256  # channels that are left of VGG-16's fc7 (footnote 2)


class SimilarityNet(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1], RGB, and pixels of them to vectors of length 1, or to scores of flow.

    The encoder's own weights are those of a plain network: the normalisations without parameters that it trains with
    stand beside it, and are absorbed when it has (`absorb`). Weights are drawn from PyTorch's global generator, which
    the caller seeds.

    Attributes:
        log_variance: the logarithm of sigma squared of the kernel of flow; trained where that is learnt.
    """

    def __init__(self, model: ModelOptions, loss: LossOptions) -> None:
        super().__init__()
        self.encoder: Encoder = (
            StridedResNet(model.encoder) if model.encoder.startswith("resnet") else create_encoder(model.encoder)
        )
        self.norms = Norms(self.encoder)
        self.names, self.direct = model.read, loss.kind == "direct"
        columns = width(self.encoder.layers, self.names)
        self.project: nn.Module | None = None
        if model.encoder == "vgg16_torchvision" and "fc7" in self.names:
            inputs = self.encoder.layers["fc7"].channels
            self.project, columns = nn.Conv2d(inputs, PROJECTED, 1), columns - inputs + PROJECTED
        self.hidden = nn.Linear(columns, model.hidden)
        self.hidden_norm = nn.BatchNorm1d(model.hidden, affine=False)
        self.last = nn.Linear(model.hidden, 2 * loss.bins if self.direct else model.dimensions)
        self.log_variance = nn.Parameter(torch.tensor(math.log(loss.variance)), requires_grad=loss.learn_variance)

    def forward(self, images: Tensor, points: Tensor) -> Tensor:
        """Returns what the loss reads, of points `(B, N, 2)`, y and x in pixels of the image.

        Returns:
            Vectors `(B, N, D)`, not of length 1 yet; or the scores of flow, `(B, N, 2 * bins)`.
        """
        return self._last(self._hidden(self._activations(images), points))

    def embed(self, images: Tensor) -> Tensor:
        """Returns vectors of length 1, `(B, D, ceil(H / 4), ceil(W / 4))`, at every fourth pixel.

        Of `direct`, which has no embedding, they are those of the hidden layer.
        """
        places = pixels(images.shape[-2:], images.device)[::STRIDE, ::STRIDE]
        vectors = self.at(images, places.flatten(0, 1))
        return vectors.reshape(*vectors.shape[:2], *places.shape[:2])

    def at(self, images: Tensor, points: Tensor) -> Tensor:
        """Returns vectors of length 1, `(B, D, N)`, at points `(N, 2)`, y and x, the same in all images."""
        activations = self._activations(images)
        parts = []
        for some in torch.split(points, CHUNK):
            hidden = self._hidden(activations, some.expand(len(images), -1, -1))
            parts.append(F.normalize((hidden if self.direct else self._last(hidden)).float(), dim=2))
        return torch.cat(parts, dim=1).transpose(1, 2)

    def absorb(self) -> None:
        """Moves the statistics of normalisations without parameters into the encoder's weights."""
        self.norms.absorb(self.encoder)

    def _activations(self, images: Tensor) -> dict[str, Tensor]:
        with self.norms.within(self.encoder):
            activations = self.encoder.activations(images, self.names)
        if self.project is not None:
            activations["fc7"] = self.project(activations["fc7"])
        return activations

    def _hidden(self, activations: dict[str, Tensor], points: Tensor) -> Tensor:
        """The hidden layer, `(B, N, hidden)`, at points `(B, N, 2)`."""
        columns = sparse(activations, self.encoder.layers, points)
        made = F.relu(self.hidden_norm(self.hidden(columns).flatten(0, 1)))
        return made.reshape(*columns.shape[:2], -1)

    def _last(self, hidden: Tensor) -> Tensor:
        scores: Tensor = self.last(hidden)
        return scores
