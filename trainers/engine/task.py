"""What a method brings to training: a network, samples, named losses, and what accumulates over held-out samples."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from common_fate.torch import Sample

Batch = dict[str, Any]
"""`key` is a list; the other members are stacked tensors, or what the evaluation's own `collate` makes of them."""


class Samples(Protocol):
    """Turns a sample of a view into one to collate.

    Attributes:
        needs: the members that a view must have, by their names in a sample: `image`, `flow`, `guidance`. In training
            they are all that a sample has.
    """

    @property
    def needs(self) -> tuple[str, ...]: ...

    def __call__(self, sample: Sample) -> Any: ...


class Task(nn.Module):
    """A module whose call on a batch gives named losses, whose sum is minimised.

    Everything that has to survive a kill is part of the module's state: frozen teachers and averaged weights are
    submodules, queues are buffers. Its checkpoint has them, and a run that is taken up goes on with them exactly. On
    several devices each step begins with the first one's buffers.

    Attributes:
        net: what is trained, saved as `model.safetensors`, and, where asked, averaged (`training.ema`). Where the
            method has an image encoder, it is `net.encoder`.
        options: of the method, as its declaration has them.
        teacher: the trained network of another experiment; whatever the task does, it stays frozen and in evaluation
            mode.
        idle: why a loss that stays at exactly 0 teaches nothing, and what to do: training then stops, and says so.
            Empty, where 0 is a loss like any other.
        best_by: the metric that is lowest with the best weights (`training.keep`). Empty, where nothing says so.

    Args:
        options: the method's own dataclass.
        teacher: None without one.
    """

    net: nn.Module
    idle: str = ""
    best_by: str = ""

    def __init__(self, options: Any, teacher: nn.Module | None = None) -> None:
        super().__init__()
        self.options = options
        self.teacher = teacher.requires_grad_(False).eval() if teacher else None

    def train(self, mode: bool = True) -> "Task":
        """Sets the mode of everything but the teacher."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    @classmethod
    def network(cls, options: Any) -> nn.Module:
        """Builds the network with random weights from torch's global generator, which the caller seeds."""
        raise NotImplementedError

    def samples(self, train: bool) -> Samples:
        """Returns what turns a view's sample into one to collate.

        Args:
            train: varied by `(seed, epoch, key)`; else always the same.
        """
        raise NotImplementedError

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Returns the named losses, scalars; the engine minimises their sum."""
        raise NotImplementedError

    def check_samples(self, count: int) -> None:
        """Raises `UserError` where the task needs more samples to train on than there are: for what it remembers."""

    def metrics(self) -> dict[str, Metric]:
        """Returns new accumulators by name, of which each computes a scalar over the whole held-out set."""
        return {}

    def measure(self, net: nn.Module, batch: Batch, metrics: Mapping[str, Metric]) -> None:
        """Updates the accumulators with a held-out batch, predicted by `net`: `self.net`, or its average."""

    def stepped(self, iteration: int) -> None:
        """Notes that the optimiser has made a step, the `iteration`-th: for queues and momentum teachers."""

    def finished(self) -> None:
        """Makes of the trained network what is saved, once, after the last step; no checkpoint has it."""


class Mean(Metric):
    """A weighted mean over a set, in float64: sums and weights add up over samples and processes."""

    full_state_update = False
    total: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("weight", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, total: Tensor, weight: Tensor) -> None:
        """Adds sums of values, and of their weights, of any shape."""
        self.total += total.double().sum()
        self.weight += weight.double().sum()

    def compute(self) -> Tensor:
        """Returns the mean; not a number where nothing had any weight."""
        return self.total / self.weight
