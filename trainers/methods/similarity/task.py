"""What training and validation compute: the loss of kernels, and how well they are aligned."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from common_fate.errors import UserError
from trainers.engine.task import Batch, Mean, Task
from trainers.methods.similarity.kernels import embedding_kernel, flow_kernel, normalised_flow
from trainers.methods.similarity.loss import alignment, bins_of, correlation, direct_loss, kernel_loss
from trainers.methods.similarity.method import METHOD
from trainers.methods.similarity.model import SimilarityNet
from trainers.methods.similarity.options import LEAST_VARIANCE, MOST_VARIANCE, SimilarityOptions
from trainers.methods.similarity.samples import SimilarityTransform

LOOKED_AT = 50  # iterations between two looks at a variance that is learnt


class Similarity(Task):
    """Batches have `image (B, 3, S, S)` and what else `SimilarityTransform` says."""

    options: SimilarityOptions
    net: SimilarityNet
    best_by = METHOD.best_by
    idle = "no pixel of any image has known flow: train on a view whose flow is valid somewhere"

    def __init__(self, options: SimilarityOptions, teacher: nn.Module | None = None) -> None:
        super().__init__(options, teacher)
        self.net = self.network(options)

    @classmethod
    def network(cls, options: SimilarityOptions) -> SimilarityNet:
        """Builds the network with random weights."""
        return SimilarityNet(options.model, options.loss)

    def samples(self, train: bool) -> SimilarityTransform:
        """Returns what crops a sample and draws pixels from it."""
        return SimilarityTransform(self.options, train)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the loss, the mean over the images with a pixel that counts; 0 of none."""
        losses = self._losses(self.net, self.net(batch["image"], batch["points"]), batch)
        return {self.options.loss.kind: losses.sum() / batch["counted"].any(dim=1).sum().clamp(min=1)}

    def metrics(self) -> dict[str, Metric]:
        """Returns what is known of held-out images.

        `loss`, that of training, without what is varied; of an embedding `alignment` (equation 3) and `correlation`
        with the kernel of flow; of `direct` `accuracy`, the share of axes of pixels whose class is right.
        """
        return {
            name: Mean() for name in ("loss", *(("accuracy",) if self.net.direct else ("alignment", "correlation")))
        }

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        """Adds the images of a batch."""
        assert isinstance(net, SimilarityNet)
        seen, counted = batch["counted"].any(dim=1), batch["counted"]
        found = net(batch["image"], batch["points"]).float()
        metrics["loss"].update(self._losses(net, found, batch), seen)
        flow = self._flow(batch)
        if net.direct:
            bins = self.options.loss.bins
            right = found.reshape(*found.shape[:2], 2, bins).argmax(dim=3) == bins_of(flow, bins)
            metrics["accuracy"].update(right.double().mean(dim=2) * counted, counted)
        else:
            kernels = embedding_kernel(found), flow_kernel(flow, net.log_variance.exp())
            metrics["alignment"].update(alignment(*kernels, counted), seen)
            related = correlation(*kernels, counted)
            metrics["correlation"].update(related.nan_to_num(0.0), related.isfinite())

    def stepped(self, iteration: int) -> None:
        """Raises `UserError` where the variance that is learnt has left all bounds within which flow differs."""
        if self.options.loss.learn_variance and iteration % LOOKED_AT == 0:
            variance = float(self.net.log_variance.detach().exp())
            if not LEAST_VARIANCE <= variance <= MOST_VARIANCE:
                like = "all flow is alike" if variance > MOST_VARIANCE else "only equal flow is alike"
                raise UserError(
                    f"loss.variance has become {variance:.3g} after {iteration} iterations, so that {like}, and "
                    "nothing is learnt: set loss.learn_variance to false, or its rate lower (training.groups: "
                    "{log_variance: {learning_rate: 0.1}})"
                )

    def finished(self) -> None:
        """Moves normalisations without parameters into the encoder: it is saved as a plain network."""
        self.net.absorb()

    def _flow(self, batch: Batch) -> Tensor:
        return normalised_flow(batch["flow"].float(), self.options.loss.limit)

    def _losses(self, net: SimilarityNet, found: Tensor, batch: Batch) -> Tensor:
        """Each image's loss, `(B,)`, of what the network gives."""
        loss, counted = self.options.loss, batch["counted"]
        with torch.autocast(found.device.type, enabled=False):
            if net.direct:
                return direct_loss(found.float(), self._flow(batch), counted, loss)
            kernel = flow_kernel(self._flow(batch), net.log_variance.float().exp())
            return kernel_loss(embedding_kernel(found.float()), kernel, counted, loss.kind)
