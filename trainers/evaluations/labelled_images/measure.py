"""What a network says of labelled images, and how often it is right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import Metric, MetricCollection, SumMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from common_fate.progress import progress
from trainers.engine.loaders import one_line_errors
from trainers.evaluations.labelled_images.images import LabelledImages, Unread

TOP_5_FROM = 20
"""Classes: of fewer, one of five guesses is right too often to say much."""
CONFUSION, TOP_1, TOP_5 = "confusion", "top-1", "top-5"

Probabilities = Callable[[Tensor], Tensor]
"""From images `(B, 3, S, S)` to the probabilities of classes by each of several classifiers, `(B, heads, C)`."""


@dataclass
class Missing:
    """The images that could not be read: how many in all processes, and those of this one."""

    noted: Unread = field(default_factory=Unread)
    count: int = 0


@torch.no_grad()
def predictions(
    net: nn.Module, probabilities: Probabilities, images: LabelledImages, batch: int, workers: int, missing: Missing
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields labels, `(B,)` or `(B, C)`, and probabilities, `(B, heads, C)` float64: means over an image's crops.

    Each of several processes has its share of the images. One that cannot be read is in none of the batches.

    Args:
        net: what `probabilities` asks; it is left in evaluation mode.
        batch: crops of one batch, about.
        missing: gets what cannot be read.
    """
    net.eval()
    device = next(net.parameters()).device
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    share = range(rank, len(images), world)
    size = max(1, batch // images.crop.count)
    loader = DataLoader(images, batch_size=size, sampler=share, num_workers=workers)
    batches = one_line_errors(iter(loader))
    for samples in progress(batches, len(loader), "evaluate") if rank == 0 else batches:
        missing.noted.note(samples)
        known = torch.tensor([not problem for problem in samples["problem"]])
        if known.any():
            crops, labels = samples["image"][known].to(device), samples["label"][known].to(device)
            each = probabilities(crops.flatten(0, 1)).double()
            yield labels, each.view(*crops.shape[:2], *each.shape[1:]).mean(dim=1)
    total = SumMetric().to(device)
    total.update(len(missing.noted.reasons))
    missing.count = int(total.compute())


def accuracies(classes: int) -> MetricCollection:
    """Returns what counts how often one classifier of single labels is right: `TOP_1`, `TOP_5`, `CONFUSION`.

    The last counts images of a class (row) that are taken for one (column).
    """
    counted: dict[str, Metric | MetricCollection] = {
        TOP_1: MulticlassAccuracy(classes, average="micro", validate_args=False),
        CONFUSION: MulticlassConfusionMatrix(classes, validate_args=False),
    }
    if classes >= TOP_5_FROM:
        counted[TOP_5] = MulticlassAccuracy(classes, top_k=5, average="micro", validate_args=False)
    return MetricCollection(counted, compute_groups=False)
