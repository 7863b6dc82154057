"""What a trained detector finds on images, and what is on them."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader

from common_fate.progress import progress
from trainers.engine.loaders import one_line_errors
from trainers.evaluations.boxed_images.data import BoxedImages
from trainers.evaluations.boxed_images.images import Boxed
from trainers.evaluations.boxed_images.shapes import drawn, packed
from trainers.metrics.detection import Found, Truth

SURE = 0.5  # from which probability on a pixel is of the object


@torch.no_grad()
def find(net: nn.Module, images: BoxedImages, workers: int = 0) -> list[Found]:
    """Returns what a detector finds on each image, each taken by itself.

    Several processes take an equal share of the images each, and all get all of what was found.

    Args:
        net: one of torchvision's detectors; it is left in evaluation mode.

    Raises:
        UserError: an image cannot be read.
    """
    net.eval()
    device = next(net.parameters()).device
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    share = range(rank, len(images), world)
    loader = DataLoader(images, batch_size=None, sampler=share, num_workers=workers)
    samples = one_line_errors(iter(loader))
    own = {}
    for place, sample in zip(share, progress(samples, len(share), "evaluate") if rank == 0 else samples, strict=True):
        target = {name: value.to(device) for name, value in sample["target"].items()}
        (outcome,) = net([sample["image"].to(device)], [target])
        own[place] = _found(outcome)
    everyone: list[Any] = [own] * world
    if world > 1:
        dist.all_gather_object(everyone, own)
    together = {place: found for part in everyone for place, found in part.items()}
    return [together[place] for place in range(len(images))]


def _found(outcome: dict[str, Tensor]) -> Found:
    masks = outcome["masks"][:, 0].cpu().numpy() >= SURE if "masks" in outcome else ()
    return Found(
        outcome["boxes"].float().cpu().numpy(),
        outcome["scores"].float().cpu().numpy(),
        outcome["labels"].cpu().numpy() - 1,
        tuple(packed(mask) for mask in masks),
    )


def truth_of(images: Sequence[Boxed], masks: bool) -> list[Truth]:
    """Returns what annotations say is on images, as `surveyed` gives them; with or without their masks."""
    return [
        Truth(
            *(one.boxes, one.labels, one.crowd, one.difficult),
            tuple(packed(drawn(shape, one.size or (0, 0))) for shape in one.shapes) if masks else (),
        )
        for one in images
    ]
