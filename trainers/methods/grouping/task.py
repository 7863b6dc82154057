"""What training and validation compute: the loss of a batch, and how often a positive is nearer than a negative."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from common_fate.errors import UserError
from trainers.engine.task import Batch, Mean, Task
from trainers.methods.grouping.cross import PixelQueue, of_batch
from trainers.methods.grouping.loss import References, at, grouping_loss, joined, similarities
from trainers.methods.grouping.model import DIMENSIONS, GroupingNet
from trainers.methods.grouping.options import GroupingOptions
from trainers.methods.grouping.samples import GroupingTransform


class Grouping(Task):
    """Batches have `image (B, 3, H, W)` and what else `GroupingTransform` says."""

    options: GroupingOptions

    def __init__(self, options: GroupingOptions, teacher: nn.Module | None = None) -> None:
        super().__init__(options, teacher)
        self.net = self.network(options)
        self.queue = PixelQueue(options.sampling.queue, DIMENSIONS) if options.sampling.queue else None

    @classmethod
    def network(cls, options: GroupingOptions) -> GroupingNet:
        """Builds the network with random weights."""
        return GroupingNet(options.model)

    def samples(self, train: bool) -> GroupingTransform:
        """Returns what crops a sample and draws pixels from it."""
        return GroupingTransform(self.options, train)

    def check_samples(self, count: int) -> None:
        """Raises `UserError` where the queue would have pixels of more images than there are."""
        sampling = self.options.sampling
        most = count * sampling.anchors
        if sampling.queue is not None and sampling.queue > most:
            raise UserError(
                f"sampling.queue is {sampling.queue}, and the {count} samples to train on have {most} anchors in all: "
                "should be at most that"
            )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the contrastive loss; in training the anchors then go into the queue, if there is one."""
        images, sampling = batch["image"], self.options.sampling
        both = self.net(torch.cat([images, batch["second"]]) if "second" in batch else images)
        embedding = both[: len(images)]
        anchors, positives, negatives = self._in_image(embedding, batch)
        sources = [positives], [negatives]
        if "second" in batch:
            vectors = at(both[len(images) :], batch["second_points"])
            for source, part in zip(sources, (slice(sampling.positives), slice(sampling.positives, None)), strict=True):
                source.append(References(vectors[:, :, part], batch["seen"][:, :, part]))
        if "draws" in batch:
            sources[1].append(self._of_others(embedding, batch))
        loss = grouping_loss(anchors, batch["counted"], joined(sources[0]), joined(sources[1]), self.options.loss)
        if self.queue is not None and self.training:
            self.queue.add(anchors.flatten(0, 1), batch["identity"].repeat_interleave(sampling.anchors))
        return {"contrastive": loss}

    def metrics(self) -> dict[str, Metric]:
        """Returns what is known of held-out images.

        `pair_accuracy`, the share of pairs of an anchor's positive and negative whose positive is nearer, 0.5 by
        chance; `own_region`, how probable the anchor's own region is among the positives; and `left_out`, the share of
        anchors that do not count, as their region has one pixel or their image one region.
        """
        return {name: Mean() for name in ("pair_accuracy", "own_region", "left_out")}

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        """Adds the pairs of a batch, each image's own."""
        anchors, positives, negatives = self._in_image(net(batch["image"]), batch)
        near, far = similarities(anchors, positives)[..., None], similarities(anchors, negatives)[..., None, :]
        right = ((near > far).double() + (near == far).double() / 2).mean(dim=(2, 3))
        counted = batch["counted"]
        metrics["pair_accuracy"].update(right * counted, counted)
        metrics["own_region"].update(batch["own"] * counted, counted)
        metrics["left_out"].update(~counted, torch.ones_like(counted))

    def _in_image(self, embedding: Tensor, batch: Batch) -> tuple[Tensor, References, References]:
        """The anchors `(B, A, C)`, and their positives and negatives, of the first view."""
        vectors, last = at(embedding, batch["points"]), 1 + self.options.sampling.positives
        every = batch["counted"][..., None].expand(vectors.shape[:3])
        positives, negatives = slice(1, last), slice(last, None)
        return (
            vectors[:, :, 0],
            References(vectors[:, :, positives], every[:, :, positives]),
            References(vectors[:, :, negatives], every[:, :, negatives]),
        )

    def _of_others(self, embedding: Tensor, batch: Batch) -> References:
        """Negatives from other images."""
        if self.queue is None:
            return of_batch(embedding, batch["draws"])
        return self.queue.draw(batch["draws"], batch["identity"])
