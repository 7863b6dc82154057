"""The page whose one model says what `coloured_net` does: `python -m tests.support.coloured_page page ...`."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from tests.support.coloured_net import ColouredNet, options
from trainers.cli import main
from trainers.methods.cmp.model import CMPNet
from trainers.page.models import Models


class _Encoder(nn.Module):
    stride = 1

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        return {1: image}


class Coloured(CMPNet):
    """What is of the colour of a point moves with it."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.encoder = _Encoder()
        self.answer = ColouredNet()

    def propagated(self, features: Any, guidance: Tensor) -> Tensor:
        return self.answer(features[1], guidance)


def use_coloured_model() -> None:
    """Has every page in this process know that model and no other."""
    trained = SimpleNamespace(net=Coloured().eval(), options=options(), method=SimpleNamespace(name="cmp"))
    Models.names = lambda self, methods=(): {"coloured": "cmp"}  # type: ignore[method-assign, assignment, misc]
    Models.load = lambda self, name: trained  # type: ignore[method-assign, assignment, return-value]


if __name__ == "__main__":
    torch.set_num_threads(1)
    use_coloured_model()
    main()
