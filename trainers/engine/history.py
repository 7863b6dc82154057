"""What was measured when: the losses of each step, read from the device now and then, and what validation measures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from lightning.fabric import Fabric
from torch import Tensor

MAX_ROWS = 1000  # of a curve: a longer run averages its losses over several iterations


@dataclass(frozen=True)
class Pass:
    """One pass of a step, whose losses are still on the device: reading them would wait for it.

    Args:
        iteration: of its step, counted from 0.
        keys: of its samples.
        losses: scalars by column of the curve, each this pass's part of its step's.
    """

    iteration: int
    keys: Sequence[str]
    losses: Mapping[str, Tensor]


class NotFinite(Exception):
    """The loss of a step is not finite.

    Args:
        iteration: of the step, counted from 0.
        keys: the samples of the pass; none where it was another process's.
    """

    def __init__(self, iteration: int, keys: Sequence[str]) -> None:
        super().__init__(iteration, keys)
        self.iteration, self.keys = iteration, keys


@dataclass
class Curve:
    """The curve of a run.

    Args:
        iterations: of the whole run.
        rows: each has `iteration`, counted from 1, and `learning_rate` with the losses, or what validation measured,
            or both.
        losses: of the steps since the last row that has them.
    """

    iterations: int
    rows: list[dict[str, float]] = field(default_factory=list)
    losses: list[dict[str, float]] = field(default_factory=list)

    def add_losses(self, iteration: int, losses: dict[str, float], rate: float) -> None:
        """Adds a step's losses, and a row of their means where one is due."""
        self.losses.append(losses)
        every = -(-self.iterations // MAX_ROWS)
        if iteration % every == 0 or iteration == self.iterations:
            means = {name: sum(step[name] for step in self.losses) / len(self.losses) for name in losses}
            self.rows.append({"iteration": iteration, "learning_rate": rate} | means)
            self.losses = []

    def zeros(self) -> int:
        """Returns for how many iterations up to now the loss has been exactly 0; at least, where rows are means."""
        zeros = 0
        for step in reversed(self.losses):
            if step["loss"]:
                return zeros
            zeros += 1
        losses = [row for row in self.rows if "loss" in row]
        last = next((int(row["iteration"]) for row in reversed(losses) if row["loss"]), 0)
        return zeros + (int(losses[-1]["iteration"]) - last if losses else 0)

    def add_validation(self, iteration: int, measured: Mapping[str, float]) -> None:
        """Adds what was measured after a step to its row, or as a row of its own."""
        if not self.rows or self.rows[-1]["iteration"] != iteration:
            self.rows.append({"iteration": iteration})
        self.rows[-1].update(measured)

    def note(self) -> str:
        """Returns the newest of each column but those of single losses, for the progress bar."""
        newest = {name: value for row in self.rows for name, value in row.items()}
        shown = (name for name in sorted(newest) if name == "loss" or name.startswith("validation."))
        return ", ".join(f"{name.removeprefix('validation.')} {newest[name]:.4g}" for name in shown)


def columns(losses: Mapping[str, Tensor], accumulation: int) -> dict[str, Tensor]:
    """Returns named losses of a pass as columns of the curve: `loss`, their sum, and, of several, `loss.NAME` each.

    Args:
        losses: scalars.
        accumulation: passes of a step, over which the losses are averaged.
    """
    named = {"loss": sum_of(losses)}
    if len(losses) > 1:
        named |= {f"loss.{name}": loss for name, loss in losses.items()}
    return {name: loss.detach().float() / accumulation for name, loss in named.items()}


def sum_of(losses: Mapping[str, Tensor]) -> Tensor:
    """Returns the sum of named scalars."""
    first, *others = losses.values()
    for other in others:
        first = first + other
    return first


def read_losses(passes: Sequence[Pass], fabric: Fabric) -> dict[int, dict[str, float]]:
    """Returns the losses of whole steps by their iteration, means over all processes. Waits for the device.

    Raises:
        NotFinite: for the first step whose loss is not.
    """
    names = list(passes[0].losses)
    own = torch.stack([torch.stack([one.losses[name] for name in names]) for one in passes])
    mean = cast(Tensor, fabric.all_reduce(own.double(), reduce_op="sum")) / fabric.world_size
    steps: dict[int, dict[str, float]] = {}
    for one, mine, everyone in zip(passes, own.isfinite().all(1).tolist(), mean.tolist(), strict=True):
        if not all(map(math.isfinite, everyone)):
            raise NotFinite(one.iteration, () if mine else one.keys)
        before = steps.get(one.iteration, dict.fromkeys(names, 0.0))
        steps[one.iteration] = {name: before[name] + loss for name, loss in zip(names, everyone, strict=True)}
    return steps
