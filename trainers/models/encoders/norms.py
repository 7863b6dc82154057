"""Batch normalisation without parameters, while a network without normalisations trains; absorbed when it has.

Mahendran et al., "Cross Pixel Optical-Flow Similarity for Self-Supervised Learning", ACCV 2018, section 4.3.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.columns.flow.networks.encoders.encoder import Encoder
from pipeline.columns.flow.networks.encoders.plain import Convolved


class Norms(nn.Module):
    """A normalisation for each convolution of an encoder, beside it: its own weights are those of a plain network.

    None for an encoder that has normalisations of its own: what these learn stays as it is, 1 and 0.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        own = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
        for module in own:
            module.requires_grad_(False)
        convolutions = [] if own else list(_convolutions(encoder))
        self.names = [name for name, _ in convolutions]
        self.each = nn.ModuleList(nn.BatchNorm2d(len(module.weight), affine=False) for _, module in convolutions)

    @contextmanager
    def within(self, encoder: Encoder) -> Iterator[None]:
        """Runs the encoder, while the context is open, with a normalisation between each convolution and its ReLU."""
        hooks = [
            encoder.get_submodule(name).register_forward_hook(_normalising(norm))
            for name, norm in zip(self.names, self.each, strict=True)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def absorb(self, encoder: Encoder) -> None:
        """Moves the statistics into the encoder's weights: in evaluation mode it computes the same without them.

        With them, too: what is left of them changes nothing.
        """
        modules: Iterator[tuple[Any, Any]] = zip(map(encoder.get_submodule, self.names), self.each, strict=True)
        for module, norm in modules:
            deviation = (norm.running_var + norm.eps).sqrt()
            module.weight.div_(deviation.view(-1, *[1] * (module.weight.ndim - 1)))
            module.bias.sub_(norm.running_mean).div_(deviation)
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)


def _convolutions(encoder: Encoder) -> Iterator[tuple[str, Any]]:
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d | Convolved):
            yield name, module


def _normalising(norm: nn.Module) -> Callable[[nn.Module, Any, Tensor], Any]:
    return lambda _module, _inputs, output: norm(output)
