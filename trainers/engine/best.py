"""The best weights of a run so far, by what validation measures (`training.keep`)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from common_fate.errors import UserError
from trainers.engine.task import Task


class Best:
    """The weights with which a metric was lowest, on the CPU; of equal ones the first.

    Args:
        metric: its column in the curve.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.value = float("inf")
        self.weights: dict[str, Tensor] = {}

    @classmethod
    def of(cls, task: Task, validated: bool) -> "Best":
        """Returns an empty one for a task.

        Raises:
            UserError: nothing is measured, or nothing says which metric decides.
        """
        if not task.best_by:
            raise UserError("training.keep is best, and this method does not say by what: set it to last")
        if not validated:
            raise UserError(
                "training.keep is best, and no video is held out: give validation a share, or set it to last"
            )
        return cls(f"validation.{task.best_by}")

    def add(self, measured: Mapping[str, float], net: nn.Module) -> None:
        """Keeps a network's weights where what was measured of it is better than all before."""
        if measured[self.metric] < self.value:
            self.value = measured[self.metric]
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}

    def restore(self, net: nn.Module) -> None:
        """Loads the best weights into a network; it keeps its own where no value was ever a number."""
        if self.weights:
            net.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint has to have."""
        return {"value": self.value, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        self.value, self.weights = state["value"], state["weights"]
