"""Samples of conditional motion propagation: the crop of an image, its flow, and what the network is told of it."""

import numpy as np
import torch
from numpy.typing import NDArray

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
        if self.train and self.options.guidance.camera:
            rng = generator(self.options.training.seed, epoch, sample["key"], "camera")
            flow = flow + valid * camera_motion(flow.shape[1:], self.options.guidance.camera, rng)
            crop["flow"] = torch.from_numpy(flow)
        rng = generator(self.options.training.seed, epoch, sample["key"], "guidance")
        points = guidance_points(flow, valid, self.options.guidance, rng, column)
        told = torch.from_numpy(guidance_map(points, flow))
        return {name: crop[name] for name in ("key", "image", "flow", "valid")} | {"guidance": told}


def camera_motion(size: tuple[int, ...], most: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws the flow of a camera that pans, zooms and rolls a little: `(2, H, W)`, u and v, at most `most` pixels long.

    One frame is all that the network sees, and how the camera moves after it, nothing in it tells: such flow may be
    added to any. It teaches to spread motion over what else would mostly stand still. Not in the paper.
    """
    height, width = size
    x = np.linspace(-1, 1, width) * (width / max(size))
    y = np.linspace(-1, 1, height)[:, None] * (height / max(size))
    (u, v), (zoom, roll) = rng.normal(size=2), rng.normal(size=2) / 4
    flow = np.stack([u + zoom * x - roll * y, v + zoom * y + roll * x])
    longest = np.hypot(*flow).max()
    return (flow * (most * rng.uniform() / longest)).astype(np.float32)
