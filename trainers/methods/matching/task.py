"""What training and validation compute: scores of matches, their loss, and how many pixels are matched rightly."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from pipeline.columns.flow.networks import create_network
from pipeline.columns.flow.networks.matching.matches import fill
from trainers.engine.task import Batch, Mean, Task
from trainers.methods.matching.loss import structured_hinge, truth_at
from trainers.methods.matching.options import MatchingOptions
from trainers.methods.matching.samples import MatchingTransform

NEAR = 10.0
"""Pixels within which a match is right (accuracy@10)."""


class Matching(Task):
    """Batches are of `MatchingTransform`."""

    options: MatchingOptions
    idle = "flow is known nowhere in what is trained on, or all motion is beyond pyramid.radius"

    def __init__(self, options: MatchingOptions, teacher: nn.Module | None = None) -> None:
        super().__init__(options, teacher)
        self.net = self.network(options)
        self.net.exponents.requires_grad_(options.loss.exponents)
        self.net.descriptor.requires_grad_(options.loss.features)

    @classmethod
    def network(cls, options: MatchingOptions) -> nn.Module:
        """Builds the network with random weights, and all exponents as the thesis has them."""
        return create_network(options.created["name"], dict(options.created["options"]))

    def samples(self, train: bool) -> MatchingTransform:
        """Returns what makes a pair of a sample, and the flow within it."""
        return MatchingTransform(self.options, train)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the structured hinge loss of each level that is asked for."""
        frames, loss, grid = batch["frames"], self.options.loss, self.options.pyramid
        levels, decoded = self.net.scores(frames[:, 0], frames[:, 1])  # type: ignore[operator]
        losses = {}
        for name, maps, wanted in (("decoded", decoded, loss.decoded), ("scores", levels.scores, loss.scores)):
            for level in wanted:
                points = (maps[level].shape[1], maps[level].shape[2])
                flow, valid = truth_at(points, level, grid, batch["flow"], batch["valid"])
                losses[f"{name}_{level}"] = structured_hinge(maps[level], level, grid, flow, valid, loss.sigma)
        return losses

    def metrics(self) -> dict[str, Metric]:
        """Returns the share of pixels that the nearest verified match says within 10 pixels of where they go."""
        return {"accuracy_10": Mean()}

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        """Adds the pixels of a batch whose motion is known."""
        for (this, following), truth, valid in zip(batch["frames"], batch["flow"], batch["valid"], strict=True):
            flow, found = fill(net.match(this, following), *valid.shape)  # type: ignore[operator]
            error = (torch.from_numpy(flow).to(truth.device) - truth).norm(dim=0)
            right = torch.from_numpy(found).to(valid.device) & (error <= NEAR)
            metrics["accuracy_10"].update(right & valid, valid)
