"""Labelled images as samples to train on and to measure on; one that cannot be read does not count."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from common_fate.errors import SampleError, ShardError
from common_fate.torch import Sample
from trainers.data.transforms import Joint
from trainers.engine.options import TransformOptions
from trainers.engine.task import Batch
from trainers.evaluations.labelled_images.sides import Labelled

UNKNOWN = -1
"""The label of what does not count: an image that cannot be read, or a class that is hard to tell."""
_MOST_NOTED = 1000


class Crop:
    """Crops an image of a sample, `(K, 3, S, S)`.

    In training there is one, by the draw of `(seed, epoch, key)`. To measure it is the one in the centre, or `count`
    that are drawn as in training but for the colours, the same whenever the image is measured.
    """

    def __init__(self, transforms: TransformOptions, seed: int, train: bool, count: int = 1) -> None:
        self.count = count
        self.shape = count, 3, transforms.crop, transforms.crop
        if train:
            self._joint = Joint(transforms, seed, train=True)
        else:
            self._joint = Joint(replace(transforms, jitter=0.0), seed, train=count > 1, purpose="measured crop")

    def __call__(self, sample: Sample) -> Tensor:
        if self.count == 1:
            return torch.as_tensor(self._joint(sample)["image"])[None]
        return torch.stack([self._joint({**sample, "epoch": number})["image"] for number in range(self.count)])


class LabelledImages(Dataset[Any]):
    """Samples of `key`, `image (K, 3, S, S)` in [0, 1], `label`, `()` or `(C,)` int64, and `problem`.

    The problem says why an image cannot be read; it is then black, and its label `UNKNOWN`. Else it is empty.
    """

    def __init__(self, images: Labelled, crop: Crop) -> None:
        self.images, self.crop = images, crop

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """The sample of an index, or of `(epoch, index)`."""
        epoch, row = index if isinstance(index, tuple) else (0, index)
        name = self.images.names[row]
        label = torch.as_tensor(self.images.labels[row]).long()
        try:
            image = self.images.image(row)
            planes = torch.from_numpy(np.divide(image.transpose(2, 0, 1), np.float32(255), order="C"))
            crops = self.crop({"key": name, "epoch": epoch, "image": planes})
        except (SampleError, ShardError) as error:  # of a shard's sample, the size that a strip would be resized to
            reason = str(error).removeprefix(f"{name}: ")
            blank = torch.zeros(self.crop.shape)
            return {"key": name, "image": blank, "label": torch.full_like(label, UNKNOWN), "problem": reason}
        return {"key": name, "image": crops, "label": label, "problem": ""}


class Unread(nn.Module):
    """The images that could not be read, and why. As a part of a task it survives a kill.

    Of several processes each notes its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[str, str] = {}

    def note(self, batch: Batch) -> None:
        """Notes those of a batch of `LabelledImages`."""
        for key, problem in zip(batch["key"], batch["problem"], strict=True):
            if problem and len(self.reasons) < _MOST_NOTED:
                self.reasons[key] = problem

    def get_extra_state(self) -> dict[str, str]:
        """Returns what a checkpoint has of it."""
        return dict(self.reasons)

    def set_extra_state(self, state: dict[str, str]) -> None:
        """Takes up what a checkpoint has of it."""
        self.reasons = dict(state)


def said(unread: Unread, what: str, count: int | None = None) -> str:
    """Returns the sentence that names what could not be read, after a blank; nothing, where all could.

    Args:
        what: the images are, in the plural.
        count: how many there are, where that is not what was noted.
    """
    number = len(unread.reasons) if count is None else count
    if not number:
        return ""
    such = _first(sorted(unread.reasons.items()))
    return f" Left out, since they cannot be read: {number} of the {what}{such}."


def _first(reasons: Sequence[tuple[str, str]]) -> str:
    return f", such as {reasons[0][0]} ({reasons[0][1]})" if reasons else ""
