"""The base of all image encoders."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

# Of ImageNet's images in [0, 1], RGB: what all published weights expect.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class Layer(NamedTuple):
    """A layer of an encoder, and where on the image its activations lie.

    Attributes:
        module: whose output the activations are, those after its ReLU.
        channels: of the activations.
        stride: pixels of the image from one activation to the next.
        offset: activation (i, j) lies at y = offset + stride * i and x = offset + stride * j, the centre of what it
            sees, where pixel (0, 0) has its centre at (0, 0).
    """

    module: str
    channels: int
    stride: int
    offset: float = 0.0


class Encoder(nn.Module):
    """An image encoder: from an image to features at one stride or several.

    A call takes images `(B, 3, H, W)` in [0, 1], RGB, and gives features by stride, the deepest last: at stride s,
    `(B, channels[s], ceil(H / s), ceil(W / s))`. The state dict holds weights only: normalising the image is part of
    the encoder, not of its weights.

    Attributes:
        name: of the architecture, as `create_encoder` knows it.
        channels: of the features, by stride.
        stride: of the deepest features.
        layers: the shallowest first, by the names that papers give them.
    """

    mean: Tensor
    deviation: Tensor
    layers: Mapping[str, Layer]

    def __init__(self, name: str, channels: dict[int, int]) -> None:
        super().__init__()
        self.name = name
        self.channels = channels
        self.stride = max(channels)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        return self.features_of((image - self.mean) / self.deviation)

    def features_of(self, image: Tensor) -> dict[int, Tensor]:
        """Returns features by stride, the deepest last, of a normalised image."""
        raise NotImplementedError

    def activations(self, image: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Returns the activations of named layers, `(B, C, h, w)` each, of images `(B, 3, H, W)` in [0, 1], RGB.

        Raises:
            ValueError: it has no such layer.
        """
        found: dict[str, Tensor] = {}
        names = tuple(names)
        modules = [self._module(name) for name in names]

        def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
            return lambda _module, _inputs, output: found.update({name: output})

        hooks = [module.register_forward_hook(keep(name)) for name, module in zip(names, modules, strict=True)]
        try:
            self(image)
        finally:
            for hook in hooks:
                hook.remove()
        return {name: found[name] for name in names}

    def reached(self, image: Tensor, name: str) -> Tensor:
        """Returns the activations of one layer, as `activations` does, and computes nothing behind it.

        Raises:
            ValueError: it has no such layer.
        """

        def stop(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            raise _ReachedError(output)

        hook = self._module(name).register_forward_hook(stop)
        try:
            self(image)
        except _ReachedError as reached:
            return reached.output
        finally:
            hook.remove()
        raise AssertionError(f"{self.name} does not run its layer {name}")

    def _module(self, name: str) -> nn.Module:
        if name not in self.layers:
            raise ValueError(f"{self.name} has no layer {name}: should be one of {', '.join(self.layers)}")
        return self.get_submodule(self.layers[name].module)


class _ReachedError(Exception):
    """Carries a layer's activations out of the encoder's forward pass, which ends there."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output
