"""Images with boxes, and masks, as samples: to train on and to measure on."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from common_fate.errors import SampleError, UserError
from common_fate.torch import Sample
from pipeline.sources.archives import Tree
from trainers.data.transforms import generator
from trainers.engine.task import Batch
from trainers.evaluations.boxed_images.images import Boxed, decoded
from trainers.evaluations.boxed_images.shapes import drawn

Proposals = Callable[[str, NDArray[np.uint8]], NDArray[np.float32]]
"""From an image's key and pixels `(H, W, 3)`, RGB, to boxes `(N, 4)` that may have an object."""


class BoxedImages(Dataset[Any]):
    """Samples of `key`, `image (3, H, W)` float32 in [0, 1], and `target` as torchvision's detectors take it.

    A target has `boxes (N, 4)` float32, x0, y0, x1, y1 in pixels; `labels (N,)` int64 from 1, the class and one more;
    `size (2,)`, height and width; with masks also `masks (N, H, W)` uint8, and with proposals `proposals (P, 4)`. Only
    objects that count are in it. Reading raises `UserError` for an image or a mask that cannot be read.

    Args:
        images: as `surveyed` gives them.
        seed: of what is mirrored, drawn from `(seed, epoch, key)`.
        flip: whether half of the samples are mirrored.
        masks: whether there are any.
        proposals: makes boxes that may have an object; None: the network finds its own.
    """

    def __init__(
        self,
        tree: Tree,
        images: Sequence[Boxed],
        seed: int = 0,
        flip: bool = False,
        masks: bool = False,
        proposals: Proposals | None = None,
    ) -> None:
        self.tree, self.images = tree, images
        self._seed, self._flip, self._masks, self._proposals = seed, flip, masks, proposals

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | tuple[int, int]) -> Sample:
        """The sample of an index, or of `(epoch, index)`."""
        epoch, place = index if isinstance(index, tuple) else (0, index)
        one = self.images[place]
        try:
            image = decoded(self.tree, one)
            target = self._target(one, image)
        except (SampleError, ValueError) as error:
            raise UserError(f"data.path: {one.image}: {error}") from error
        sample = {
            "key": one.key,
            "image": torch.from_numpy(np.divide(image.transpose(2, 0, 1), np.float32(255), order="C")),
            "target": target,
        }
        if self._flip and generator(self._seed, epoch, one.key, "flip").random() < 0.5:
            _mirror(sample)
        return sample

    def _target(self, one: Boxed, image: NDArray[np.uint8]) -> dict[str, torch.Tensor]:
        counted, size = one.counted, image.shape[:2]
        target = {
            "boxes": torch.from_numpy(one.boxes[counted]),
            "labels": torch.from_numpy(one.labels[counted] + 1),
            "size": torch.tensor(size),
        }
        if self._masks:
            shapes = [drawn(shape, size) for shape, counts in zip(one.shapes, counted, strict=True) if counts]
            target["masks"] = torch.from_numpy(np.stack(shapes).astype(np.uint8) if shapes else np.empty((0, *size)))
            target["masks"] = target["masks"].to(torch.uint8)
        if self._proposals is not None:
            target["proposals"] = torch.from_numpy(self._proposals(one.key, image))
        return target


def _mirror(sample: Sample) -> None:
    """Mirrors a sample, left and right, in place."""
    target = sample["target"]
    sample["image"] = sample["image"].flip(-1)
    width = sample["image"].shape[-1]
    for name in ("boxes", "proposals"):
        if name in target:
            x0, y0, x1, y1 = target[name].unbind(1)
            target[name] = torch.stack([width - x1, y0, width - x0, y1], dim=1)
    if "masks" in target:
        target["masks"] = target["masks"].flip(-1)


def collate(samples: list[Sample]) -> Batch:
    """Joins samples, whose images differ in size: every member of a batch is a list."""
    return {"key": [s["key"] for s in samples], "image": [s["image"] for s in samples]} | {
        "target": [s["target"] for s in samples]
    }
