"""What fine-tuning a detector minimises: torchvision's own losses."""

from typing import Any

from torch import Tensor, nn

from trainers.engine.task import Batch, Task


class Detecting(Task):
    """Batches are those of `trainers.evaluations.boxed_images.data.collate`.

    Args:
        net: one of torchvision's detectors: in training mode, lists of images and targets to named losses.
        frozen_norm: batch normalisations, all of which are the encoder's, keep their statistics, weights and biases,
            as torchvision has it where a detector starts from weights.
    """

    def __init__(self, options: Any, net: nn.Module, frozen_norm: bool) -> None:
        super().__init__(options)
        self.net = net
        self._frozen = [one for one in net.modules() if isinstance(one, nn.BatchNorm2d)] if frozen_norm else []
        for one in self._frozen:
            one.requires_grad_(False)

    def train(self, mode: bool = True) -> "Detecting":
        """Sets the mode of everything but what is frozen."""
        super().train(mode)
        for one in self._frozen:
            one.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the losses of boxes and classes, of proposals, and of masks, where the network has such."""
        losses: dict[str, Tensor] = self.net(batch["image"], batch["target"])
        return {name.removeprefix("loss_"): loss for name, loss in losses.items()}
