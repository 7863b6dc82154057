"""What training and validation compute: alignment and diversity, and how far landmarks are from where a warp led."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric

from trainers.engine.task import Batch, Mean, Task
from trainers.methods.landmarks.loss import alignment_loss, cell_places, diversity_loss, expected_places, probabilities
from trainers.methods.landmarks.model import LandmarkNet
from trainers.methods.landmarks.options import LandmarksOptions
from trainers.methods.landmarks.samples import LandmarksTransform


class Landmarks(Task):
    """Batches have `first (B, 3, S, S)`, `second (B, 3, S, S)`, `flow (B, 2, S, S)` and `folded (B,)`."""

    options: LandmarksOptions

    def __init__(self, options: LandmarksOptions, teacher: nn.Module | None = None) -> None:
        super().__init__(options, teacher)
        self.net = self.network(options)

    @classmethod
    def network(cls, options: LandmarksOptions) -> LandmarkNet:
        """Builds the network with random weights."""
        return LandmarkNet(options.model)

    def samples(self, train: bool) -> LandmarksTransform:
        """Returns what crops and warps a sample."""
        return LandmarksTransform(self.options, train)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the two losses of equation 9, diversity with its weight."""
        first, second = probabilities(self.net(torch.cat([batch["first"], batch["second"]]))).chunk(2)
        places = cell_places(first.shape[-2:], first)
        options = self.options.loss
        diversity = diversity_loss(first, options.pooling) + diversity_loss(second, options.pooling)
        return {
            "alignment": alignment_loss(second, places, first, led_to(places, batch["flow"])),
            "diversity": options.diversity * diversity,
        }

    def metrics(self) -> dict[str, Metric]:
        """Returns what is known of held-out images.

        `alignment`, how far a landmark of `second` is from where the warp has that of `first`, pixels; `diversity`, the
        loss without its weight as a share of its most: 0 where no square has two landmarks, 1 where all are in one;
        and `folded`, the share of samples of which a warp folded.
        """
        return {name: Mean() for name in ("alignment", "diversity", "folded")}

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        """Adds the landmarks of a batch."""
        first, second = probabilities(net(torch.cat([batch["first"], batch["second"]]))).chunk(2)
        places = cell_places(first.shape[-2:], first)
        found, warped = expected_places(second, places), expected_places(first, places)
        led = led_to(warped.transpose(1, 2)[..., None], batch["flow"])[..., 0].transpose(1, 2)
        distances = (found - led).norm(dim=2)
        metrics["alignment"].update(distances, torch.ones_like(distances))
        count, (landmarks, pooling) = torch.tensor(2.0 * len(first)), (first.shape[1], self.options.loss.pooling)
        lost = diversity_loss(torch.cat([first, second]), pooling)
        metrics["diversity"].update(lost * count.to(lost.device) / max(landmarks - 1, 1), count)
        metrics["folded"].update(batch["folded"], torch.ones_like(batch["folded"]))


def led_to(places: Tensor, flow: Tensor) -> Tensor:
    """Returns where flow leads from places, `(B, 2, ...)`: y and x in pixels; it is interpolated bilinearly.

    Args:
        places: `(2, h, w)` or `(B, 2, h, w)`, y and x.
        flow: `(B, 2, H, W)`, u and v.
    """
    if places.ndim == 3:
        places = places.expand(len(flow), *places.shape)
    sides = places.new_tensor(flow.shape[-2:])
    grid = ((2 * places.movedim(1, -1) + 1) / sides - 1).flip(-1)
    moved = F.grid_sample(flow, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return places + moved.flip(1)
