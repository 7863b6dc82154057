"""What training and validation compute: the loss of a batch, and how far the predicted motion is off."""

import torch
from torch import Tensor

from trainers.engine.loop import Batch, Task
from trainers.methods.cmp.loss import expected_flow, propagation_loss
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions
from trainers.metrics.flow import endpoint_errors


class CMP(Task):
    """Batches have `image (B, 3, H, W)`, `guidance (B, 3, H, W)`, `flow (B, 2, H, W)` and `valid (B, H, W)`.

    The weights are drawn from the options' seed.
    """

    measures = ("epe",)

    def __init__(self, options: CMPOptions) -> None:
        super().__init__()
        self.options = options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.training.seed)
            self.net = CMPNet(options.model, options.loss)

    def forward(self, batch: Batch) -> Tensor:
        prediction = self.net(batch["image"], batch["guidance"])
        return propagation_loss(prediction, batch["flow"], batch["valid"], self.options.loss)

    def measure(self, batch: Batch) -> Tensor:
        """The end-point error, summed over the valid pixels, and their number, `(1, 2)`."""
        flow = batch["flow"]
        size = flow.shape[-2], flow.shape[-1]
        predicted = expected_flow(self.net(batch["image"], batch["guidance"]), size, self.options.loss)
        return endpoint_errors(predicted, flow, batch["valid"]).sum(0, keepdim=True)
