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


def on_lines(features: Tensor, layer: Layer, rows: Tensor, columns: Tensor) -> Tensor:
    """Returns a layer's activations `(B, C, h, w)` where rows and columns cross, `(B, C, R, S)`.

    What `sparse` gives there, in a fraction of the time: interpolation is linear along each axis in turn, and so two
    products of matrices.

    Args:
        rows, columns: `(R,)` and `(S,)`, y and x in pixels of the image.
    """
    sides = zip((rows, columns), _places(features, layer), strict=True)
    # A place's share falls evenly to 0 at its neighbours'.
    down, across = (
        (1 - (lines.clamp(at[0], at[-1])[:, None] - at).abs() / layer.stride).clamp(min=0) for lines, at in sides
    )
    with torch.autocast(features.device.type, enabled=False):  # a product of matrices it would have in fewer bits
        channels_last = torch.einsum("rh,bhwc->brwc", down, features.float().movedim(1, -1))
        return torch.einsum("sw,brwc->brsc", across, channels_last).movedim(-1, 1)


def merged(activations: Mapping[str, Tensor], layers: Mapping[str, Layer]) -> list[tuple[Tensor, Layer]]:
    """Adds layers of equally many channels together, where none loses by it: their sum at any point stays the same.

    What is linear between the places of a coarse layer is so between those of a finer one that has them all. So the sum
    of all pixels needs one interpolation of a ResNet's finest layer, in place of one of each.
    """
    left = sorted(((features, layers[name]) for name, features in activations.items()), key=lambda one: -one[1].stride)
    sums: list[tuple[Tensor, Layer]] = []
    while left:
        features, layer = left.pop(0)
        for number, (finer, other) in enumerate(left):
            lines = _places(finer, other)
            if all(map(_are_among, _places(features, layer), lines)):
                left[number] = finer + on_lines(features, layer, *lines), other
                break
        else:
            sums.append((features, layer))
    return sums


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


def _places(features: Tensor, layer: Layer) -> list[Tensor]:
    """The y of a layer's rows, and the x of its columns, in pixels of the image."""
    return [layer.offset + layer.stride * torch.arange(n, device=features.device).float() for n in features.shape[-2:]]


def _are_among(some: Tensor, others: Tensor) -> bool:
    return bool(torch.isin(some, others).all())
