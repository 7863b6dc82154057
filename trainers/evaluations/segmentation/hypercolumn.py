"""An encoder with a head on hypercolumns, which learns from a few pixels of an image and predicts all of them.

Mahendran et al., "Cross Pixel Optical-Flow Similarity for Self-Supervised Learning", ACCV 2018, section 4.5; Larsson et
al., "Colorization as a Proxy Task for Visual Understanding", CVPR 2017.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common_fate.torch import Sample
from pipeline.columns.flow.networks.encoders.hypercolumns import merged, on_lines, sparse, width
from trainers.data.transforms import IGNORED, Joint, generator
from trainers.models.encoders import Encoder

CHUNK = 2**14  # pixels whose hidden layer is in memory at once


class HypercolumnSegmenter(nn.Module):
    """From images `(B, 3, H, W)` in [0, 1] to scores of classes, at points or at all pixels.

    A hidden layer with a ReLU stands on the hypercolumn, and a classifier, which starts at zero, on the hidden layer.
    Both interpolation and what the hidden layer does before its ReLU are linear, so it is applied to the activations
    of each layer where they lie, and the sum is interpolated: the same numbers, of a few hundred channels in place of
    thousands.
    """

    def __init__(self, encoder: Encoder, classes: int, layers: Sequence[str], hidden: int) -> None:
        super().__init__()
        self.encoder, self.names = encoder, tuple(layers)
        self.hidden = nn.Linear(width(encoder.layers, self.names), hidden)
        self.score = nn.Linear(hidden, classes)
        for parameter in self.score.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        """Returns the scores of all pixels, `(B, classes, H, W)`."""
        layers, (height, width) = merged(self._reduced(image), self.encoder.layers), image.shape[-2:]
        rows, columns = (torch.arange(side, device=image.device).float() for side in (height, width))
        strips = []
        for some in torch.split(rows, max(1, CHUNK // width)):
            hidden = sum((on_lines(*layer, some, columns) for layer in layers), self.hidden.bias[:, None, None])
            strips.append(self.score(F.relu(hidden).movedim(1, -1)))
        return torch.cat(strips, dim=1).movedim(-1, 1)

    def at(self, image: Tensor, points: Tensor) -> Tensor:
        """Returns the scores `(B, classes, N)` at points `(B, N, 2)`, y and x in pixels of the image."""
        reduced = self._reduced(image)
        columns = sparse(reduced, self.encoder.layers, points)
        added = columns.reshape(*columns.shape[:2], len(reduced), -1).sum(dim=2)
        scores: Tensor = self.score(F.relu(added + self.hidden.bias))
        return scores.transpose(1, 2)

    def _reduced(self, image: Tensor) -> dict[str, Tensor]:
        """What each layer adds to the hidden one before its bias, `(B, hidden, h, w)`, where its activations lie."""
        activations = self.encoder.activations(image, self.names)
        widths = [self.encoder.layers[name].channels for name in self.names]
        weights = torch.split(self.hidden.weight, widths, dim=1)
        return {
            name: F.conv2d(features, weight[:, :, None, None]).float()  # so that places keep their precision, too
            for (name, features), weight in zip(activations.items(), weights, strict=True)
        }


class SparseSamples:
    """Makes of a sample a crop and some of its pixels: `image (3, S, S)`, `points (N, 2)` and their `labels (N,)`.

    The points, y and x, are of the pixels that count, each once where there are enough. Where none does, the labels are
    `IGNORED`.
    """

    def __init__(self, joint: Joint, pixels: int) -> None:
        self.joint, self.pixels = joint, pixels

    def __call__(self, sample: Sample) -> Sample:
        made = self.joint(sample)
        labels = made["labels"].numpy()
        counted = np.flatnonzero(labels != IGNORED) if (labels != IGNORED).any() else np.arange(labels.size)
        rng = generator(self.joint.seed, sample["epoch"], sample["key"], "pixels")
        drawn = rng.choice(counted, self.pixels, replace=len(counted) < self.pixels)
        points = np.stack(np.unravel_index(drawn, labels.shape), axis=1).astype(np.float32)
        return {name: made[name] for name in ("key", "epoch", "image")} | {
            "points": torch.from_numpy(points),
            "labels": torch.from_numpy(labels.ravel()[drawn]),
        }
