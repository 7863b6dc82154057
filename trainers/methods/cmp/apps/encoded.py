"""A network that is asked about one image again and again: what its image encoder makes of it is computed once."""

from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn

from trainers.methods.cmp.model import CMPNet


@lru_cache(maxsize=2)
def encoded_once(net: CMPNet) -> CMPNet:
    """Returns a network that predicts what `net` does, and encodes an image only if it is another than the last one.

    It is the same one whenever it is asked for, as long as `net` is one of the last two. What is no `CMPNet` and
    predicts all the same is returned as it is.
    """
    return cast(CMPNet, _EncodedOnce(net)) if isinstance(net, CMPNet) else net


class _EncodedOnce(nn.Module):
    def __init__(self, net: CMPNet) -> None:
        super().__init__()
        self.net, self.encoder = net, net.encoder
        self._image: Tensor | None = None

    def forward(self, image: Tensor, guidance: Tensor) -> Tensor:
        if self._image is None or not torch.equal(image, self._image):
            self._features, self._image = self.net.encoder(image), image
        return self.net.propagated(self._features, guidance)
