"""What training and validation compute: the loss of matches, and how many pixels the best match is off."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from common_fate.errors import UserError
from trainers.engine.task import Batch, Mean, Task
from trainers.methods.objects.auxiliary import ImagePool, following
from trainers.methods.objects.correlation import blocks
from trainers.methods.objects.geometry import Grid, Matches, matches
from trainers.methods.objects.loss import counted_rows, match_loss, reflected, rows_of, turns
from trainers.methods.objects.model import ObjectsNet
from trainers.methods.objects.options import ObjectsOptions
from trainers.methods.objects.samples import ObjectsTransform


class Objects(Task):
    """Batches have `image`, `second`, `(B, 3, S, S)`, and what else `ObjectsTransform` says."""

    options: ObjectsOptions
    net: ObjectsNet

    def __init__(self, options: ObjectsOptions, teacher: nn.Module | None = None) -> None:
        super().__init__(options, teacher)
        self.net = self.network(options)
        self.pool = ImagePool(options.loss.pool, options.side) if options.loss.pool else None
        self.idle = _idle(options)

    @classmethod
    def network(cls, options: ObjectsOptions) -> ObjectsNet:
        """Builds the network with random weights."""
        return ObjectsNet(options.model)

    def samples(self, train: bool) -> ObjectsTransform:
        """Returns what makes a pair of a sample."""
        return ObjectsTransform(self.options, train)

    def check_samples(self, count: int) -> None:
        """Raises `UserError` where the pool would have more images than there are beside the pair's own."""
        if self.pool is not None and self.pool.size >= count:
            raise UserError(
                f"loss.pool is {self.pool.size}, and there are {count} samples to train on, of which one is the pair's "
                "own: should be less"
            )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the mean loss over all pixels of the batch that count; 0 of none.

        In training the first images then go into the pool, if there is one.
        """
        images, count = [batch["image"].float(), batch["second"].float()], len(batch["image"])
        if self.pool is not None:
            self.pool.fill(batch["image"], batch["identity"])
            images.append(self.pool.images)
        embedding = self.net(torch.cat(images))
        with torch.autocast(embedding.device.type, enabled=False):
            sums, counted = self._losses(embedding.float(), batch, count)
        if self.pool is not None and self.training:
            self.pool.add(batch["image"], batch["identity"])
        return {self.options.loss.kind: sums.sum() / counted.sum().clamp(min=1)}

    def _losses(self, embedding: Tensor, batch: Batch, count: int) -> tuple[Tensor, Tensor]:
        """Each pair's sum of the loss, and how many pixels it is over."""
        loss, grid = self.options.loss, self._grid(embedding)
        vectors = rows_of(embedding)
        first, second = vectors[:count], reflected(vectors[count : 2 * count], batch["mirrored"])
        auxiliary = None
        if self.pool is not None:
            drawn = self.pool.draw(batch["identity"], loss.auxiliary)
            auxiliary = vectors[2 * count :][drawn].flatten(1, 2)
        elif loss.auxiliary:
            if loss.auxiliary >= count:
                raise UserError(
                    f"loss.auxiliary is {loss.auxiliary}, and a pass has {count} images on each device, of which one "
                    "is the pair's own: give it more, or loss.pool"
                )
            auxiliary = following(first, loss.auxiliary)
        found = matches(batch["flow"], batch["counted"], grid)
        return match_loss(first, second, found, grid, loss, auxiliary)

    def _grid(self, embedding: Tensor) -> Grid:
        return Grid(embedding.shape[2], embedding.shape[3], self.net.stride, self.net.offset)

    def metrics(self) -> dict[str, Metric]:
        """Returns what is known of held-out pairs.

        `matching_error`, how far the likeliest match of a pixel is from the right one, image pixels; `entropy`, of the
        matches, nats; and `counted`, the share of pixels that count.
        """
        return {name: Mean() for name in ("matching_error", "entropy", "counted")}

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        """Adds the pixels of a batch; matches are direct, whatever went between them in training."""
        count = len(batch["image"])
        embedding = net(torch.cat([batch["image"], batch["second"]]))
        with torch.autocast(embedding.device.type, enabled=False):
            grid, vectors = self._grid(embedding), rows_of(embedding.float())
            found = matches(batch["flow"], batch["counted"], grid)
            error, entropy = self._errors(vectors[:count], vectors[count:], found, grid)
        metrics["matching_error"].update(error, found.counted)
        metrics["entropy"].update(entropy, found.counted)
        metrics["counted"].update(found.counted, torch.ones_like(found.counted))

    def _errors(self, first: Tensor, second: Tensor, found: Matches, grid: Grid) -> tuple[Tensor, Tensor]:
        """Each image's sums of errors and entropies, `(B,)`; of rotational symmetry the least over its turns."""
        rows, counted = counted_rows(found.counted)
        targets = found.targets.gather(1, rows[..., None].expand(-1, -1, 2))
        vectors = first.gather(1, rows[..., None].expand(-1, -1, first.shape[2]))
        places = grid.places(first.device)
        every = []
        for turned in turns(vectors, self.options.loss):
            sums = first.new_zeros(2, len(first))
            for images, part in blocks(len(rows), rows.shape[1], grid.cells, first.device):
                scores = torch.bmm(turned[images, part], second[images].transpose(1, 2))
                off = (places[scores.argmax(dim=2)] - targets[images, part]).norm(dim=2)
                log_shares = scores.log_softmax(dim=2)
                spread = -(log_shares.exp() * log_shares).sum(dim=2)
                sums[:, images] += (torch.stack([off, spread]) * counted[images, part]).sum(dim=2)
            every.append(sums)
        errors, entropies = torch.stack(every).unbind(1)
        best = errors.argmin(dim=0, keepdim=True)
        return errors.gather(0, best)[0], entropies.gather(0, best)[0]


def _idle(options: ObjectsOptions) -> str:
    """What a loss of 0 means: no match of pixels is certain and exact, so that nothing has counted."""
    if options.pairs == "warp":
        return "warps move every pixel out of the image: lower the deviations of warp"
    return (
        f"no pixel counts, as none moves by more than loss.motion, {options.loss.motion}, or none has known motion: "
        "train on videos with motion, or lower loss.motion"
    )
