"""Samples of landmarks: two warped images of one, and where each pixel of the first is in the second.

Thewlis et al., ICCV 2017, section 4.1: two thin-plate splines, one after the other.
"""

import torch

from common_fate.torch.sample import Sample
from trainers.data.transforms import Joint, generator
from trainers.data.warps import warped_pair
from trainers.methods.landmarks.options import LandmarksOptions


class LandmarksTransform:
    """From a sample of a view of images to what training collates.

    Gives `key`; `first` and `second`, `(3, S, S)`, RGB in [0, 1]: `second` is the crop under one warp, `first` is
    `second` under another; `flow (2, S, S)`, pixels, from `first` to `second`; and `folded ()`, float, 1 where a
    warp was drawn that folds, and was weakened until it did not.

    Args:
        train: crops and warps differ from epoch to epoch, by `training.seed`; otherwise they stay.
    """

    needs = ("image",)

    def __init__(self, options: LandmarksOptions, train: bool) -> None:
        self.options, self.train = options, train
        self._joint = Joint(options.transforms, options.training.seed, train)

    def __call__(self, sample: Sample) -> Sample:
        crop = self._joint({name: sample[name] for name in ("key", "epoch", "image")})
        epoch = sample["epoch"] if self.train else 0
        rng = generator(self.options.training.seed, epoch, sample["key"], "warps")
        pair = warped_pair(crop["image"].numpy(), self.options.warp, rng)
        arrays = {name: torch.from_numpy(getattr(pair, name)) for name in ("first", "second", "flow")}
        return {"key": sample["key"], **arrays, "folded": torch.tensor(float(pair.folded))}
