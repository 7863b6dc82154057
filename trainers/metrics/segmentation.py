"""How well predicted labels agree with masks."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassConfusionMatrix

from common_fate.progress import progress
from common_fate.torch import Sample
from trainers.data.transforms import IGNORED


@torch.no_grad()
def confusion_matrix(net: nn.Module, images: Dataset[Sample], classes: int, workers: int = 0) -> Tensor:
    """Counts how many pixels of one class (row) are predicted as another (column), `(classes, classes)` int64.

    Several processes take an equal share of the images each, and all get the sum.

    Args:
        net: images `(1, 3, H, W)` to scores `(1, classes, H, W)`; it is left in evaluation mode.
        images: samples of `image (3, H, W)` and `labels (H, W)`, each taken whole. `IGNORED` pixels do not count.
    """
    net.eval()
    device = next(net.parameters()).device
    # Labels are checked where they are read.
    counts = MulticlassConfusionMatrix(classes, ignore_index=IGNORED, validate_args=False).to(device)
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    share = range(rank, len(images), world)  # type: ignore[arg-type]
    # Images differ in size, so each is a batch of its own.
    loader: DataLoader[Sample] = DataLoader(images, batch_size=None, sampler=share, num_workers=workers)
    for sample in progress(loader, len(share), "evaluate") if rank == 0 else loader:
        predicted = net(sample["image"].to(device)[None]).argmax(1)
        counts.update(predicted, sample["labels"].to(device)[None])
    confusion: Tensor = counts.compute()  # over all processes
    return confusion.cpu()


def intersection_over_union(confusion: Tensor) -> list[float | None]:
    """Returns of each class the pixels of it that were found, over those that are of it or were taken for it.

    None for a class that neither the masks nor the predictions have.

    Source: Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.
    """
    found = confusion.diag()
    union = confusion.sum(0) + confusion.sum(1) - found
    return [int(f) / int(u) if u else None for f, u in zip(found, union, strict=True)]
