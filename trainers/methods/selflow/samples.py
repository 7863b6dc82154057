"""Samples of SelFlow: three frames, for a student with noise in some patches, and exact flow where it is known.

Liu et al., "SelFlow", CVPR 2019, section 2, "Occlusion Hallucination".
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common_fate.torch.sample import Sample
from trainers.data.transforms import Joint, generator
from trainers.methods.selflow.options import HallucinationOptions, SelFlowOptions

FRAMES = ("previous.image", "image", "next.image")
"""In the order of their time."""
_TRUTH = ("truth.flow", "truth.valid")
_SHARE = (0.08, 0.25)
"""Of the crop's side, from and to: the sides of a rectangle of noise."""


class SelFlowTransform:
    """From a sample of a `selflow` or `flow` view to what training collates.

    Gives `key`, `frames (3, 3, S, S)`, RGB in [0, 1], the frame before, this one and the next (the last two alone where
    nothing reads the first), and `valid (S, S)`, bool, what of the crop lies on the image; to learn with a teacher
    `noised`, the same with patches of noise in one of them, and `corner (2,)`, the top and left of what the student
    sees; to learn from truth `flow (2, S, S)`, pixels, and in `valid` where that is known.

    Args:
        train: crops, patches and noise differ from epoch to epoch, by `training.seed`; otherwise they stay.

    Raises:
        ShardError: the members do not fit the image.
    """

    def __init__(self, options: SelFlowOptions, train: bool) -> None:
        self.options, self.train = options, train
        self._joint = Joint(options.transforms, options.training.seed, train)

    @property
    def needs(self) -> tuple[str, ...]:
        """The members that a view must have."""
        if self.options.loss.kind == "supervised":
            return (*self._frames, *_TRUTH)
        return (*self._frames, *(self._labels if self.options.loss.kind == "occ" else ()))

    @property
    def _frames(self) -> tuple[str, ...]:
        """Without the frame before, where the network reads two, and no teacher may read three."""
        return FRAMES if self.options.loss.kind == "occ" else FRAMES[-self.options.network.frames :]

    @property
    def _labels(self) -> tuple[str, ...]:
        superpixels = self.options.hallucination.shape == "superpixels"
        return ("previous.superpixels", "superpixels", "next.superpixels") if superpixels else ()

    def __call__(self, sample: Sample) -> Sample:
        crop = self._joint({name: sample[name] for name in ("key", "epoch", *self.needs)})
        frames = torch.stack([crop[name] for name in self._frames])
        made: Sample = {"key": crop["key"], "frames": frames, "valid": crop["valid"]}
        if self.options.loss.kind == "supervised":
            return made | {"flow": crop["truth.flow"], "valid": crop["truth.valid"]}
        if self.options.loss.kind == "noc":
            return made
        epoch = sample["epoch"] if self.train else 0
        rng = generator(self.options.training.seed, epoch, sample["key"], "hallucination")
        noised = frames.clone()
        number = int(rng.integers(len(FRAMES)))
        labels = crop[self._labels[number]].numpy() if self._labels else None
        side = self.options.transforms.crop
        hidden = patches(side, labels, self.options.hallucination, rng)
        noise = torch.from_numpy(rng.random((3, side, side), np.float32))
        noised[number] = torch.where(torch.from_numpy(hidden), noise, noised[number])
        slack = side - (self.options.hallucination.crop or side)
        corner: Tensor = torch.from_numpy(rng.integers(slack + 1, size=2))
        return made | {"noised": noised, "corner": corner}


def patches(
    side: int, labels: NDArray[np.int64] | None, options: HallucinationOptions, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Returns which pixels of a square frame are hidden, `(side, side)`.

    Args:
        labels: the frame's superpixels, `(side, side)`, below 0 beyond the image; None for rectangles, or nothing.
    """
    hidden = np.zeros((side, side), np.bool_)
    count = int(rng.integers(options.patches[0], options.patches[1] + 1))
    if labels is not None:
        there = np.unique(labels[labels >= 0])
        return np.isin(labels, rng.permutation(there)[:count])
    if options.shape == "rectangles":
        for _ in range(count):
            height, width = (round(side * rng.uniform(*_SHARE)) for _ in range(2))
            top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
            hidden[top : top + height, left : left + width] = True
    return hidden
