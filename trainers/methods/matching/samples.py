"""Samples of deep matching: two frames, or an image and its warp, and the flow between them."""

import torch
from torch import Tensor

from common_fate.torch import Sample
from trainers.data.transforms import Joint, generator
from trainers.data.warps import warped_pair
from trainers.methods.matching.options import MatchingOptions


class MatchingTransform:
    """From a sample of the view that `pairs` reads to what training collates.

    Gives `key`, `frames (2, 3, S, S)`, RGB in [0, 1], `flow (2, S, S)`, pixels, and `valid (S, S)`, bool, where that is
    known: estimated flow wherever it is valid. Of a pair by warp the second image is the crop under one warp, and the
    first is that under another.

    Args:
        train: crops and warps differ from epoch to epoch, by `training.seed`; otherwise they stay.

    Raises:
        ShardError: the members do not fit the image.
    """

    def __init__(self, options: MatchingOptions, train: bool) -> None:
        self.options, self.train = options, train
        self._joint = Joint(options.transforms, options.training.seed, train)

    @property
    def needs(self) -> tuple[str, ...]:
        """The members that a view must have."""
        pairs: dict[str, tuple[str, ...]] = {
            "truth": ("next.image", "truth.flow", "truth.valid"),
            "flow": ("next.image", "flow"),
            "warp": (),
        }
        return ("image", *pairs[self.options.pairs])

    def __call__(self, sample: Sample) -> Sample:
        crop = self._joint({name: sample[name] for name in ("key", "epoch", *self.needs)})
        if self.options.pairs == "warp":
            return {"key": crop["key"], **self._warped(crop, sample["epoch"] if self.train else 0)}
        prefix = "truth." if self.options.pairs == "truth" else ""
        frames = torch.stack([crop["image"], crop["next.image"]])
        return {"key": crop["key"], "frames": frames, "flow": crop[f"{prefix}flow"], "valid": crop[f"{prefix}valid"]}

    def _warped(self, crop: Sample, epoch: int) -> dict[str, Tensor]:
        rng = generator(self.options.training.seed, epoch, crop["key"], "pair")
        pair = warped_pair(crop["image"].numpy(), self.options.warp, rng, crop["valid"].numpy())
        first, second, flow, valid = map(torch.from_numpy, (pair.first, pair.second, pair.flow, pair.valid))
        return {"frames": torch.stack([first, second]), "flow": flow, "valid": valid}
