"""Hypercolumns: the activations of several layers of an encoder at a pixel, interpolated and side by side.

Hariharan et al., "Hypercolumns for Object Segmentation and Fine-grained Localization", CVPR 2015; at a few pixels of an
image alone, as Larsson et al., "Colorization as a Proxy Task for Visual Understanding", CVPR 2017, train theirs:

    activations = encoder.activations(images, ("conv1", "layer2", "layer4"))    # {name: (B, C, h, w)}
    few = sparse(activations, encoder.layers, points)                           # (B, N, width of the names)
    all = dense(activations, encoder.layers, images.shape[-2:])                 # (B, width of the names, H, W)

A layer's activations may be changed in between, by a 1x1 convolution for one, as long as they stay where they are.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.columns.flow.networks.encoders.encoder import Layer


def width(layers: Mapping[str, Layer], names: Iterable[str]) -> int:
    """Returns how many channels a hypercolumn of these layers has."""
    return sum(layers[name].channels for name in names)


def sparse(activations: Mapping[str, Tensor], layers: Mapping[str, Layer], points: Tensor) -> Tensor:
    """Returns the hypercolumns at points of the images, `(B, N, C)`: the layers in the order of `activations`.

    Interpolated bilinearly between the four activations around a point, and beyond the outermost as these are.

    Args:
        activations: `(B, C, h, w)` by layer, as `Encoder.activations` gives them.
        layers: the encoder's, which say where on the image activations lie.
        points: `(B, N, 2)`, y and x in pixels of the image; the first pixel's centre is 0.
    """
    columns = [_at(features, layers[name], points[:, :, None])[..., 0] for name, features in activations.items()]
    return torch.cat(columns, dim=1).transpose(1, 2)


def dense(activations: Mapping[str, Tensor], layers: Mapping[str, Layer], size: Sequence[int]) -> Tensor:
    """Returns the hypercolumns at all pixels of images of a size (height, width): `(B, C, height, width)`.

    What `sparse` gives at each of them; the largest tensor by far: a loss of all pixels is better of a sample of them.
    """
    points = pixels(size, next(iter(activations.values())).device)
    columns = [
        _at(features, layers[name], points.expand(len(features), -1, -1, -1)) for name, features in activations.items()
    ]
    return torch.cat(columns, dim=1)


def pixels(size: Sequence[int], device: torch.device | None = None) -> Tensor:
    """Returns y and x of all pixels of a size (height, width), as points: `(height, width, 2)`, float32."""
    height, width = size
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).float()


def _at(features: Tensor, layer: Layer, points: Tensor) -> Tensor:
    """A layer's activations `(B, C, h, w)` at points `(B, P, Q, 2)`: `(B, C, P, Q)`."""
    places = (points - layer.offset) / layer.stride
    sides = points.new_tensor(features.shape[-2:])
    grid = ((2 * places + 1) / sides - 1).flip(-1)
    # In single precision, whatever the features': with fewer bits a place would be pixels off.
    return F.grid_sample(features.float(), grid.float(), "bilinear", "border", align_corners=False)
