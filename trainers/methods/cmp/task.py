"""What training and validation compute: the loss of a batch, and how far the predicted motion is off."""

from collections.abc import Mapping

from torch import Tensor, nn
from torchmetrics import Metric

from trainers.engine.task import Batch, Mean, Task
from trainers.methods.cmp.loss import expected_flow, propagation_loss
from trainers.methods.cmp.method import METHOD
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import CMPOptions
from trainers.methods.cmp.samples import CMPTransform
from trainers.metrics.flow import endpoint_errors


class CMP(Task):
    """Batches have `image (B, 3, H, W)`, `guidance (B, 3, H, W)`, `flow (B, 2, H, W)` and `valid (B, H, W)`."""

    options: CMPOptions
    best_by = METHOD.best_by

    def __init__(self, options: CMPOptions, teacher: nn.Module | None = None) -> None:
        super().__init__(options, teacher)
        self.net = self.network(options)

    @classmethod
    def network(cls, options: CMPOptions) -> CMPNet:
        """Builds the network with random weights."""
        return CMPNet(options.model, options.loss)

    def samples(self, train: bool) -> CMPTransform:
        """Returns what crops a sample and chooses what the network is told."""
        return CMPTransform(self.options, train)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the loss of equation 1."""
        prediction = self.net(batch["image"], batch["guidance"])
        return {"propagation": propagation_loss(prediction, batch["flow"], batch["valid"], self.options.loss)}

    def metrics(self) -> dict[str, Metric]:
        """Returns the mean end-point error over all valid pixels, pixels."""
        return {"epe": Mean()}

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        """Adds the end-point errors of a batch."""
        flow = batch["flow"]
        size = flow.shape[-2], flow.shape[-1]
        predicted = expected_flow(net(batch["image"], batch["guidance"]), size, self.options.loss)
        totals, pixels = endpoint_errors(predicted, flow, batch["valid"]).unbind(1)
        metrics["epe"].update(totals, pixels)
