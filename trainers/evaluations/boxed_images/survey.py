"""All images of a data set looked at once before any training: which decode, and which boxes lie on them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from common_fate.errors import UserError
from common_fate.progress import progress
from pipeline.sources.archives import Tree
from trainers.engine.devices import is_main_process
from trainers.engine.options import LARGEST
from trainers.evaluations.boxed_images.images import Boxed, size_of
from trainers.evaluations.boxed_images.shapes import in_pixels

LEAST = 0.1  # pixels, of a box's side
BEYOND = 1.0  # pixels: so far beyond the image a box is noted, and not only clipped
NAMED = 5  # images in a note


@dataclass
class Survey:
    """What some images have that is not as it should be.

    Args:
        unreadable: images that are left out, and why, by key.
        clipped: boxes that reach beyond their image, and now end at its border.
        degenerate: boxes without a width or a height on the image, which are left out.
        empty: images without an object that counts.
        crowds: regions of several objects.
        difficult: objects that are not counted.
    """

    unreadable: dict[str, str] = field(default_factory=dict)
    clipped: int = 0
    degenerate: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    crowds: int = 0
    difficult: int = 0

    def notes(self, side: str) -> str:
        """Returns sentences on what was found on the images of a side; none where all is as it should be."""
        unreadable = [f"{name} ({reason})" for name, reason in self.unreadable.items()]
        counts = {
            f"images cannot be read and are left out: {_named(unreadable)}": len(unreadable),
            "boxes reached beyond their images and are clipped": self.clipped,
            f"boxes have no width or height on their images and are left out, on {_named(self.degenerate)}": (
                self.degenerate.total()
            ),
            "crowds do not count": self.crowds,
            "difficult objects do not count": self.difficult,
            "images have no object that counts": self.empty,
        }
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        return f" Of the data to {side} on: {said}." if said else ""


def _named(keys: Iterable[str]) -> str:
    names = sorted(keys)
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if names[NAMED:] else "")


def surveyed(
    tree: Tree, images: Sequence[Boxed], title: str, workers: int, longest: int = LARGEST
) -> tuple[list[Boxed], Survey]:
    """Returns the images that decode, their boxes in pixels and within them, and what was found.

    Each has its `size`. Every image is decoded.

    Args:
        title: of the progress bar.
        longest: pixels that a network has of an image's longer side. One of which then nothing is left across is as one
            that cannot be read.

    Raises:
        UserError: none of the images decodes.
    """
    found = Survey()
    kept = []
    loader = DataLoader(_Sizes(tree, images, longest), batch_size=None, num_workers=workers)
    sizes = progress(loader, len(images), title) if is_main_process() else loader
    for one, size in zip(images, sizes, strict=True):
        if isinstance(size, str):
            found.unreadable[one.key] = size
        else:
            kept.append(_within(one, (int(size[0]), int(size[1])), found))
    if not kept:
        name, reason = next(iter(found.unreadable.items()))
        raise UserError(f"data.path: none of {len(images)} images can be read: {name}: {reason}")
    return kept, found


class _Sizes(Dataset[Any]):
    def __init__(self, tree: Tree, images: Sequence[Boxed], longest: int) -> None:
        self._tree, self._images, self._longest = tree, images, longest

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[int, int] | str:
        size = size_of(self._tree, self._images[index])
        if not isinstance(size, str) and max(size) > min(size) * self._longest // 2:
            return f"it is {size[1]}x{size[0]}: too long to be scaled to {self._longest} pixels"
        return size


def _within(one: Boxed, size: tuple[int, int], found: Survey) -> Boxed:
    """An image of that size, with its boxes in pixels and clipped to it, without those that are nowhere on it."""
    height, width = size
    boxes, shapes = one.boxes, one.shapes
    if one.relative:
        boxes = boxes * np.array([width, height] * 2, np.float32)
        shapes = tuple(in_pixels(shape, size) for shape in shapes)
    clipped = np.clip(boxes, 0, np.array([width, height] * 2, np.float32))
    kept: NDArray[np.bool_] = np.all(clipped[:, 2:] - clipped[:, :2] >= LEAST, axis=1)
    found.clipped += int((np.abs(boxes - clipped).max(axis=1, initial=0) > BEYOND)[kept].sum())
    if not kept.all():
        found.degenerate[one.key] += int((~kept).sum())
    fitted = replace(
        one,
        boxes=clipped[kept],
        labels=one.labels[kept],
        crowd=one.crowd[kept],
        difficult=one.difficult[kept],
        shapes=tuple(shape for shape, keep in zip(shapes, kept, strict=True) if keep) if shapes else (),
        size=size,
        relative=False,
    )
    found.empty += not fitted.counted.any()
    found.crowds += int(fitted.crowd.sum())
    found.difficult += int(fitted.difficult.sum())
    return fitted
