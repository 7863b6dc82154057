"""What training and validation compute: flow between all frames, its losses, and how far it is off."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from pipeline.columns.flow.networks import create_network
from pipeline.columns.flow.networks.layers import resize_flow, warp
from trainers.engine.task import Batch, Mean, Task
from trainers.methods.selflow.losses import masked_mean, occluded, photometric_loss, robust, self_supervision_loss
from trainers.methods.selflow.options import LossOptions, SelFlowOptions
from trainers.methods.selflow.samples import SelFlowTransform
from trainers.metrics.flow import endpoint_errors


@dataclass(frozen=True)
class Pair:
    """Two frames `(B, 3, H, W)`, and flow `(B, 2, H, W)` from the first to the second and back, pixels."""

    first: Tensor
    second: Tensor
    flow: Tensor
    back: Tensor

    @cached_property
    def occluded(self) -> Tensor:
        """`(B, H, W)`, bool: what of the first frame the second does not show."""
        return occluded(self.flow, self.back)


class SelFlow(Task):
    """Batches have `frames (B, N, 3, H, W)` in time's order, `valid (B, H, W)`, and more of `SelFlowTransform`."""

    options: SelFlowOptions
    iteration: Tensor

    def __init__(self, options: SelFlowOptions, teacher: nn.Module | None = None) -> None:
        super().__init__(options, teacher)
        self.net = self.network(options)
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self.idle = _idle(options.loss)

    @classmethod
    def network(cls, options: SelFlowOptions) -> nn.Module:
        """Builds the network with random weights."""
        network = options.network.created
        return create_network(network["name"], dict(network["options"]))

    def samples(self, train: bool) -> SelFlowTransform:
        """Returns what crops the frames of a sample, and hides patches of them."""
        return SelFlowTransform(self.options, train)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the photometric loss (equation 1), with a teacher self-supervision (equation 2); or that on truth."""
        kind, exponent = self.options.loss.kind, self.options.loss.exponent
        if kind == "supervised":
            return {"supervised": self._supervised(batch)}
        if self.teacher is None:
            return {"photometric": self._photometric(pairs(self.net, batch["frames"]), batch["valid"])}
        with torch.no_grad():
            taught = pairs(self.teacher, batch["frames"])
        side = self.options.hallucination.crop or batch["frames"].shape[-1]
        learnt = pairs(self.net, _cropped(batch["noised"], batch["corner"], side))
        valid = _cropped(batch["valid"], batch["corner"], side)
        losses = []
        for theirs, ours in zip(taught, learnt, strict=False):  # what both estimate, of two frames or three
            visible = ~_cropped(theirs.occluded, batch["corner"], side)
            hidden = ours.occluded & visible & valid
            losses.append(
                self_supervision_loss(ours.flow, _cropped(theirs.flow, batch["corner"], side), hidden, exponent)
            )
        return {"photometric": self._photometric(learnt, valid), "self_supervision": _mean(losses)}

    def metrics(self) -> dict[str, Metric]:
        """Returns the mean end-point error in pixels where the truth is known.

        Without truth, the mean photometric error, and the share of pixels that are `visible`, that is, not taken for
        occluded: all that counts after the warm-up.
        """
        if self.options.loss.kind == "supervised":
            return {"epe": Mean()}
        return {"photometric": Mean(), "visible": Mean()}

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        """Adds the errors of a batch."""
        if "epe" in metrics:
            totals, pixels = endpoint_errors(net(_read(net, batch["frames"])), batch["flow"], batch["valid"]).unbind(1)
            metrics["epe"].update(totals, pixels)
            return
        of = pairs(net, batch["frames"])
        loss, count = self._photometric(of, batch["valid"]), len(batch["frames"])
        metrics["photometric"].update(loss * count, (loss > 0) * count)  # of nothing that counts there is no error
        for pair in of:
            metrics["visible"].update(~pair.occluded & batch["valid"], batch["valid"])

    def stepped(self, iteration: int) -> None:
        """Notes how far training is, for the occlusion check, which waits."""
        self.iteration.fill_(iteration)

    def _supervised(self, batch: Batch) -> Tensor:
        """The robust error of each level's flow at full resolution, where the truth is known."""
        flow, valid = batch["flow"], batch["valid"]
        size = flow.shape[-2], flow.shape[-1]
        levels = self.net.levels(_read(self.net, batch["frames"]))  # type: ignore[operator]
        errors = [resize_flow(level, size) - flow for level in levels]
        return _mean([masked_mean(robust(error, self.options.loss.exponent), valid) for error in errors])

    def _photometric(self, of: list[Pair], valid: Tensor) -> Tensor:
        """Equation 1, over all pairs; what is valid `(B, H, W)` lies on the image."""
        loss = self.options.loss
        everywhere = self.iteration < loss.warmup if loss.occlusion else torch.ones_like(self.iteration).bool()
        losses = []
        for pair in of:
            counts = (~pair.occluded | everywhere) & valid
            warped = warp(pair.second, pair.flow)
            losses.append(photometric_loss(pair.first, warped, counts, loss.census, loss.exponent))
        return _mean(losses)


def _idle(loss: LossOptions) -> str:
    """What a loss of 0 means: psi is above 0, so that nothing has counted."""
    if loss.kind == "supervised":
        return "the exact flow is valid nowhere in what is trained on"
    return (
        "every pixel is taken for occluded, as flow and flow back do not agree: raise loss.warmup, which is "
        f"{loss.warmup}, so that flow is about right before it ends; validation.visible is the share that is not"
    )


def pairs(net: nn.Module, frames: Tensor) -> list[Pair]:
    """Returns flow between a frame and its neighbours, there and back.

    Of a network that reads three frames, flow from a neighbour back is that of the neighbour between this frame and
    this frame again: the published training has five frames, of which the outer two serve that alone.

    Args:
        frames: `(B, 3, 3, H, W)`: the frame before, this one, the next; of a network of two frames the first may be
            missing.

    Returns:
        Of networks of two frames that between this frame and the next, in both orders; of three also that between it
        and the one before.
    """
    batch, this, after = len(frames), frames[:, -2], frames[:, -1]
    if _frames_of(net) == 2:
        both = net(torch.cat([torch.stack([this, after], 1), torch.stack([after, this], 1)]))
        flow, back = both.chunk(2)
        return [Pair(this, after, flow, back), Pair(after, this, back, flow)]
    before = frames[:, 0]
    read = [frames, torch.stack([this, after, this], 1), torch.stack([this, before, this], 1)]
    forward, backward = net.directions(torch.cat(read))  # type: ignore[operator]
    to_after, to_before = forward[:batch], backward[:batch]
    from_after, from_before = forward[batch:].chunk(2)
    return [
        Pair(this, after, to_after, from_after),
        Pair(after, this, from_after, to_after),
        Pair(this, before, to_before, from_before),
        Pair(before, this, from_before, to_before),
    ]


def _frames_of(net: nn.Module) -> int:
    return int(getattr(net, "frames", 2))


def _read(net: nn.Module, frames: Tensor) -> Tensor:
    """The frames that a network reads: the last ones."""
    return frames[:, -_frames_of(net) :]


def _cropped(planes: Tensor, corners: Tensor, side: int) -> Tensor:
    """Each sample's own square of `(B, ..., H, W)`."""
    if planes.shape[-2:] == (side, side):
        return planes
    return torch.stack(
        [
            plane[..., top : top + side, left : left + side]
            for plane, (top, left) in zip(planes, corners.tolist(), strict=True)
        ]
    )


def _mean(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).mean()
