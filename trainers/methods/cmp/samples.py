"""Samples of conditional motion propagation: the crop of an image, its flow, and what the network is told of it."""

import torch

from common_fate.torch.sample import Sample
from trainers.data.transforms import Joint, generator
from trainers.methods.cmp.guidance import guidance_map, guidance_points
from trainers.methods.cmp.options import CMPOptions


class CMPTransform:
    """From a sample of a `cmp` view to what training collates.

    Gives `key`; `image (3, S, S)`; `flow (2, S, S)`, pixels, 0 where it is not valid; `valid (S, S)` bool; and
    `guidance (3, S, S)`, which is u, v and 1 at the points the network is told, 0 elsewhere. S is the crop's side.

    Args:
        train: crops and points differ from epoch to epoch, by `training.seed`; otherwise they stay.

    Raises:
        ShardError: the sample's flow does not fit its image.
    """

    def __init__(self, options: CMPOptions, train: bool) -> None:
        self.options, self.train = options, train
        self._joint = Joint(options.transforms, options.training.seed, train)

    @property
    def needs(self) -> tuple[str, ...]:
        """The members that a view must have."""
        return ("image", "flow", "guidance") if self.options.guidance.points == "column" else ("image", "flow")

    def __call__(self, sample: Sample) -> Sample:
        taken = {name: sample[name] for name in ("key", "epoch", "image", "flow")}
        if self.options.guidance.points == "column":
            taken["points"] = sample["guidance"]
        crop = self._joint(taken)
        flow, valid = crop["flow"].numpy(), crop["valid"].numpy()
        column = crop["points"].numpy() if "points" in crop else None
        epoch = sample["epoch"] if self.train else 0
        rng = generator(self.options.training.seed, epoch, sample["key"], "guidance")
        points = guidance_points(flow, valid, self.options.guidance, rng, column)
        told = torch.from_numpy(guidance_map(points, flow))
        return {name: crop[name] for name in ("key", "image", "flow", "valid")} | {"guidance": told}
